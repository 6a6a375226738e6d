"""The server: imports the heavy modules once, then forks a child for every request.

It must stay single-threaded, or forking is unsafe; so one selector loop does everything. It is told what to
do over one control socket, and each request brings its own file descriptors:

    watch    a socket to the caller of this one request: commands in ("T"erm, "K"ill), the exit status out
    payload  the function's argument, as JSON
    events   a pipe for walls, progress and result, as JSON lines
    log      a pipe for stdout and stderr

When the control socket closes, the caller is gone, however it went: everything is killed and the server ends.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras2torch.sandbox.child import run_child
from keras2torch.sandbox.confine import become_subreaper

REQUEST_BYTES = 1 << 16
SIGNALS = {b"T": signal.SIGTERM, b"K": signal.SIGKILL}


@dataclass(frozen=True)
class _Job:
    pid: int
    pidfd: int
    watch: socket.socket


def serve(control_fd: int, preload: Sequence[str]) -> None:
    """Import `preload`, say so, and serve until the control socket closes."""
    control = socket.socket(fileno=control_fd)
    become_subreaper()
    try:
        for name in preload:
            importlib.import_module(name)
    except BaseException:
        traceback.print_exc()
        control.send(b"failed")
        raise
    # Collect now and never look at these objects again: a collection in a child would touch, and so copy,
    # every page.
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    _Server(control).loop()


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.jobs: dict[int, _Job] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ)

    def loop(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.control:
                    if not self.accept():
                        self.kill_everything()
                        return
                    continue
                job: _Job = key.data
                if self.jobs.get(job.pid) is not job:
                    continue  # it ended earlier in this round
                if key.fileobj is job.watch:
                    self.command(job)
                else:
                    self.finish(job)

    def accept(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self.control, REQUEST_BYTES, 4)
        if not message:
            return False
        request: dict[str, Any] = json.loads(message)
        request["server"] = os.getpid()
        watch_fd, payload_fd, events_fd, log_fd = fds
        pid = os.fork()
        if pid == 0:
            self.close_all()
            os.close(watch_fd)
            run_child(request, payload_fd, events_fd, log_fd)
        for fd in (payload_fd, events_fd, log_fd):
            os.close(fd)
        os.setpgid(pid, pid)  # the child does so too: whichever runs first, a kill finds the group in place
        job = _Job(pid, os.pidfd_open(pid), socket.socket(fileno=watch_fd))
        self.jobs[pid] = job
        job.watch.send(json.dumps({"pid": pid}).encode())
        self.selector.register(job.watch, selectors.EVENT_READ, job)
        self.selector.register(job.pidfd, selectors.EVENT_READ, job)
        return True

    def close_all(self) -> None:
        """In the child: let go of everything the server holds."""
        self.selector.close()
        self.control.close()
        for job in self.jobs.values():
            job.watch.close()
            os.close(job.pidfd)

    def command(self, job: _Job) -> None:
        try:
            order = job.watch.recv(1)
        except ConnectionResetError:
            order = b""
        if not order:  # the caller of this request is gone: nobody wants the answer
            self.selector.unregister(job.watch)
        os.killpg(job.pid, SIGNALS.get(order, signal.SIGKILL))

    def finish(self, job: _Job) -> None:
        """The child has ended. Until it is reaped its id cannot be reused, so the group is killed first."""
        os.killpg(job.pid, signal.SIGKILL)
        del self.jobs[job.pid]
        _, status, usage = os.wait4(job.pid, 0)
        self.kill_strays()
        if job.watch in self.selector.get_map():
            self.selector.unregister(job.watch)
        self.selector.unregister(job.pidfd)
        os.close(job.pidfd)
        report = {"code": os.waitstatus_to_exitcode(status), "max_rss": usage.ru_maxrss * 1024}
        with contextlib.suppress(BrokenPipeError):  # nobody may be waiting any more
            job.watch.send(json.dumps(report).encode())
        job.watch.close()

    def kill_strays(self) -> None:
        """Kill what a child started and left behind. As subreaper we inherit it, whatever session it moved
        to.

        That includes a daemon of a child still running: no child has business starting one.
        """
        children = Path(f"/proc/self/task/{os.getpid()}/children")
        if not children.exists():
            return  # a kernel built without CONFIG_PROC_CHILDREN; the group has been killed in any case
        while strays := [pid for pid in map(int, children.read_text().split()) if pid not in self.jobs]:
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def kill_everything(self) -> None:
        for job in list(self.jobs.values()):
            os.killpg(job.pid, signal.SIGKILL)
            self.finish(job)

"""A proxy for an S3 endpoint that answers some requests as a busy, dying or lying server would."""

import base64
import contextlib
import hashlib
import http.client
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUSY, BROKEN, CONFLICT, SILENT, SHORT, FLIPPED = "busy", "broken", "conflict", "silent", "short", "flipped"
SHARES = {BUSY: 0.15, BROKEN: 0.08, SILENT: 0.04, SHORT: 0.05, CONFLICT: 0.03, FLIPPED: 0.02}
"""How often: 503 before the request is passed on; 500 after it was, so that nobody knows; no answer after it was; half
of a body that was announced whole; 409 to a conditional write; one bit of a body another one, either way."""
DIGEST = "digest"
_ANSWERS = {
    BUSY: (503, "SlowDown", "Please reduce your request rate."),
    BROKEN: (500, "InternalError", "We encountered an internal error. Please try again."),
    DIGEST: (400, "BadDigest", "The Content-MD5 you specified did not match what we received."),
    CONFLICT: (409, "ConditionalRequestConflict", "A conflicting conditional operation is in progress."),
}
_CONTENTS = re.compile(rb"(<Contents>.*</Contents>)", re.DOTALL)
# The last two the proxy sends itself.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FaultyProxy"

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.choose(self.command, conditional="If-None-Match" in self.headers)
        if fault == FLIPPED and self.command == "PUT" and body:
            body = self.server.flip(body)
            # Every store compares what arrives with this header; the one behind this proxy does not.
            if "Content-MD5" in self.headers and self.headers["Content-MD5"] != _md5(body):
                self._refuse(DIGEST)
                return
        if fault in {BUSY, CONFLICT}:
            self._refuse(fault)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        if fault == BROKEN:
            self._refuse(fault)
            return
        if fault == SILENT:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if self.command == "GET" and "list-type=" in self.path and self.server.repeating:
            self.server.note("repeated")
            content = _CONTENTS.sub(rb"\1\1", content)
        elif fault == FLIPPED and self.command == "GET" and content:
            content = self.server.flip(content)
        if self.command == "GET" and self.server.amid(self.path):
            fault = SHORT
        announced = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", announced or "0")
        self.end_headers()
        if fault == SHORT and len(content) > 1:
            self.server.note(SHORT)
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815

    def _refuse(self, fault: str) -> None:
        status, code, message = _ANSWERS[fault]
        content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


class FaultyProxy(ThreadingHTTPServer):
    """Stands before the endpoint at port `upstream` of 127.0.0.1; counts its faults by kind."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: int, *, seed: int, shares: Mapping[str, float] = SHARES) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.amid: Callable[[str], bool] = lambda _path: False
        """Called while an answer to a GET of this path is on its way; true: the rest of it is lost."""
        self._shares = shares
        self.faults: Counter[str] = Counter()
        self.requests = 0
        self.repeating = False
        """Whether whatever is listed is listed twice."""
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def choose(self, command: str, *, conditional: bool) -> str | None:
        """What goes wrong with the next request, if anything does."""
        with self._lock:
            self.requests += 1
            drawn = self._random.random()
        for fault, share in self._shares.items():
            if drawn < share:
                if (fault == CONFLICT and not (conditional and command == "PUT")) or (
                    fault == SHORT and command != "GET"
                ):
                    return None
                if fault not in {SHORT, FLIPPED}:
                    self.note(fault)
                return fault
            drawn -= share
        return None

    def flip(self, content: bytes) -> bytes:
        """`content` with one bit another one."""
        self.note(FLIPPED)
        with self._lock:
            place, bit = self._random.randrange(len(content)), 1 << self._random.randrange(8)
        return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]

    def note(self, fault: str) -> None:
        """Count one that really happened."""
        with self._lock:
            self.faults[fault] += 1

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of the proxy's trouble."""


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


@contextlib.contextmanager
def faulty(upstream: int, *, seed: int, shares: Mapping[str, float] = SHARES) -> Iterator[FaultyProxy]:
    """A proxy under way."""
    with FaultyProxy(upstream, seed=seed, shares=shares) as server:
        thread = threading.Thread(target=server.serve_forever, name="faulty-s3", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

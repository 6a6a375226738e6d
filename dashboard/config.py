"""What an operator may set of the dashboard, as plain values; `fleet.settings` reads them from the environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Where it listens, and how it is reached."""

    host: str = "127.0.0.1"
    port: int = 8080
    patience: float = 1.0
    """How old counts may be, as a multiple of what each bears; 0: they are counted for every request."""
    root_path: str = ""
    """The path under which a proxy shows it, as `/fleet`."""

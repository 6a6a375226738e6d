"""Who asks, and what that allows."""

from dataclasses import dataclass

from db.queries.audit import Actor
from db.roles import Role

__all__ = ["Principal", "Role"]


@dataclass(frozen=True)
class Principal:
    """Somebody who is known."""

    name: str
    role: Role
    via: str
    """How they proved who they are: `local` (nobody else reaches this address), `session`, `token`."""

    @property
    def actor(self) -> Actor:
        """As the audit has it."""
        return Actor(self.name, "api" if self.via == "token" else "dashboard")

"""Who asks, and what that allows."""

from dataclasses import dataclass
from enum import StrEnum

from db.queries.audit import Actor


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = "viewer"
    """Look at everything but users and tokens."""
    OPERATOR = "operator"
    """Act on jobs, batches, schedules and workers."""
    ADMIN = "admin"
    """Manage users and tokens."""

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


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

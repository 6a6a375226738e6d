"""What somebody may do to a fleet; each role may do what those before it may."""

from enum import StrEnum


class Role(StrEnum):
    """A role of a user, or of a token."""

    VIEWER = "viewer"
    """Look at everything but users and tokens."""
    OPERATOR = "operator"
    """Act on jobs, batches, schedules and workers, and bring models."""
    ADMIN = "admin"
    """Manage users and tokens."""

    def covers(self, needed: "Role") -> bool:
        """Whether this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


def lesser(one: Role, other: Role) -> Role:
    """The one that may do less."""
    return other if one.covers(other) else one

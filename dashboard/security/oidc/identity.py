"""What a provider's claims say: who somebody is, what they are called here, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.config import Oidc
from db.roles import Role

_LONGEST_NAME = 200
_LONGEST_SUBJECT = 255


class NotAdmitted(Exception):
    """The provider knows them, and gives them nothing to do here."""


@dataclass(frozen=True)
class Identity:
    """Somebody, as the provider has them."""

    subject: str
    """Theirs for ever, unlike any name."""
    name: str
    role: Role


def identity_of(claims: Mapping[str, Any], oidc: Oidc) -> Identity:
    """Who `claims`, which have been verified, are about.

    Raises:
        NotAdmitted: no value of the role claim means a role.
    """
    subject = str(claims["sub"])
    if not (subject.isascii() and subject.isprintable() and 0 < len(subject) <= _LONGEST_SUBJECT):
        raise NotAdmitted(f"{subject!r} is no subject")
    given = [oidc.roles[value] for value in values_of(claims, oidc.role_claim) if value in oidc.roles]
    if not given:
        raise NotAdmitted(f"claim {oidc.role_claim!r} of {subject!r} has no value that means a role")
    return Identity(subject, _name(claims, subject), max(given, key=list(Role).index))


def values_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """The texts of a claim, which is one text or a list; `realm_access.roles` is looked for in `realm_access`, too."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []


def _name(claims: Mapping[str, Any], subject: str) -> str:
    """A name that people know them by, where the provider vouches for one."""
    email = claims.get("email") if claims.get("email_verified") is True else None
    for name in (claims.get("preferred_username"), email):
        if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= _LONGEST_NAME:
            return name
    return subject

"""Managing users and tokens: what the pages, the API and the command do alike.

Each act is in the caller's transaction, with its audit. Raised are `NoSuch`, `Taken`, `BadName`, each with one line of
what is wrong, and `db.queries.accounts.LastAdmin`.
"""

from collections.abc import Callable

from sqlalchemy.orm import Session

from dashboard.security import secrets
from db.queries import accounts, api_tokens, audit, password_links
from db.queries.audit import Actor
from db.roles import Role

LONGEST_NAME = 200
LINK_HOURS = 72
"""How long a link is good by which somebody sets a password."""


class NoSuch(LookupError):
    """There is no such user, or no such token that is good."""


class Taken(ValueError):
    """There is a user of that name."""


class BadName(ValueError):
    """A name that nobody may have."""


def add(session: Session, actor: Actor, name: str, role: Role, password_hash: str | None = None) -> None:
    """Add a user; without a password they come in by a link (`link`), or are a program."""
    if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadName(f"a name has 1 to {LONGEST_NAME} printable characters, and no space at either end")
    if not accounts.add(session, name, role, password_hash):
        raise Taken(f"there is a user {name} already")
    audit.write(session, actor, "add-user", name, data={"role": role})


def link(session: Session, actor: Actor, name: str) -> str:
    """The secret of a link by which the user sets a password, once and within `LINK_HOURS`; older links end."""
    secret = secrets.new_secret()
    if not password_links.make(session, name, secrets.digest(secret), seconds=LINK_HOURS * 3600.0):
        raise NoSuch(f"no user {name} who may come in")
    audit.write(session, actor, "make-password-link", name)
    return secret


def set_password(session: Session, actor: Actor, name: str, password_hash: str) -> None:
    """Change a password, which signs the user out everywhere; tokens stay."""
    _known(name, accounts.set_password(session, name, password_hash))
    audit.write(session, actor, "change-password", name)


def set_role(session: Session, actor: Actor, name: str, role: Role) -> None:
    """Change what a user may do."""
    _known(name, accounts.set_role(session, name, role))
    audit.write(session, actor, "change-role", name, data={"role": role})


def set_disabled(session: Session, actor: Actor, name: str, disabled: bool) -> None:
    """Shut a user out at once, tokens included, or let them in again."""
    _known(name, accounts.set_disabled(session, name, disabled))
    audit.write(session, actor, "disable-user" if disabled else "enable-user", name)


def remove(session: Session, actor: Actor, name: str) -> None:
    """Remove a user and what is theirs; the audit keeps the name."""
    _known(name, accounts.remove(session, name))
    audit.write(session, actor, "remove-user", name)


def sign_out(session: Session, actor: Actor, name: str) -> int:
    """Sign all browsers of a user out, and end a link that was not used; how many browsers."""
    return _end_all(session, actor, "sign-out-user", name, accounts.sign_out)


def revoke_tokens(session: Session, actor: Actor, name: str) -> int:
    """End all tokens of a user at once; how many were good."""
    return _end_all(session, actor, "revoke-tokens", name, api_tokens.revoke_all)


def revoke(session: Session, actor: Actor, token: int) -> None:
    """End one token at once."""
    owner = api_tokens.revoke(session, token)
    if owner is None:
        raise NoSuch(f"no token {token} is good")
    audit.write(session, actor, "revoke-token", owner, data={"token": token})


def _end_all(
    session: Session, actor: Actor, action: str, name: str, end: Callable[[Session, str], int]
) -> int:
    _known(name, accounts.is_user(session, name))
    ended = end(session, name)
    audit.write(session, actor, action, name, data={"ended": ended})
    return ended


def _known(name: str, known: bool) -> None:
    if not known:
        raise NoSuch(f"no user {name}")

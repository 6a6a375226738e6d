"""Users: who may sign in, and with what. Acts are in the caller's transaction, beside their audit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import ApiToken, PasswordLink, ProviderIdentity, User, WebSession
from db.queries.insert_new import insert_unless_there
from db.roles import Role


class LastAdmin(ValueError):
    """Nobody would be left who may manage users."""


@dataclass(frozen=True, kw_only=True)
class UserRow:
    """A user, without the password."""

    name: str
    role: Role
    has_password: bool
    issuer: str | None
    """The provider of identities that answers for them."""
    disabled: bool
    created_at: datetime
    tokens: int
    """Of programs, that are good now."""
    sessions: int
    """Browsers that have signed in; some may have been idle for too long."""
    link_until: datetime | None
    """Until when a link is good by which they set a password."""


@dataclass(frozen=True)
class Owner:
    """Whose a token or a session is that is good now."""

    name: str
    role: Role
    """What may be done with it."""
    noted: bool
    """Whether its use was noted lately."""


def any_user(session: Session) -> bool:
    """Whether there is one at all, disabled ones too."""
    return bool(session.scalar(select(exists().select_from(User))))


def is_user(session: Session, name: str) -> bool:
    """Whether there is one of that name, disabled ones too."""
    return bool(session.scalar(select(exists().where(User.name == name))))


def list_users(session: Session) -> list[UserRow]:
    """All, by name."""
    tokens = (
        select(func.count())
        .where(
            ApiToken.user_name == User.name,
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now()),
        )
        .scalar_subquery()
    )
    sessions = (
        select(func.count())
        .where(WebSession.user_name == User.name, WebSession.expires_at > now())
        .scalar_subquery()
    )
    link_until = (
        select(PasswordLink.expires_at)
        .where(PasswordLink.user_name == User.name, PasswordLink.expires_at > now())
        .scalar_subquery()
    )
    issuer = (
        select(func.min(ProviderIdentity.issuer))
        .where(ProviderIdentity.user_name == User.name)
        .scalar_subquery()
    )
    columns = (User.name, User.role, User.password_hash, User.disabled, User.created_at)
    found = {"issuer": issuer, "tokens": tokens, "sessions": sessions, "link_until": link_until}
    named = (query.label(name) for name, query in found.items())
    rows = session.execute(select(*columns, *named).order_by(User.name))
    return [
        UserRow(
            name=row.name,
            role=Role(row.role),
            has_password=row.password_hash is not None,
            issuer=row.issuer,
            disabled=row.disabled,
            created_at=row.created_at,
            tokens=row.tokens,
            sessions=row.sessions,
            link_until=row.link_until,
        )
        for row in rows
    ]


def add(session: Session, name: str, role: Role, password_hash: str | None) -> bool:
    """Add a user; False: there is one of that name."""
    new = {"name": name, "role": role, "password_hash": password_hash, "disabled": False}
    added = session.execute(insert_unless_there(session, User).values(**new).returning(User.name))
    return added.first() is not None


def password_hash(session: Session, name: str) -> str | None:
    """Of a user who may sign in with a password; None: there is no such one."""
    return session.scalars(
        select(User.password_hash).where(User.name == name, User.disabled.is_(False))
    ).one_or_none()


def follow_role(session: Session, name: str, role: Role) -> None:
    """Have a user do what a provider of identities says, even where no admin is left: it can make another one."""
    _change(session, name, role=role)


def set_password(session: Session, name: str, password_hash: str) -> bool:
    """Change a password, which ends all that was signed in with the old one; False: no such user."""
    if not _change(session, name, password_hash=password_hash):
        return False
    sign_out(session, name)
    return True


def sign_out(session: Session, name: str) -> int:
    """End all browsers that have signed in, and a link that was not used; how many browsers."""
    session.execute(delete(PasswordLink).where(PasswordLink.user_name == name))
    gone = session.scalars(
        delete(WebSession).where(WebSession.user_name == name).returning(WebSession.digest)
    )
    return len(gone.all())


def rehash(session: Session, name: str, password_hash: str) -> None:
    """Keep the same password by a newer recipe."""
    _change(session, name, password_hash=password_hash)


def set_role(session: Session, name: str, role: Role) -> bool:
    """Change what a user may do; False: no such user.

    Raises:
        LastAdmin: no admin would be left.
    """
    if not role.covers(Role.ADMIN):
        _keep_an_admin(session, name)
    return _change(session, name, role=role)


def set_disabled(session: Session, name: str, disabled: bool) -> bool:
    """Shut a user out, browsers and tokens included, or let them in again; False: no such user.

    Raises:
        LastAdmin: no admin would be left.
    """
    if disabled:
        _keep_an_admin(session, name)
        sign_out(session, name)
    return _change(session, name, disabled=disabled)


def remove(session: Session, name: str) -> bool:
    """Remove a user with everything that is theirs; False: no such user. The audit keeps the name.

    Raises:
        LastAdmin: no admin would be left.
    """
    _keep_an_admin(session, name)
    return session.execute(delete(User).where(User.name == name).returning(User.name)).first() is not None


def _change(session: Session, name: str, **values: object) -> bool:
    changed = session.execute(update(User).where(User.name == name).values(**values).returning(User.name))
    return changed.first() is not None


def _keep_an_admin(session: Session, name: str) -> None:
    # Locked, so that two admins who remove one another at once do not both succeed. Who was sent a link and has not
    # used it may never come.
    known = exists().where(ProviderIdentity.user_name == User.name)
    admins = session.scalars(
        select(User.name)
        .where(
            User.role == Role.ADMIN,
            User.disabled.is_(False),
            or_(User.password_hash.is_not(None), known),
        )
        .order_by(User.name)  # in one order, so that neither waits for the other
        .with_for_update()
    ).all()
    if list(admins) == [name]:
        raise LastAdmin(f"{name} is the only admin: make somebody else one first")

"""Users: who may sign in, and with what. Acts are in the caller's transaction, beside their audit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, insert, select, update
from sqlalchemy.orm import Session

from db.models import ApiToken, ProviderIdentity, User, WebSession
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


def list_users(session: Session) -> list[UserRow]:
    """All, by name."""
    tokens = (
        select(func.count())
        .where(ApiToken.user_name == User.name, ApiToken.revoked_at.is_(None))
        .scalar_subquery()
    )
    issuer = (
        select(func.min(ProviderIdentity.issuer))
        .where(ProviderIdentity.user_name == User.name)
        .scalar_subquery()
    )
    columns = (User.name, User.role, User.password_hash, User.disabled, User.created_at)
    rows = session.execute(
        select(*columns, issuer.label("issuer"), tokens.label("tokens")).order_by(User.name)
    )
    return [
        UserRow(
            name=row.name,
            role=Role(row.role),
            has_password=row.password_hash is not None,
            issuer=row.issuer,
            disabled=row.disabled,
            created_at=row.created_at,
            tokens=row.tokens,
        )
        for row in rows
    ]


def add(session: Session, name: str, role: Role, password_hash: str | None) -> bool:
    """Add a user; False: there is one of that name."""
    if session.get(User, name) is not None:
        return False
    session.execute(insert(User).values(name=name, role=role, password_hash=password_hash, disabled=False))
    return True


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
    _sign_out(session, name)
    return True


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
        _sign_out(session, name)
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


def _sign_out(session: Session, name: str) -> None:
    session.execute(delete(WebSession).where(WebSession.user_name == name))


def _keep_an_admin(session: Session, name: str) -> None:
    # Locked, so that two admins who remove one another at once do not both succeed.
    admins = session.scalars(
        select(User.name).where(User.role == Role.ADMIN, User.disabled.is_(False)).with_for_update()
    ).all()
    if list(admins) == [name]:
        raise LastAdmin(f"{name} is the only admin")

"""Tokens of programs: known by their digests, never better than their owner."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, insert, or_, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import ApiToken, User
from db.queries.accounts import Owner
from db.roles import Role, lesser

_USED_SECONDS = 3600.0
_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """A token, without what would open anything."""

    id: int
    user_name: str
    label: str
    start: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


def create(
    session: Session, user_name: str, label: str, role: Role, *, start: str, digest: str, days: float | None
) -> int | None:
    """Keep a new token, good for `days` (None: until revoked); its number, or None: no such user."""
    if session.get(User, user_name) is None:
        return None
    values = {
        "user_name": user_name,
        "label": label,
        "role": role,
        "start": start,
        "digest": digest,
        "expires_at": None if days is None else now(days * _DAY),
    }
    return session.scalars(insert(ApiToken).values(**values).returning(ApiToken.id)).one()


def owner(session: Session, digest: str) -> Owner | None:
    """Of a token that is good now. It may do what both token and user may."""
    noted = func.coalesce(ApiToken.used_at > now(-_USED_SECONDS), false()).label("noted")
    row = session.execute(
        select(ApiToken.user_name, ApiToken.role, User.role.label("owners"), noted)
        .join(User, User.name == ApiToken.user_name)
        .where(
            ApiToken.digest == digest,
            ApiToken.revoked_at.is_(None),
            or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now()),
            User.disabled.is_(False),
        )
    ).one_or_none()
    if row is None:
        return None
    return Owner(row.user_name, lesser(Role(row.role), Role(row.owners)), bool(row.noted))


def note_use(session: Session, digest: str) -> None:
    """That a token was used just now."""
    session.execute(update(ApiToken).where(ApiToken.digest == digest).values(used_at=now()))


def list_tokens(session: Session, user_name: str | None = None) -> list[TokenRow]:
    """All, or those of one user, the newest first."""
    columns = [column for column in ApiToken.__table__.columns if column.name != "digest"]
    query = select(*columns).order_by(ApiToken.id.desc())
    if user_name is not None:
        query = query.where(ApiToken.user_name == user_name)
    return [TokenRow(**{**row._mapping, "role": Role(row.role)}) for row in session.execute(query)]


def revoke(session: Session, token_id: int, user_name: str | None = None) -> str | None:
    """End a token, of `user_name` if given, for good; whose it was, or None: there is no such token, or no longer."""
    query = update(ApiToken).where(ApiToken.id == token_id, ApiToken.revoked_at.is_(None))
    if user_name is not None:
        query = query.where(ApiToken.user_name == user_name)
    return session.scalars(query.values(revoked_at=now()).returning(ApiToken.user_name)).first()


def revoke_all(session: Session, user_name: str) -> int:
    """End all tokens of a user for good; how many were good."""
    ended = session.scalars(
        update(ApiToken)
        .where(ApiToken.user_name == user_name, ApiToken.revoked_at.is_(None))
        .values(revoked_at=now())
        .returning(ApiToken.id)
    )
    return len(ended.all())

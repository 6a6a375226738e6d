"""Browsers that have signed in."""

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import User, WebSession
from db.queries.accounts import Owner
from db.roles import Role

_SEEN_SECONDS = 60.0


def begin(session: Session, user_name: str, digest: str, *, seconds: float) -> None:
    """Keep a browser for `seconds` at most; what has run out goes."""
    session.execute(delete(WebSession).where(WebSession.expires_at < now()))
    session.execute(insert(WebSession).values(user_name=user_name, digest=digest, expires_at=now(seconds)))


def owner(session: Session, digest: str, *, idle_seconds: float) -> Owner | None:
    """Of a browser that is good now."""
    row = session.execute(
        select(User.name, User.role, (WebSession.seen_at > now(-_SEEN_SECONDS)).label("noted"))
        .join(User, User.name == WebSession.user_name)
        .where(
            WebSession.digest == digest,
            WebSession.expires_at > now(),
            WebSession.seen_at > now(-idle_seconds),
            User.disabled.is_(False),
        )
    ).one_or_none()
    return None if row is None else Owner(row.name, Role(row.role), bool(row.noted))


def note_use(session: Session, digest: str) -> None:
    """That it was seen just now."""
    session.execute(update(WebSession).where(WebSession.digest == digest).values(seen_at=now()))


def end(session: Session, digest: str) -> None:
    """Sign it out."""
    session.execute(delete(WebSession).where(WebSession.digest == digest))

"""Links by which people set a password of their own: one for each at most, each good once and for a while."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.clock import now
from db.models import PasswordLink, User
from db.queries.insert_new import insert_or_change


def make(session: Session, user_name: str, digest: str, *, seconds: float) -> bool:
    """Keep a link in place of an older one; False: no such user, or one who is shut out."""
    # Locked, so that shutting out waits for it, and ends it.
    wanted = select(User.name).where(User.name == user_name, User.disabled.is_(False)).with_for_update()
    if session.scalars(wanted).one_or_none() is None:
        return False
    values = {"digest": digest, "expires_at": now(seconds)}
    insert_or_change(session, PasswordLink, {"user_name": user_name}, values)
    return True


def owner(session: Session, digest: str) -> str | None:
    """Whose a link is that is good now."""
    return session.scalars(
        select(PasswordLink.user_name).where(PasswordLink.digest == digest, PasswordLink.expires_at > now())
    ).one_or_none()


def use(session: Session, digest: str) -> str | None:
    """Whose it was; it is good no longer. None: it was not good."""
    return session.scalars(
        delete(PasswordLink)
        .where(PasswordLink.digest == digest, PasswordLink.expires_at > now())
        .returning(PasswordLink.user_name)
    ).one_or_none()

"""Users for whom a provider of identities answers: known by its number for them, never by a name it may give others."""

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from db.models import ProviderIdentity, User
from db.queries import accounts
from db.roles import Role


class NameTaken(ValueError):
    """Somebody who does not sign in there has the name that they would have here."""


def enter(session: Session, issuer: str, subject: str, name: str, role: Role) -> str | None:
    """The user whom `issuer` knows as `subject`, who may now do what `role` says; None: is disabled here.

    Whoever comes for the first time is entered as `name`, and keeps that name whatever the provider calls them later.

    Raises:
        NameTaken: they come for the first time, and there is a user of that name.
    """
    known = session.execute(
        select(User.name, User.role, User.disabled)
        .join(ProviderIdentity, ProviderIdentity.user_name == User.name)
        .where(ProviderIdentity.issuer == issuer, ProviderIdentity.subject == subject)
    ).one_or_none()
    if known is None:
        if not accounts.add(session, name, role, None):
            raise NameTaken(name)
        session.execute(insert(ProviderIdentity).values(issuer=issuer, subject=subject, user_name=name))
        return name
    if known.disabled:
        return None
    if known.role != role:
        accounts.follow_role(session, known.name, role)
    return str(known.name)

"""How often somebody failed to sign in, in the database, so that all processes know.

A name at one address, an address, and a name wherever it is tried from have each a number of failures that cost
nothing; each further one doubles the time for which nothing is tried, up to a quarter of an hour. The third number is
large, so that nobody locks others out with a few tries.
"""

from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.clock import now
from db.models import LoginFailure

# From before the password is looked at, which takes up to a second on a busy machine.
_SHORTEST_SECONDS = 5.0
_LONGEST_SECONDS = 900.0
_FORGOTTEN_SECONDS = 86400.0
_FREE = {"name at address": 5, "address": 20, "name": 50}


def keys(name: str, address: str) -> dict[str, int]:
    """What a try counts against, and how many failures of each cost nothing."""
    spelled = (f"{name}@{address}", f"@{address}", f"{name}@")
    return dict(zip(spelled, _FREE.values(), strict=True))


def of_address(address: str) -> dict[str, int]:
    """The same of a try that names nobody."""
    return {f"@{address}": _FREE["address"]}


def is_blocked(session: Session, counted: Mapping[str, int]) -> bool:
    """Whether nothing is tried now for one of these."""
    query = select(LoginFailure.key).where(LoginFailure.key.in_(counted), LoginFailure.blocked_until > now())
    return session.scalars(query.limit(1)).first() is not None


def count(session: Session, counted: Mapping[str, int]) -> None:
    """One more try of each of these, before it is known to fail, so that many at once are counted; see `forget`."""
    session.execute(delete(LoginFailure).where(LoginFailure.at < now(-_FORGOTTEN_SECONDS)))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    for key, free in sorted(counted.items()):
        tried = insert(LoginFailure).values(key=key, failures=1, at=now())
        more = {"failures": LoginFailure.failures + 1, "at": now()}
        session.execute(tried.on_conflict_do_update(index_elements=["key"], set_=more))
        failures = session.scalars(select(LoginFailure.failures).where(LoginFailure.key == key)).one()
        if failures >= free:
            pause = min(_LONGEST_SECONDS, _SHORTEST_SECONDS * 2.0 ** min(failures - free, 20))
            _set(session, key, blocked_until=now(pause))


def forget(session: Session, counted: Mapping[str, int]) -> None:
    """A try that did not fail: the name begins anew, and the address, from which others may be tried, is as before."""
    address = next(key for key in counted if key.startswith("@"))
    session.execute(delete(LoginFailure).where(LoginFailure.key.in_(set(counted) - {address})))
    _set(session, address, failures=LoginFailure.failures - 1, blocked_until=None)


def _set(session: Session, key: str, **values: object) -> None:
    session.execute(update(LoginFailure).where(LoginFailure.key == key).values(**values))

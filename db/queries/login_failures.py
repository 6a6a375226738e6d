"""How often somebody failed to sign in, in the database, so that all processes know.

A name at one address, an address, and a name wherever it is tried from have each a number of failures that cost
nothing; each further one doubles the time for which nothing is tried, up to a quarter of an hour. The third number is
large, so that nobody locks others out with a few tries.
"""

from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from db.clock import now
from db.models import LoginFailure
from db.queries.insert_new import insert_unless_there

# From before the password is looked at, which takes up to a second on a busy machine.
_SHORTEST_SECONDS = 5.0
_LONGEST_SECONDS = 900.0
_FORGOTTEN_SECONDS = 86400.0
_FREE = {"both": 5, "address": 20, "name": 50}
_ADDRESS = "address "


def keys(name: str, address: str) -> dict[str, int]:
    """What a try counts against, and how many failures of each cost nothing."""
    return {**of_address(address), f"name {name}": _FREE["name"], f"both {address} {name}": _FREE["both"]}


def of_address(address: str) -> dict[str, int]:
    """The same of a try that names nobody."""
    return {f"{_ADDRESS}{address}": _FREE["address"]}


def admit(session: Session, counted: Mapping[str, int]) -> bool:
    """Whether one more may be tried, which is then counted as if it had failed already; see `forget`.

    Asked and counted under a lock, so that of many tries at once no more are let through than one after another.
    """
    session.execute(delete(LoginFailure).where(LoginFailure.at < now(-_FORGOTTEN_SECONDS)))
    blocked = (LoginFailure.blocked_until > now()).label("blocked")
    before = {}
    for key in sorted(counted):  # in one order, so that nobody waits for somebody who waits
        session.execute(insert_unless_there(session, LoginFailure).values(key=key, failures=0, at=now()))
        query = select(LoginFailure.failures, blocked).where(LoginFailure.key == key)
        before[key] = session.execute(query.with_for_update()).one()
    if any(row.blocked for row in before.values()):
        return False
    for key, row in before.items():
        beyond = row.failures + 1 - counted[key]
        pause = min(_LONGEST_SECONDS, _SHORTEST_SECONDS * 2.0 ** min(beyond, 20))
        until = now(pause) if beyond >= 0 else None
        _set(session, key, failures=row.failures + 1, at=now(), blocked_until=until)
    return True


def forget(session: Session, counted: Mapping[str, int]) -> None:
    """A try that did not fail: the name begins anew, and the address, from which others may be tried, is as before."""
    [address] = (key for key in counted if key.startswith(_ADDRESS))
    session.execute(delete(LoginFailure).where(LoginFailure.key.in_(set(counted) - {address})))
    _set(session, address, failures=LoginFailure.failures - 1, blocked_until=None)


def _set(session: Session, key: str, **values: object) -> None:
    session.execute(update(LoginFailure).where(LoginFailure.key == key).values(**values))

"""Which stores somebody may name: addresses are opened by this process and by workers, who may reach more than they."""

from http import HTTPStatus

from sqlalchemy.orm import Session

from dashboard.problems import Problem
from dashboard.security.roles import Principal
from dashboard.services import Services
from db.queries import places
from storage import ObjectStore
from storage.errors import BadUrl


def store_at(services: Services, who: Principal, url: str, *, write: bool) -> ObjectStore:
    """The store at `url`, which answers, and with `write` takes objects.

    Raises:
        Problem: 422, it is no address; 403, it is none that may be named.
        storage.errors.StorageError: it does not answer.
    """
    try:
        store = services.open_store(url)
    except (BadUrl, ValueError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    with services.reads() as session:
        allowed = _may_name(services, session, who, store.url)
    if not allowed:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{store.url} may not be named here: FLEET_DASHBOARD_SOURCES does not say so",
        )
    store.probe(write=write)
    return store


def usual_destination(services: Services) -> str | None:
    """Where bundles go if nobody says: what is configured, or where the newest batch went; None: nowhere yet."""
    if services.config.dest is not None:
        return services.config.dest
    with services.reads() as session:
        return places.newest_dest(session)


def destination(services: Services, who: Principal, url: str | None) -> ObjectStore:
    """The store where bundles go: `url`, or else the usual one.

    Raises: as `store_at`.
    """
    if url is None:
        url = usual_destination(services)
    if url is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "say where to: there is no destination yet")
    return store_at(services, who, url, write=True)


def _may_name(services: Services, session: Session, who: Principal, url: str) -> bool:
    if who.via == "local" or any(_within(url, each) for each in services.config.sources):
        return True
    dest = services.config.dest
    return (dest is not None and services.open_store(dest).url == url) or places.is_known(session, url)


def _within(url: str, beginning: str) -> bool:
    """Whether `url` is `beginning` or something below it."""
    return url == beginning or url.startswith(beginning if beginning.endswith("/") else f"{beginning}/")

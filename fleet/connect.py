"""Opening what the fleet stands on, and saying in one line what does not open."""

import functools
from collections.abc import Callable

import redis
from pydantic import SecretStr
from sqlalchemy import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

import storage
from dashboard.config import Config
from db.queries import accounts
from db.session import make_engine, schema_is_current, session_factory, upgrade
from fleet.errors import FleetError, UsageError
from fleet.settings import Settings
from storage.errors import BadUrl, StorageError
from storage.store import ObjectStore, StoreSettings
from workers.settings import BrokerSettings

_ANSWER_SECONDS = 5


def open_database(url: str, *, create: bool, for_many: bool = False) -> Engine:
    """An engine whose database answers and has the schema of this code; with `create`, it is given one. `for_many`: as
    `make_engine` has it.

    Raises:
        UsageError: not a URL, or no database this runs on.
        FleetError: it does not answer, or has another schema.
    """
    try:
        shown = make_url(url).render_as_string(hide_password=True)
        engine = make_engine(url, for_many=for_many)
    except (ArgumentError, ModuleNotFoundError, ImportError) as error:
        raise UsageError(f"FLEET_DATABASE_URL: {_first_line(error)}") from error
    try:
        if create:
            upgrade(url)
        current = schema_is_current(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise FleetError(f"database {shown}: {database_problem(error)}") from error
    if not current:
        engine.dispose()
        raise FleetError(f"database {shown}: its schema is not the one of this version (run `fleet upgrade`)")
    return engine


def sessions_of(engine: Engine, *, read_only: bool = False) -> sessionmaker[Session]:
    """Makes sessions on `engine`."""
    return session_factory(engine, read_only=read_only)


def database_problem(error: SQLAlchemyError) -> str:
    """What the database's driver said, without SQLAlchemy's wrapping or the statement."""
    original = getattr(error, "orig", None) if isinstance(error, DBAPIError) else None
    return _first_line(original or error)


def check_broker(url: str) -> str | None:
    """The broker's maxmemory-policy; None where it does not tell.

    Raises:
        UsageError: not a URL.
        FleetError: it does not answer, or drops what it is given when memory is short.
    """
    shown = _without_password(url)
    try:
        client = redis.Redis.from_url(
            url.replace("redis+socket://", "unix://"),
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
        )
    except ValueError as error:
        raise UsageError(f"FLEET_BROKER_URL: {_first_line(error)}") from error
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except redis.ResponseError:
        policy = None  # managed services forbid CONFIG; `fleet doctor` cannot know either
    except redis.RedisError as error:
        raise FleetError(f"broker {shown}: {_first_line(error)}") from error
    finally:
        client.close()
    if policy not in {None, "noeviction"}:
        raise FleetError(
            f"broker {shown}: its maxmemory-policy is {policy}; it must be noeviction, or it drops jobs"
        )
    return policy


def open_store(url: str, settings: Settings) -> ObjectStore:
    """The store at `url`; nothing is asked of it yet.

    Raises:
        UsageError: `url` is no store's address.
    """
    try:
        return storage.open_store(url, store_settings(settings))
    except BadUrl as error:
        raise UsageError(str(error)) from error


def store_settings(settings: Settings) -> StoreSettings:
    """How S3 is reached, and as whom."""
    return StoreSettings(
        s3_endpoint_url=settings.s3_endpoint_url,
        s3_region=settings.s3_region,
        s3_access_key_id=_told(settings.s3_access_key_id),
        s3_secret_access_key=_told(settings.s3_secret_access_key),
    )


def check_store(store: ObjectStore, *, write: bool) -> None:
    """Raise FleetError unless the store can be listed, or with `write` written to."""
    try:
        store.probe(write=write)
    except StorageError as error:
        raise FleetError(str(error)) from error


def check_access(engine: Engine, config: Config) -> None:
    """Raise UsageError if others could reach the dashboard, and nobody would have to sign in."""
    if config.on_loopback or config.oidc is not None:
        return
    with sessions_of(engine, read_only=True)() as session:
        if not accounts.any_user(session):
            raise UsageError(
                f"{config.host} can be reached from elsewhere: add a user first"
                " (bin/fleet users add NAME --role admin), or set FLEET_DASHBOARD_OIDC_ISSUER"
            )


def broker_settings(settings: Settings, url: str) -> BrokerSettings:
    """What the Celery application needs to know."""
    return BrokerSettings(
        url=url, prefix=settings.broker_prefix, visibility_seconds=settings.visibility_seconds
    )


def _told(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def store_opener(settings: Settings) -> Callable[[str], ObjectStore]:
    """Opens stores by address, each once: a store may be shared, and an S3 client takes 0.1 s to make."""

    @functools.lru_cache(maxsize=64)
    def opened(url: str) -> ObjectStore:
        return open_store(url, settings)

    return opened

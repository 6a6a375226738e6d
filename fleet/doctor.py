"""What the fleet stands on, examined one by one: each finding is a line that says what to do about it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from secrets import token_hex

from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from db.clock import now
from db.queries import event_months, reports
from db.session import make_engine, schema_versions, session_factory
from fleet import connect
from fleet.errors import FleetError
from fleet.settings import Settings
from storage.errors import StorageError
from storage.store import ObjectStore
from storage.walk import TEMPORARY
from workers import gpus
from workers.slots import Device

#: S3 refuses requests signed so far from its own time.
_S3_SKEW_SECONDS = 900.0
_NOTABLE_SKEW_SECONDS = 30.0
_LATEST = 5


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    """The fleet does not work like this, or not safely."""


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    part: str
    verdict: Verdict
    message: str


def examine(settings: Settings, places: Sequence[str], *, demand_gpu: bool) -> Iterator[Finding]:
    """Examine database, broker, storage and GPU; `places` are stores to write to (none: those of the newest)."""
    sources, dests = list[str](), list(places)
    if settings.database_url is None:
        yield Finding(
            "database", Verdict.OK, "FLEET_DATABASE_URL is not set: each migration has its own SQLite"
        )
    else:
        finding, engine = _database(settings.database_url.get_secret_value())
        yield finding
        if engine is not None:
            yield _clock(engine)
            yield from _month(engine)
            if not places:
                sources, dests = _used_lately(engine)
            engine.dispose()
    yield _broker(settings)
    for url in dests:
        yield from _written(url, settings)
    for url in sources:
        yield _read(url, settings)
    if not dests and not sources:
        yield Finding(
            "storage",
            Verdict.WARNING,
            "nothing was examined: give the folders or s3:// addresses to write to",
        )
    yield _gpu(demanded=demand_gpu or settings.device is Device.CUDA)


def _database(url: str) -> tuple[Finding, Engine | None]:
    """What is to be said of it; the engine, if it can be asked further."""
    try:
        shown = make_url(url).render_as_string(hide_password=True)
        engine = make_engine(url)
    except (ArgumentError, ImportError) as error:
        return Finding("database", Verdict.FAULT, f"FLEET_DATABASE_URL: {str(error).splitlines()[0]}"), None
    try:
        found, expected = schema_versions(engine)
        with engine.connect() as connection:
            postgres = engine.dialect.name == "postgresql"
            read_only = postgres and connection.scalar(text("SHOW transaction_read_only")) == "on"
    except SQLAlchemyError as error:
        engine.dispose()
        return Finding("database", Verdict.FAULT, f"{shown}: {connect.database_problem(error)}"), None
    if found != expected:
        engine.dispose()
        has = f"has schema {', '.join(sorted(found)) or 'none'}, and this version needs {', '.join(sorted(expected))}"
        return Finding("database", Verdict.FAULT, f"{shown}: {has}: run `fleet upgrade`"), None
    if read_only:
        return Finding("database", Verdict.FAULT, f"{shown}: takes no writes (a standby?)"), engine
    return Finding("database", Verdict.OK, f"{shown}: schema {', '.join(sorted(found))}"), engine


def _clock(engine: Engine) -> Finding:
    """Leases are measured by the database's clock alone, so that a difference is a nuisance and no fault."""
    before = datetime.now(UTC)
    with session_factory(engine, read_only=True)() as session:
        there = session.scalars(select(now())).one()
    middle = before + (datetime.now(UTC) - before) / 2
    skew = (there - middle).total_seconds()
    notable = abs(skew) > _NOTABLE_SKEW_SECONDS
    verdict = Verdict.WARNING if notable else Verdict.OK
    return Finding("database", verdict, f"its clock is {skew:+.1f} s from this machine's")


def _month(engine: Engine) -> Iterator[Finding]:
    """Events are written all the same: it tells of a scheduler that has not done its duty for months."""
    with session_factory(engine, read_only=True)() as session:
        there = event_months.this_month_is_there(session)
    if not there:
        yield Finding(
            "database",
            Verdict.WARNING,
            "events have no partition for this month, and gather in event_default: a running scheduler makes one, or"
            " says in its log why it cannot",
        )


def _used_lately(engine: Engine) -> tuple[list[str], list[str]]:
    """Sources and destinations of the newest batches."""
    with session_factory(engine, read_only=True)() as session:
        newest = reports.latest_batches(session, _LATEST)
        batches = [batch for number in newest if (batch := reports.batch_summary(session, number))]
    return (
        list(dict.fromkeys(batch.source_url for batch in batches)),
        list(dict.fromkeys(batch.dest_url for batch in batches)),
    )


def _broker(settings: Settings) -> Finding:
    if settings.broker_url is None:
        return Finding("broker", Verdict.OK, "FLEET_BROKER_URL is not set: each migration starts its own")
    try:
        policy = connect.check_broker(settings.broker_url.get_secret_value())
    except FleetError as error:
        return Finding("broker", Verdict.FAULT, str(error).removeprefix("broker "))
    if policy is None:
        return Finding("broker", Verdict.WARNING, "answers, but does not say whether it evicts: it must not")
    return Finding("broker", Verdict.OK, f"answers, maxmemory-policy {policy}")


def _written(url: str, settings: Settings) -> Iterator[Finding]:
    try:
        store = connect.open_store(url, settings)
        report = store.probe(write=True)
        _write_and_read(store)
    except (FleetError, StorageError) as error:
        yield Finding("storage", Verdict.FAULT, str(error))
        return
    if report.conditional_writes:
        yield Finding("storage", Verdict.OK, f"{store.url}: written, read back, writes conditionally")
    else:
        yield Finding(
            "storage",
            Verdict.FAULT,
            f"{store.url}: no conditional writes (If-None-Match), so that only names made of hashes keep"
            " two writers apart",
        )
    yield from _skewed(store, report.clock_skew_seconds)


def _read(url: str, settings: Settings) -> Finding:
    try:
        store = connect.open_store(url, settings)
        store.probe(write=False)
    except (FleetError, StorageError) as error:
        return Finding("storage", Verdict.FAULT, str(error))
    return Finding("storage", Verdict.OK, f"{store.url}: can be listed")


def _write_and_read(store: ObjectStore) -> None:
    """Raise unless what is put can be had back."""
    key, content = f"{TEMPORARY}doctor-{token_hex(8)}", token_hex(32).encode()
    store.put_bytes(key, content, if_absent=False)
    try:
        if store.read_bytes(key) != content:
            raise FleetError(f"{store.url}: gives back other bytes than were put")
    finally:
        store.delete(key)


def _skewed(store: ObjectStore, skew: float | None) -> Iterator[Finding]:
    if skew is None or abs(skew) <= _NOTABLE_SKEW_SECONDS:
        return
    verdict = Verdict.FAULT if abs(skew) >= _S3_SKEW_SECONDS else Verdict.WARNING
    yield Finding("storage", verdict, f"{store.url}: its clock is {skew:+.0f} s from this machine's")


def _gpu(*, demanded: bool) -> Finding:
    try:
        found = gpus.discover()
    except gpus.GpuTrouble as error:
        return Finding("gpu", Verdict.FAULT if demanded else Verdict.WARNING, str(error))
    if found:
        return Finding("gpu", Verdict.OK, ", ".join(map(str, found)))
    if demanded:
        return Finding("gpu", Verdict.FAULT, "one is demanded, and nvidia-smi shows none, or is not there")
    return Finding("gpu", Verdict.OK, "none, and none is demanded")

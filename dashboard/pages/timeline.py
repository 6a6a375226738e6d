"""Attempts as bars: one row a try, one piece a stage, all on one scale."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.queries.job_detail import AttemptRow, JobDetail

_FILLS = {"download": 7, "convert": 3, "export": 6, "verify": 4, "publish": 5}
"""Of the stages, in the order in which they run."""
_OTHER = 2
_WIDTH = 1000.0
#: What is too short to be seen is drawn so wide.
_LEAST = 3.0


@dataclass(frozen=True)
class Piece:
    """A stage of an attempt, in thousandths of the longest attempt."""

    stage: str
    seconds: float
    x: float
    width: float
    fill: int


@dataclass(frozen=True)
class Row:
    """One attempt."""

    attempt: AttemptRow
    waited: float
    """Seconds between the moment from which it could start and its start."""
    seconds: float
    pieces: tuple[Piece, ...]


def timeline(job: JobDetail, now: datetime) -> list[Row]:
    """The attempts of `job`, oldest first."""
    longest = max((_length(attempt, now) for attempt in job.attempts), default=0.0) or 1.0
    since = job.created_at
    rows = []
    for attempt in job.attempts:
        waited = max((attempt.started_at - since).total_seconds(), 0.0)
        rows.append(Row(attempt, waited, _seconds(attempt, now), _pieces(attempt, longest, now)))
        since = attempt.ended_at or attempt.started_at
    return rows


def in_order(names: Iterable[str]) -> list[str]:
    """Stages in the order in which they run, as which a database may not keep them; those not known come last."""
    known = list(_FILLS)
    return sorted(names, key=lambda name: known.index(name) if name in _FILLS else len(known))


def stages(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """The stages that occur, with their fills, in the order in which they run."""
    occur = {piece.stage: piece.fill for row in rows for piece in row.pieces}
    return [(stage, occur[stage]) for stage in in_order(occur)]


def _seconds(attempt: AttemptRow, now: datetime) -> float:
    return max(((attempt.ended_at or now) - attempt.started_at).total_seconds(), 0.0)


def _length(attempt: AttemptRow, now: datetime) -> float:
    """As drawn: clocks of worker and database may differ in how long it took."""
    return max(_seconds(attempt, now), sum(map(float, (attempt.stage_seconds or {}).values())))


def _pieces(attempt: AttemptRow, longest: float, now: datetime) -> tuple[Piece, ...]:
    took = dict(attempt.stage_seconds or {})
    if not took:
        # One that still runs, or that nobody lived to measure: all of it is the stage it was last seen in.
        took = {attempt.stage or "starting": _seconds(attempt, now)}
    pieces, x = [], 0.0
    for stage in in_order(took):
        seconds = float(took[stage])
        width = max(seconds / longest * _WIDTH, _LEAST)
        pieces.append(Piece(stage, seconds, round(x, 1), round(width, 1), _FILLS.get(stage, _OTHER)))
        x += width
    return tuple(pieces)

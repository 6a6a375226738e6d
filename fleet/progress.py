"""What a person watches while a migration runs: a live display on a terminal, plain lines anywhere else."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from db.states import TERMINAL, JobState
from fleet.consoles import plain

_PLAIN_SECONDS = 5.0
_RATE_SECONDS = 60.0
_WORDS = {
    JobState.SUCCEEDED: "converted",
    JobState.FAILED: "refused or failed",
    JobState.QUARANTINED: "quarantined",
    JobState.CANCELLED: "cancelled",
    JobState.HELD: "held",
}


@dataclass(frozen=True)
class Running:
    """What one worker slot does now."""

    key: str
    stage: str
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """One look at a batch."""

    counts: Mapping[JobState, int]
    running: tuple[Running, ...] = ()
    slots: int = 0

    @property
    def total(self) -> int:
        """All jobs of the batch."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """Those that are terminal."""
        return sum(count for state, count in self.counts.items() if state in TERMINAL)


class Pace:
    """Jobs a second over the last minute, and the time left at that pace."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def add(self, at: float, done: int) -> None:
        """At time `at` (seconds), `done` jobs were terminal."""
        self._points.append((at, done))
        while len(self._points) > 2 and self._points[0][0] < at - _RATE_SECONDS:
            self._points.popleft()

    @property
    def rate(self) -> float | None:
        """Jobs a second; None while nothing can be said."""
        if len(self._points) < 2:
            return None
        (first_at, first), (last_at, last) = self._points[0], self._points[-1]
        return (last - first) / (last_at - first_at) if last > first and last_at > first_at else None

    def left(self, remaining: int) -> float | None:
        """Seconds until `remaining` jobs are done; None while nothing can be said."""
        rate = self.rate
        return remaining / rate if rate else None


class Display(Protocol):
    """Shows snapshots and single remarks while its context is open."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, snapshot: Snapshot) -> None:
        """Bring the display up to date."""

    def say(self, line: str) -> None:
        """A remark that stays."""


def make_display(console: Console) -> Display:
    """The display that fits the console."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)


class LiveDisplay:
    """A bar, the rate, the time left, and a line for each slot."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._live = Live(console=console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, snapshot: Snapshot) -> None:
        self._pace.add(time.monotonic(), snapshot.done)
        self._live.update(Group(self._bar(snapshot), *self._slots(snapshot)))

    def say(self, line: str) -> None:
        self._console.print(plain(line))

    def _bar(self, snapshot: Snapshot) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=max(snapshot.total, 1), completed=snapshot.done, width=40)
        grid.add_row(
            bar,
            plain(f"{snapshot.done}/{snapshot.total}"),
            plain(_tally(snapshot)),
            plain(_pace(self._pace, snapshot)),
        )
        return grid

    def _slots(self, snapshot: Snapshot) -> list[RenderableType]:
        grid = Table.grid(padding=(0, 1))
        for number in range(max(snapshot.slots, len(snapshot.running))):
            if number < len(snapshot.running):
                job = snapshot.running[number]
                grid.add_row(
                    plain(f"  {number + 1}"),
                    plain(job.stage, style="cyan"),
                    plain(f"{job.seconds:.0f} s"),
                    plain(job.key),
                )
            else:
                grid.add_row(plain(f"  {number + 1}"), plain("idle", style="dim"), plain(""), plain(""))
        return [grid]


class PlainDisplay:
    """A line every few seconds, and only when something has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._last_line = ""
        self._last_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        self._pace.add(now, snapshot.done)
        finished = snapshot.done == snapshot.total
        if now - self._last_at < _PLAIN_SECONDS and not finished:
            return
        tally = f"{snapshot.done}/{snapshot.total} done, {len(snapshot.running)} running"
        tally += _tally(snapshot, before=" (", after=")")
        if tally != self._last_line:
            pace = _pace(self._pace, snapshot)
            self.say(f"{tally}, {pace}" if pace else tally)
            self._last_line, self._last_at = tally, now

    def say(self, line: str) -> None:
        self._console.print(plain(line), soft_wrap=True)


def _tally(snapshot: Snapshot, before: str = "", after: str = "") -> str:
    parts = [
        f"{snapshot.counts[state]} {word}" for state, word in _WORDS.items() if snapshot.counts.get(state)
    ]
    return f"{before}{', '.join(parts)}{after}" if parts else ""


def _pace(pace: Pace, snapshot: Snapshot) -> str:
    rate, left = pace.rate, pace.left(snapshot.total - snapshot.done)
    if rate is None or left is None:
        return ""
    speed = f"{rate:.1f}/s" if rate >= 1 else f"{rate * 60:.1f}/min"
    minutes, seconds = divmod(round(left), 60)
    return f"{speed}, {minutes}:{seconds:02} left"

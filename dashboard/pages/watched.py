"""Logs that tabs show while they grow: what each tab has not seen of its own."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.queries import live_log
from db.records import LogTail


@dataclass(eq=False)
class Watched:
    """The log that one tab shows, and how many characters of it the tab has."""

    job: int
    attempt: int
    said: int

    def message(self, tail: LogTail) -> bytes:
        """A server-sent event with what is new; the tab has it from now on. It has no number: only events have."""
        text = tail.since(self.said)
        self.said = tail.said
        start = tail.said - len(text)
        data = {"job": self.job, "attempt": self.attempt, "start": start, "said": tail.said, "text": text}
        return f"event: log\ndata: {json.dumps(data)}\n\n".encode()


def news(session: Session, logs: Collection[Watched]) -> list[tuple[Watched, LogTail]]:
    """Those that have grown; two queries at most, however many tabs, and the words only of what grew."""
    lengths = live_log.lengths(session, {(log.job, log.attempt) for log in logs})
    grown = [log for log in logs if lengths.get((log.job, log.attempt), 0) > log.said]
    tails = live_log.tails(session, {(log.job, log.attempt) for log in grown}) if grown else {}
    return [(log, tails[log.job, log.attempt]) for log in grown if (log.job, log.attempt) in tails]

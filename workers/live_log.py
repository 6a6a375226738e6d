"""The end of what the children of a running attempt say, for whoever watches it."""

import codecs
import threading
from collections import deque

from db.records import LogTail
from keras2torch.errors import one_line
from workers.child_log import LONGEST_LINE, heading

#: So much of the end is kept: characters of what is shown, and bytes of what nobody has looked at yet.
KEPT = 16 << 10


class LiveLog:
    """Any thread may add to it; one looks at it, every few seconds.

    Between two looks a child may write gigabytes, so what it writes is only kept, and the end of it made fit to be
    shown when somebody looks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heading = b""
        self._heard = bytearray()
        self._missed = 0
        self._at_line_start = True
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque()
        self._length = 0
        self._open = ""
        """The line that has not ended, as it came."""
        self._said = 0
        """Characters of all lines that have."""

    def begin(self, stage: str, step: str) -> None:
        """What is heard from now on is of the child of this step."""
        with self._lock:
            self._heading = f"{heading(stage, step)}\n".encode()

    def hear(self, chunk: bytes) -> None:
        """A child wrote this, on stdout or stderr."""
        with self._lock:
            if self._heading and chunk:
                self._heard += self._heading if self._at_line_start else b"\n" + self._heading
                self._heading = b""
            self._heard += chunk
            self._at_line_start = self._heard.endswith(b"\n") if self._heard else self._at_line_start
            if (over := len(self._heard) - KEPT) > 0:
                del self._heard[:over]
                self._missed += over

    def look(self) -> LogTail | None:
        """The end of the log, with control characters shown and not obeyed; None: nothing came since the last look."""
        with self._lock:
            heard, missed = bytes(self._heard), self._missed
            self._heard.clear()
            self._missed = 0
        if not heard:
            return None
        text = self._decoder.decode(heard)
        if missed:
            # Begin with a whole line, where there is one.
            text = text.partition("\n")[2] or text
            note = f"--- {missed} bytes were not shown\n"
            text = (f"\n{note}" if self._open else note) + text
        self._take(text)
        unfinished = one_line(self._open, LONGEST_LINE)
        shown = ("".join(self._lines) + unfinished)[-KEPT:]
        return LogTail(shown, self._said + len(unfinished))

    def _take(self, text: str) -> None:
        *ended, rest = text.split("\n")
        for line in ended:
            shown = one_line(self._open + line, LONGEST_LINE) + "\n"
            self._open = ""
            self._lines.append(shown)
            self._said += len(shown)
            self._length += len(shown)
        while self._length > KEPT and len(self._lines) > 1:
            self._length -= len(self._lines.popleft())
        # More of it is never shown, and it may have no end.
        self._open = (self._open + rest)[: LONGEST_LINE + 1]

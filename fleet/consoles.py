"""Where output goes, and that nothing of a stranger's steers it."""

import logging
import sys
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras2torch.errors import one_line

#: A pipe has no width; what reads it wants a line a row, not eighty columns.
_WIDTH_OF_A_PIPE = 240


_LONGEST_LINE = 4000


def plain(text: str, style: str = "") -> Text:
    """Text for a console as it is, without markup; what would steer a terminal is spelled out.

    Keys of objects, layers and messages are strangers' words, and a `Text` lets escape sequences through.
    """
    return Text(one_line(text, _LONGEST_LINE), style)


def table_of(*headers: str) -> Table:
    """An empty table with these columns."""
    return Table(*headers, box=None, pad_edge=False, header_style="bold")


class LogFormatter(logging.Formatter):
    """A record is one line, whatever stands in it; only a traceback has more, and its lines are set in."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = one_line(record.message, _LONGEST_LINE)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {one_line(line, _LONGEST_LINE)}" for line in lines)


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: stdout)."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_A_PIPE
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False)

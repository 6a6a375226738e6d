"""Where output goes."""

import sys
from typing import TextIO

from rich.console import Console
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


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: stdout)."""
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH_OF_A_PIPE, highlight=False)

"""Where output goes."""

import sys
from typing import TextIO

from rich.console import Console

#: A pipe has no width; what reads it wants a line a row, not eighty columns.
_WIDTH_OF_A_PIPE = 240


def console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: stdout)."""
    stream = stream or sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH_OF_A_PIPE, highlight=False)

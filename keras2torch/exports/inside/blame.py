"""Which layer stopped an export, and why, in one line: torch says it in pages."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_OPERATION = re.compile(r"<OpOverload\(op='([\w.:]+)'")


_FIXED = re.compile(r"static shape of \d+ for dimension inputs\['(\w+)'\]\.shape\[(\d+)\]")
_NEAR = 2
"""Lines that a layer may take beyond the first; farther on there is another layer, or a block of them."""
_SYMBOLS = "torch.fx.experimental.symbolic_shapes"


class NotExportable(Exception):
    """A model that a format cannot hold, or that came out of it another; the message names the layer."""

    kind = "cannot-export"
    exit_code = 4


class Fixing(logging.Handler):
    """Notes on which line of `source` an open extent was first fixed: torch says it in a log, where it happens."""

    def __init__(self, source: Path) -> None:
        super().__init__(logging.INFO)
        self.source = source
        self.line: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.line is None and re.match(r"eval Eq\(s\d+, \d+\)", record.getMessage()):
            self.line = _first_line(traceback.extract_stack(), self.source)

    @contextmanager
    def listening(self) -> Iterator[None]:
        logger = logging.getLogger(_SYMBOLS)
        before = logger.level, logger.propagate
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.setLevel(before[0])
            logger.propagate = before[1]


def reason(
    error: BaseException,
    source: Path,
    layers: list[Mapping[str, Any]],
    program: torch.export.ExportedProgram | None,
    fixed: int | None = None,
) -> str:
    """`layer 'x' (Class): what torch says`, without the layer where nothing points to one.

    `program` is what was being translated into another format, its nodes still with the lines of `source`; `fixed` the
    line on which an open extent was fixed.
    """
    text = _text(error)
    missing, static = _OPERATION.search(text), _FIXED.search(text)
    if static:
        which = "the batch" if static[2] == "0" else f"axis {static[2]}"
        text = f"what it computes fixes {which} of {static[1]}, which is open"
        line = fixed
    elif missing:
        name = missing[1].rpartition(".")[2].rpartition("::")[2]
        text = f"ONNX has no operation for {name}"
        line = _line_of(program, name, source)
    elif "data-dependent" in text:
        text = "which way it goes depends on numbers that are not known before it runs"
        line = _line_in(error, source)
    else:
        line = _line_in(error, source)
    where = _layer(line, layers) if line else ""
    return f"{where}{text}"


def _text(error: BaseException) -> str:
    """The line of the innermost cause that says what the matter is."""
    messages = [str(each) for each in _causes(error)]
    telling = [message for message in messages if _OPERATION.search(message) or _FIXED.search(message)]
    found = [*telling, messages[-1] or messages[0]][0]
    lines = [line.strip(" -") for line in _ESCAPES.sub("", found).splitlines() if line.strip(" -")]
    lines = [line for line in lines if _OPERATION.search(line) or _FIXED.search(line)] or lines
    return lines[0] if lines else type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _line_in(error: BaseException, source: Path) -> int | None:
    """The line of `source` that ran when the error came up: its innermost call from the model's own class."""
    for each in reversed(list(_causes(error))):
        line = _first_line(traceback.extract_tb(each.__traceback__), source)
        if line is not None:
            return line
    return None


def _first_line(stack: traceback.StackSummary, source: Path) -> int | None:
    """Where the `forward` of the model itself was, the outermost one in its file."""
    return next(
        (frame.lineno for frame in stack if frame.filename == str(source) and frame.name == "forward"), None
    )


def _line_of(program: torch.export.ExportedProgram | None, operation: str, source: Path) -> int | None:
    """The line that the first node with that operation, or one that is made of it, was traced from."""
    for node in program.graph.nodes if program is not None else ():
        if operation in str(node.target):
            lines = re.findall(
                rf'File "{re.escape(str(source))}", line (\d+)', node.meta.get("stack_trace") or ""
            )
            if lines:
                return int(lines[0])
    return None


def _layer(line: int, layers: list[Mapping[str, Any]]) -> str:
    """The layer whose output that line of the model's own `forward` computes, or one of the next lines does."""
    places = [
        (place["line"], layer)
        for layer in layers
        for place in layer["outputs"]
        if not place["module"] and place["line"] is not None and 0 <= place["line"] - line <= _NEAR
    ]
    if not places:
        return f"line {line} of model.py: "
    _, layer = min(places, key=lambda place: place[0])
    return f"layer {layer['keras_name']!r} ({layer['keras_class']}): "

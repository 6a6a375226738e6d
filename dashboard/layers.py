"""What the converter knows of each class of layer and each operation."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Standing:
    """How a class stands with the converter."""

    status: str
    """`converted`, `cannot` or `unknown`."""
    note: str
    """What it becomes, why it does not convert, or that nobody knows it."""


@functools.cache
def rows() -> list[dict[str, Any]]:
    """As `keras2torch layers --json` prints them: layers, then operations."""
    # Half a second and numpy, which a dashboard that nobody asks for layers does without.
    from keras2torch.layers._table import entries
    from keras2torch.operations._table import rows as operations

    return [*(entry.as_json() for entry in entries()), *operations()]


@functools.cache
def _by_class() -> Mapping[str, Mapping[str, Any]]:
    return {name: row for row in reversed(rows()) for name in row["classes"]}


def standing(name: str) -> Standing:
    """Of the class or operation called `name`, of Keras's or of anybody's."""
    row = _by_class().get(name)
    if row is None:
        return Standing("unknown", "not a class of Keras's: a custom layer needs a rule or a replacement")
    return Standing(row["status"], row["torch"] or row["reason"] or "")

"""What a hostile input is, and the list of all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

CONVERTS = "converts"
"""The kind of what is harmless: it becomes a bundle."""
ANYTHING = "anything"
"""The kind of what may be refused or convert, as long as it ends in order."""

EXIT_CODES = {CONVERTS: 0, "unsupported-model": 4}
"""Of each kind; every other is a refused file, 3."""


@dataclass(frozen=True)
class Attack:
    """One crafted file: what `convert` must say of it. `words` stand in the message: what is wrong, and where."""

    name: str
    path: Path
    kind: str
    words: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int | None:
        return None if self.kind == ANYTHING else EXIT_CODES.get(self.kind, 3)


@dataclass(frozen=True)
class Input:
    """One row of the table: `craft` writes its files into a folder."""

    number: int
    title: str
    craft: Callable[[Path], list[Attack]]


_INPUTS: dict[int, Input] = {}


def hostile(
    number: int, title: str
) -> Callable[[Callable[[Path], list[Attack]]], Callable[[Path], list[Attack]]]:
    """Make a function row `number` of the table."""

    def register(craft: Callable[[Path], list[Attack]]) -> Callable[[Path], list[Attack]]:
        if number in _INPUTS:
            raise ValueError(f"input {number} is there already")
        _INPUTS[number] = Input(number, title, craft)
        return craft

    return register


def inputs() -> Mapping[int, Input]:
    """Every row, in order."""
    for module in ("bytes", "storage", "names", "configs", "classes"):
        import_module(f"tests.hostile.inputs_{module}")
    return dict(sorted(_INPUTS.items()))

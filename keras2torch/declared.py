"""How an option is declared: once, as a field, for Python, both commands, manifests and the fleet's recipes."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol

from keras2torch.errors import UsageError


class About(Enum):
    """What an option tells of, which says which commands have it."""

    FILE = "the file: for inspecting and for converting"
    CODE = "the caller's own code, which a manifest does not hold: for inspecting, converting and verifying"
    BUNDLE = "the bundle to be made: for converting"


@dataclass(frozen=True)
class Option:
    """One option. `parse` makes its value of what a caller gives, `record` what a manifest says of it; with `many`
    the value is a tuple and both are for one of its items. `metavar`, `flag` and `help` are for command lines: the
    flag is the field's name unless given. `ordered`: whether the order of many is a difference. `batch`: whether it can
    be meant for many models at once.
    """

    about: About
    help: str
    choices: tuple[str, ...] = ()
    parse: Callable[[Any], Any] = lambda value: value
    record: Callable[[Any], Any] = lambda value: value
    metavar: str | None = None
    flag: str | None = None
    many: bool = False
    ordered: bool = True
    batch: bool = True

    def parsed(self, given: Any) -> Any:
        """The value of what a caller gives. Raises `UsageError`."""
        if self.many:
            return tuple(map(self.parse, given))
        return None if given is None else self.parse(given)

    def recorded(self, value: Any) -> Any:
        """What a manifest says, which `parsed` understands unless it is about the caller's code."""
        if not self.many:
            return self.record(value)
        items = map(self.record, value)
        return list(items) if self.ordered else sorted(items)

    def check(self, name: str, value: Any) -> None:
        """Raises `UsageError` for a value that is no choice."""
        if self.choices and value is not None and value not in self.choices:
            raise UsageError(f"{name} is {value!r}, not one of {', '.join(self.choices)}")

    def dashed(self, name: str) -> str:
        """The flag on a command line."""
        return f"--{(self.flag or name).replace('_', '-')}"

    def add_to(self, parser: ArgumentParser, name: str, default: Any) -> None:
        """Let a command line have it, under its name."""
        flag = self.dashed(name)
        if isinstance(default, bool):
            parser.add_argument(flag, dest=name, action="store_true", help=self.help)
        elif self.many:
            text = f"{self.help} (repeatable)"
            parser.add_argument(flag, dest=name, action="append", default=[], metavar=self.metavar, help=text)
        else:
            parser.add_argument(
                flag,
                dest=name,
                default=default,
                choices=self.choices or None,
                metavar=self.metavar,
                help=self.help,
            )


def option(default: Any, about: About, text: str, **settings: Any) -> Any:
    """A field that is an option; `text` is its help, `settings` the rest of an `Option`."""
    return dataclasses.field(default=default, metadata={"option": Option(about, text, **settings)})


class _HasFields(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


def options_of(declaring: type[_HasFields]) -> Mapping[str, tuple[Option, Any]]:
    """The options of a dataclass, by name, each with its default."""
    return {field.name: (field.metadata["option"], field.default) for field in dataclasses.fields(declaring)}

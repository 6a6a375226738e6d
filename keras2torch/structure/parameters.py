"""What the constructor of a block takes: the numbers in which its instances differ, each once, under a name.

Numbers that are the same in every instance stay where they are; numbers that always move together are one parameter,
and one that is always a multiple of another is written as that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.emit.names import numbered

_CHANNELS = {
    "in_channels": "channels",
    "out_channels": "channels",
    "num_features": "features",  # of a BatchNorm, which says nothing of what is before it
    "num_channels": "channels",
    "groups": "channels",
    "in_features": "features",
    "out_features": "features",
    "normalized_shape": "features",
    "embed_dim": "features",
    "input_size": "features",
    "hidden_size": "features",
    "channels": "channels",
    "features": "features",
    "hidden": "channels",
}
_NAMES = {"p": "dropout"}
_LARGEST_FACTOR = 64
_OFTEN = 3
"""How often an expression stands in a class that has a name for it."""


@dataclass(frozen=True)
class Site:
    """A place in the class where a literal stands: the argument's name, what it is an argument of, its default."""

    name: str
    function: str
    default: str | None

    @property
    def is_input(self) -> bool:
        return self.name.startswith("in_") or self.name == "input_size"

    @property
    def is_output(self) -> bool:
        return self.name.startswith("out_") or self.name == "hidden_size"


@dataclass(frozen=True)
class Parameter:
    """An argument of the constructor; `column` is its text in each instance."""

    name: str
    annotation: str
    column: tuple[str, ...]
    default: str | None = None


@dataclass(frozen=True)
class Arguments:
    """What the constructor takes, those without a default first; names for what it computes of them and needs often;
    and what to write at each site.
    """

    parameters: list[Parameter]
    computed: dict[str, str]
    texts: list[str]


def arguments_of(sites: Sequence[Site], rows: Sequence[Sequence[str]]) -> Arguments:
    """`rows`: for each instance, the literal at each site."""
    columns = [tuple(row[place] for row in rows) for place in range(len(sites))]
    places: dict[tuple[str, ...], list[int]] = {}
    for place, column in enumerate(columns):
        if len(set(column)) > 1:
            places.setdefault(column, []).append(place)
    # What is a literal default in some class must not become one with a channel count that happens to be equal.
    named: dict[tuple[str, ...], str] = {}
    derived: dict[tuple[str, ...], str] = {}
    taken: set[str] = set()

    def is_free(name: str) -> bool:
        return name not in taken

    for column, where in places.items():
        expression = next(
            (
                text
                for base, name in named.items()
                if (text := _expression(column, base, name, _are_sizes(sites, places[base] + where)))
            ),
            None,
        )
        if expression is not None:
            derived[column] = expression
            continue
        name = numbered(_name(sites, where), is_free)
        taken.add(name)
        named[column] = name
    parameters = [
        Parameter(
            name, _annotation(column), column, _default([sites[place] for place in places[column]], column)
        )
        for column, name in named.items()
    ]
    parameters.sort(key=lambda each: (each.default is not None, _rank(each.name)))
    computed: dict[str, str] = {}
    for column, expression in derived.items():
        if len(places[column]) >= _OFTEN:
            name = numbered(_name(sites, places[column]), is_free)
            taken.add(name)
            computed[name] = expression
            derived[column] = name
    texts = [named.get(column) or derived.get(column) or column[0] for column in columns]
    return Arguments(parameters, computed, texts)


def _expression(column: Sequence[str], base: Sequence[str], name: str, sizes: bool) -> str | None:
    """`column` by the parameter `name`, where that is a multiple, a part, or half a kernel in every instance."""
    if all(text.startswith("(") for text in column):
        return _tuple_expression(column, base, name)
    wanted, given = _integers(column), _integers(base)
    if wanted is None or given is None or len(set(given)) < 2:
        return None
    pairs = list(zip(wanted, given, strict=True))
    if name == "kernel_size" and all(want == have // 2 for want, have in pairs):
        return f"{name} // 2"
    if not sizes or min(*wanted, *given) < 2:
        return None
    factor = wanted[0] // given[0]
    if 2 <= factor <= _LARGEST_FACTOR and all(want == factor * have for want, have in pairs):
        return f"{factor} * {name}"
    factor = given[0] // wanted[0]
    if 2 <= factor <= _LARGEST_FACTOR and all(have == factor * want for want, have in pairs):
        return f"{name} // {factor}"
    offset = wanted[0] - given[0]
    if len(set(given)) > 2 and offset > 0 and all(want == have + offset for want, have in pairs):
        return f"{name} + {offset}"
    return None


def _tuple_expression(column: Sequence[str], base: Sequence[str], name: str) -> str | None:
    """A tuple in which some elements are the parameter, or a multiple of a dilation, and the others always the same."""
    given = _integers(base)
    rows = [_value(text) for text in column]
    if given is None or len({len(row) for row in rows}) != 1:
        return None
    words = []
    for elements in zip(*rows, strict=True):
        factor = elements[0] // given[0] if name == "dilation" and given[0] else 1
        if len(set(elements)) == 1:
            words.append(str(elements[0]))
        elif list(elements) == [factor * number for number in given]:
            words.append(name if factor == 1 else f"{factor} * {name}")
        else:
            return None
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def _are_sizes(sites: Sequence[Site], where: Iterable[int]) -> bool:
    return all(sites[place].name in _CHANNELS for place in where)


def _name(sites: Sequence[Site], where: Sequence[int]) -> str:
    own = [sites[place].name for place in where]
    kinds = {_CHANNELS[name] for name in own if name in _CHANNELS}
    if not kinds or set(own) == {"groups"}:
        return _NAMES.get(own[0], own[0])
    kind = "channels" if "channels" in kinds else "features"
    inputs = [place for place, site in enumerate(sites) if site.is_input]
    outputs = [place for place, site in enumerate(sites) if site.is_output]
    first = bool(inputs) and inputs[0] in where
    last = bool(outputs) and outputs[-1] in where
    if first and last:
        return kind
    return f"in_{kind}" if first else f"out_{kind}" if last else "hidden"


def _rank(name: str) -> int:
    """As in modules of torch, what goes in comes first, then what comes out, then the rest."""
    starts = ("in_", "channels", "features"), ("hidden",), ("out_",)
    return next((rank for rank, words in enumerate(starts) if name.startswith(words)), len(starts))


def _default(sites: Sequence[Site], column: Sequence[str]) -> str | None:
    defaults = {site.default for site in sites}
    (default,) = defaults if len(defaults) == 1 else (None,)
    return default if default in column else None


def _integers(column: Sequence[str]) -> list[int] | None:
    numbers = [_value(text) for text in column]
    return numbers if all(type(number) is int for number in numbers) else None


def _value(text: str) -> Any:
    return float(text[7:-2]) if text.startswith("float(") else ast.literal_eval(text)


def _annotation(column: Sequence[str]) -> str:
    kinds = {_kind(_value(text)) for text in column}
    if "float" in kinds:
        kinds.discard("int")
    return " | ".join(sorted(kinds, key=lambda kind: (kind == "None", kind.startswith("tuple"), kind)))


def _kind(value: Any) -> str:
    if isinstance(value, tuple):
        return f"tuple[{', '.join(_kind(item) for item in value)}]" if value else "tuple[()]"
    if isinstance(value, list):
        return f"list[{' | '.join(sorted({_kind(item) for item in value}))}]"
    return "None" if value is None else type(value).__name__

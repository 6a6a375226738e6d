"""How one library spells an operation: its name there, and which of its arguments is which of ours.

A spelling is written as a Python signature, `"math.reduce_mean(input_tensor: x, axis=None, keepdims=False)"`: where the
library's name of a parameter is not ours, ours stands behind it; brackets round it, `values: [xs]`, mark a list of
tensors.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import LayerRefused, UnsupportedOption

_MISSING: Any = object()
_WITHOUT_MEANING = frozenset({"name"})
"""What a call may be given beside its arguments; spelled only where further arguments stand behind it."""


@dataclass(frozen=True)
class Parameter:
    """One argument: what the library calls it, what we do, and the library's default where it has one."""

    name: str
    ours: str
    default: Any = _MISSING
    sequence: bool = False
    """Whether a list of tensors is meant."""
    variadic: bool = False
    keyword_only: bool = False
    """In Keras 3 an option of the operation's constructor, in a TensorFlow node an attribute."""


@dataclass(frozen=True)
class Spelling:
    """`name` in one library, and its parameters in that library's order."""

    name: str
    parameters: tuple[Parameter, ...]

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments under our names. Raises `UnsupportedOption` for one that is not known here."""
        given = {key: value for key, value in kwargs.items() if key not in _WITHOUT_MEANING}
        waiting = list(args)
        bound: dict[str, Any] = {}
        behind = 0  # required arguments that stand behind a variadic one are the last ones given
        for parameter in reversed(self.parameters):
            if parameter.variadic:
                break
            behind += parameter.default is _MISSING and parameter.name not in given
        for parameter in self.parameters:
            if parameter.name in _WITHOUT_MEANING:
                del waiting[:1]
            elif parameter.variadic:
                bound[parameter.ours] = waiting[: len(waiting) - behind]
                del waiting[: len(waiting) - behind]
            elif parameter.name in given:
                bound[parameter.ours] = given.pop(parameter.name)
            elif waiting and (parameter.default is _MISSING or not parameter.keyword_only):
                bound[parameter.ours] = waiting.pop(0)
            elif parameter.default is not _MISSING:
                bound[parameter.ours] = parameter.default
            else:
                raise LayerRefused(f"{self.name} lacks its argument {parameter.name}")
        if waiting:
            raise LayerRefused(f"{self.name} is given {len(args)} arguments")
        for name, value in given.items():
            raise UnsupportedOption(f"{self.name} with {name}={value!r} is not supported"[:200], name)
        return bound

    @property
    def takes_list(self) -> bool:
        """Whether the first argument is a list of tensors."""
        return bool(self.parameters) and self.parameters[0].sequence and not self.parameters[0].variadic


def spellings(text: str) -> list[Spelling]:
    """Parse a spelling; `a|b(x)` are two names with the same parameters."""
    names, _, rest = text.partition("(")
    tree = ast.parse(f"def f({rest}: pass").body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise TypeError(f"{text!r} is no signature")
    arguments = tree.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [
        *[None] * (len(positional) - len(arguments.defaults)),
        *arguments.defaults,
    ]
    parameters = [
        _parameter(argument, default) for argument, default in zip(positional, defaults, strict=True)
    ]
    if arguments.vararg:
        parameters.append(_parameter(arguments.vararg, None, variadic=True))
    parameters += [
        _parameter(argument, default, keyword_only=True)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return [Spelling(name.strip(), tuple(parameters)) for name in names.split("|")]


def _parameter(
    argument: ast.arg, default: ast.expr | None, *, variadic: bool = False, keyword_only: bool = False
) -> Parameter:
    note, sequence = argument.annotation, False
    if isinstance(note, ast.List):
        note, sequence = note.elts[0], True
    ours = note.id if isinstance(note, ast.Name) else argument.arg
    value = _MISSING if default is None else ast.literal_eval(default)
    return Parameter(argument.arg, ours, value, sequence or variadic, variadic, keyword_only)

"""`nn.Conv2d(64, 128, 3, stride=2)` as a function and named arguments, so that two of them can be told alike."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from keras2torch.emit.parts import signature_of

_CONV = ("in_channels", "out_channels", "kernel_size")
_CONV_DEFAULTS = {
    "stride": "1", "padding": "0", "dilation": "1", "groups": "1", "bias": "True",
}  # fmt: skip
_MAX_POOL = {"stride": "None", "padding": "0", "dilation": "1", "ceil_mode": "False"}
_AVERAGE_POOL = {
    "stride": "None", "padding": "0", "ceil_mode": "False", "count_include_pad": "True",
}  # fmt: skip
_NORM = {"eps": "1e-5", "momentum": "0.1", "affine": "True"}
_RECURRENT = {"num_layers": "1", "bias": "True", "batch_first": "False", "bidirectional": "False"}
_SIGNATURES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    **{f"nn.Conv{n}d": (_CONV, _CONV_DEFAULTS) for n in (1, 2, 3)},
    **{f"nn.ConvTranspose{n}d": (_CONV, {**_CONV_DEFAULTS, "output_padding": "0"}) for n in (1, 2, 3)},
    **{f"nn.MaxPool{n}d": (("kernel_size",), _MAX_POOL) for n in (1, 2, 3)},
    **{f"nn.AvgPool{n}d": (("kernel_size",), _AVERAGE_POOL) for n in (1, 2, 3)},
    **{f"nn.BatchNorm{n}d": (("num_features",), _NORM) for n in (1, 2, 3)},
    "nn.Linear": (("in_features", "out_features"), {"bias": "True"}),
    "nn.LayerNorm": (
        ("normalized_shape",),
        {"eps": "1e-5", "elementwise_affine": "True", "bias": "True"},
    ),
    "nn.GroupNorm": (("num_groups", "num_channels"), {"eps": "1e-5", "affine": "True"}),
    "nn.Dropout": (("p",), {}),
    "nn.Embedding": (("num_embeddings", "embedding_dim"), {}),
    "nn.MultiheadAttention": (("embed_dim", "num_heads"), {}),
    "nn.LSTM": (("input_size", "hidden_size"), _RECURRENT),
    "nn.GRU": (("input_size", "hidden_size"), _RECURRENT),
}
"""Of the modules that occur often: the arguments that are given by position, and the defaults of the others
(PyTorch 2.13). A module that is missing here is compared as it is written."""


@dataclass(frozen=True)
class Argument:
    """`text` is a literal, an expression of parameters, or other source that no two instances may differ in."""

    name: str
    text: str
    by_position: bool
    literal: bool
    default: str | None = None


@dataclass(frozen=True)
class Construction:
    """A call that makes a module."""

    function: str
    arguments: tuple[Argument, ...] = ()

    @property
    def form(self) -> str:
        """What constructions of one form have in common: all but the values of literals."""
        shown = [
            f"{each.name}{'' if each.literal else '=' + each.text}" for each in self.arguments
        ]  # what is by position in one is so in all of one function
        return f"{self.function}({', '.join(shown)})"

    def source(self, function: str) -> str:
        """The call, of `function`; defaults are left out."""
        words = [
            each.text if each.by_position else f"{each.name}={each.text}"
            for each in self.arguments
            if each.default is None or each.text != each.default
        ]
        return f"{function}({', '.join(words)})"

    def literals(self) -> list[Argument]:
        return [each for each in self.arguments if each.literal]

    def with_texts(self, texts: Sequence[str]) -> Construction:
        """The same with other texts in the places of its literals."""
        left = iter(texts)
        return replace(
            self,
            arguments=tuple(
                replace(each, text=next(left)) if each.literal else each for each in self.arguments
            ),
        )


def parse_construction(source: str, own_parts: Mapping[str, object]) -> Construction:
    """`source` is what a rule wrote: one call. `own_parts` are classes of the caller, of which nothing is known."""
    tree = ast.parse(source, mode="eval").body
    if not isinstance(tree, ast.Call):
        return Construction(source)
    function = ast.unparse(tree.func)
    signature = _signature(function) if function not in own_parts else None
    places, defaults = signature or ((), {})
    arguments = []
    for place, node in enumerate(tree.args):
        name = places[place] if place < len(places) else f"argument_{place}"
        text = ast.get_source_segment(source, node) or ast.unparse(node)
        arguments.append(Argument(name, text, True, _is_literal(node)))
    given = {each.name for each in arguments}
    for keyword in tree.keywords:
        text = ast.get_source_segment(source, keyword.value) or ast.unparse(keyword.value)
        name = keyword.arg or "**"
        arguments.append(Argument(name, text, False, _is_literal(keyword.value), defaults.get(name)))
        given.add(name)
    for name, default in defaults.items():
        if name not in given:
            arguments.append(Argument(name, default, False, True, default))
    positional = [each for each in arguments if each.by_position]
    order = {name: number for number, name in enumerate(defaults)}
    others = sorted(
        (each for each in arguments if not each.by_position), key=lambda each: order.get(each.name, 99)
    )
    return Construction(function, (*positional, *others))


@cache
def _signature(function: str) -> tuple[tuple[str, ...], dict[str, str]] | None:
    return _SIGNATURES.get(function) or signature_of(function)


def _is_literal(node: ast.expr) -> bool:
    if isinstance(node, ast.Attribute | ast.Name | ast.Call):
        return ast.unparse(node) in ("float('inf')", "float('-inf')", "float('nan')")
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True

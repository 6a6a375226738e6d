"""What a class is called: by the nested model it is, by what it holds and how that is joined, else by a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from keras2torch.emit.code import Value
from keras2torch.emit.names import class_name, is_free_class_name, numbered
from keras2torch.structure.block import Block
from keras2torch.structure.body import Line
from keras2torch.structure.naming import kind_of, shared_words
from keras2torch.structure.shortcuts import SHORTCUT

_CONVOLUTIONS = frozenset({"conv", "depthwise", "conv_transpose"})
_NORMS = frozenset({"bn", "norm"})
_ACTIVATIONS = re.compile(
    r"\bF\.(relu6?|gelu|silu|elu|selu|leaky_relu|mish|hardswish)\(|torch\.(tanh|sigmoid)\("
)


def name_classes(blocks: Sequence[Block], model: str, taken: Set[str]) -> None:
    """Give each block a name that is free in the file; `model` is what the whole model is called."""
    used = set(taken)
    for block in blocks:
        wish = _by_nested_model(block.nested, model) if block.nested else _by_content(block)
        wish = wish if wish and is_free_class_name(wish) else "Block"
        name = numbered(wish, lambda name: name not in used and is_free_class_name(name))
        used.add(name)
        block.name = name


def _by_nested_model(names: Sequence[str], model: str) -> str:
    """The words with which their names end, without that of the whole model in front and a number behind."""
    shorts = [re.sub(r"[\W_]*\d+$", "", name.removeprefix(f"{model}_")) for name in names]
    words = [short.split("_") for short in shorts]
    common = shared_words([each[::-1] for each in words])
    short = "_".join(words[0][len(words[0]) - common :]) if common else shorts[0]
    return class_name(short if re.search("[A-Za-z]", short) else names[0])


def _kinds(block: Block) -> list[str]:
    """What its attributes are, and those of the blocks among them."""
    found = []
    for member in block.members:
        if block.shortcut is not None and member.name.split(".")[0] == SHORTCUT:
            continue
        found += _kinds(member.block) if member.block is not None else [kind_of(member)]
    return found


def _sums(block: Block) -> list[tuple[Value, Value]]:
    """What its lines add to what."""
    found = []
    for line in block.lines:
        match line.pieces:
            case (Value() as one, " + ", Value() as other, *_) | (
                "F.relu(",
                Value() as one,
                " + ",
                Value() as other,
                *_,
            ):
                found.append((one, other))
    return found


@dataclass(frozen=True)
class _Content:
    """What a block holds, and how that is joined."""

    kinds: frozenset[str]
    convs: int
    linears: int
    adds: bool
    crosses: bool
    """Whether it attends to another value than the one that asks, a mask aside."""
    gates: bool
    """Whether it, or a block in it, multiplies by a sigmoid what a tanh yields."""
    shortcut: bool
    """Whether what it adds to is what went in."""
    text: str

    @classmethod
    def of(cls, block: Block) -> _Content:
        kinds, sums = _kinds(block), _sums(block)
        return cls(
            frozenset(kinds),
            sum(kind in _CONVOLUTIONS for kind in kinds),
            kinds.count("linear"),
            bool(sums),
            any(_crosses(line) for line in block.lines),
            _gates(block),
            any(value in (*block.inputs, block.shortcut) for values in sums for value in values),
            _text(block),
        )

    @property
    def norms(self) -> bool:
        return bool(_NORMS & self.kinds)

    @property
    def joins(self) -> bool:
        return "torch.cat(" in self.text

    @property
    def enlarges(self) -> bool:
        return bool({"conv_transpose", "upsample"} & self.kinds) or "F.interpolate(" in self.text


def _text(block: Block) -> str:
    """Its lines, a dot for each value, attribute and number."""
    return "\n".join("".join(p if isinstance(p, str) else "." for p in line.pieces) for line in block.lines)


def _crosses(line: Line) -> bool:
    """Whether a line calls an attention on several values, masks aside."""
    asked = [value for value in line.reads if value.dtype != "bool"]
    return len(asked) > 1 and any(kind_of(member) == "attention" for member in line.members)


def _gates(block: Block) -> bool:
    text = _text(block)
    return (". * ." in text and "torch.tanh(" in text and "torch.sigmoid(" in text) or any(
        _gates(member.block) for member in block.members if member.block is not None
    )


_NAMES: tuple[tuple[str, Callable[[_Content], bool]], ...] = (
    ("DecoderBlock", lambda c: c.crosses and c.norms),
    ("CrossAttentionBlock", lambda c: c.crosses),
    ("EncoderBlock", lambda c: "attention" in c.kinds and c.norms),
    ("AttentionBlock", lambda c: "attention" in c.kinds),
    ("GatedResidualBlock", lambda c: c.gates and c.adds and c.convs > 1),
    ("GatedConv", lambda c: c.gates and c.convs > 1),
    ("InvertedResidual", lambda c: c.shortcut and "depthwise" in c.kinds and c.convs > 2),
    ("ResidualBlock", lambda c: c.adds and "depthwise" in c.kinds),
    ("ProjectionBlock", lambda c: c.adds and not c.shortcut and c.convs > 2),
    ("Bottleneck", lambda c: c.adds and c.convs > 2),
    ("ResidualBlock", lambda c: c.adds and c.convs > 0),
    ("InceptionBlock", lambda c: c.joins and c.convs > 3),
    ("DenseLayer", lambda c: c.joins and c.convs > 0 and not c.enlarges),
    ("UpBlock", lambda c: c.enlarges),
    ("DownBlock", lambda c: c.convs > 0 and "pool" in c.kinds),
    ("SeparableConv", lambda c: "depthwise" in c.kinds and c.convs == 2),
    ("InvertedBlock", lambda c: "depthwise" in c.kinds and c.convs > 2),
    ("DepthwiseBlock", lambda c: "depthwise" in c.kinds),
    ("ConvNormAct", lambda c: c.convs == 1 and c.norms and _ACTIVATIONS.search(c.text) is not None),
    ("ConvNorm", lambda c: c.convs == 1 and c.norms),
    ("ConvAct", lambda c: c.convs == 1 and _ACTIVATIONS.search(c.text) is not None),
    ("ConvBlock", lambda c: c.convs > 0),
    ("RecurrentBlock", lambda c: bool({"lstm", "gru"} & c.kinds)),
    ("FeedForward", lambda c: c.linears > 0 and c.adds and c.norms),
    ("MLP", lambda c: c.linears > 1),
    ("LinearBlock", lambda c: c.linears > 0),
)
"""The first that fits."""


def _by_content(block: Block) -> str:
    content = _Content.of(block)
    return next((name for name, fits in _NAMES if fits(content)), "Block")

"""What a class is called: by the nested model it is, by what it holds and how that is joined, else by a number."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from keras2torch.emit.code import Value
from keras2torch.emit.names import class_name, is_free_class_name
from keras2torch.structure.block import Block
from keras2torch.structure.naming import kind_of

_CONVOLUTIONS = frozenset({"conv", "depthwise", "conv_transpose"})
_NORMS = frozenset({"bn", "norm"})
_ACTIVATIONS = re.compile(
    r"\bF\.(relu6?|gelu|silu|elu|selu|leaky_relu|mish|hardswish)\(|torch\.(tanh|sigmoid)\("
)


def name_classes(blocks: Sequence[Block], model: str, taken: Set[str]) -> None:
    """Give each block a name that is free in the file; `model` is what the whole model is called."""
    used = set(taken)
    for block in blocks:
        wish = _by_nested_model(block.container, model) if block.container else _by_content(block)
        wish = wish if wish and is_free_class_name(wish) else "Block"
        name, number = wish, 1
        while name in used or not is_free_class_name(name):
            number += 1
            name = f"{wish}{number}"
        used.add(name)
        block.name = name


def _by_nested_model(path: str, model: str) -> str:
    """The name of a nested model without that of the whole in front and a number behind."""
    name = path.rpartition("/")[2]
    short = re.sub(r"[\W_]*\d+$", "", name.removeprefix(f"{model}_"))
    return class_name(short if re.search("[A-Za-z]", short) else name)


def _kinds(block: Block) -> list[str]:
    """What its attributes are, and those of the blocks among them."""
    found = []
    for member in block.members:
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


def _by_content(block: Block) -> str:
    kinds = _kinds(block)
    text = "\n".join("".join(p if isinstance(p, str) else "." for p in line.pieces) for line in block.lines)
    convs = [kind for kind in kinds if kind in _CONVOLUTIONS]
    sums = _sums(block)
    residual = bool(sums)
    shortcut = any(value in block.inputs for values in sums for value in values)
    joined = "torch.cat(" in text
    if "attention" in kinds:
        return "EncoderBlock" if _NORMS & set(kinds) else "AttentionBlock"
    if residual and "depthwise" in kinds:
        return "InvertedResidual" if len(convs) >= 3 and shortcut else "ResidualBlock"
    if residual and not shortcut and len(convs) >= 3:
        return "ProjectionBlock"
    if residual and len(convs) >= 3:
        return "Bottleneck"
    if residual and convs:
        return "ResidualBlock"
    if joined and len(convs) >= 4:
        return "InceptionBlock"
    if joined and convs and "conv_transpose" not in convs and "upsample" not in text:
        return "DenseLayer"
    if "conv_transpose" in kinds or "upsample" in kinds or "F.interpolate(" in text:
        return "UpBlock"
    if convs and "pool" in kinds:
        return "DownBlock"
    if "depthwise" in kinds:
        return "SeparableConv" if len(convs) == 2 else "InvertedBlock" if len(convs) > 2 else "DepthwiseBlock"
    if convs:
        norm = "Norm" if _NORMS & set(kinds) else ""
        activation = "Act" if _ACTIVATIONS.search(text) else ""
        return f"Conv{norm}{activation}" if len(convs) == 1 else "ConvBlock"
    if {"lstm", "gru"} & set(kinds):
        return "RecurrentBlock"
    if "linear" in kinds:
        return "MLP" if kinds.count("linear") > 1 else "LinearBlock"
    return "Block"

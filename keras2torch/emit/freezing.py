"""Which parameters of the emitted module are not trained, in as few statements as say it.

Keras freezes layers (`trainable=False`), and has no parameter in places where a module of torch has one: the second
bias of `nn.LSTM`, the scale of a normalization that only shifts. Statements go to the end of the model's `__init__`,
and `load_state_dict(assign=True)` keeps what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class _Node:
    """A module or a parameter; `trained` holds the answers of all parameters in it."""

    children: dict[str, _Node] = field(default_factory=dict)
    trained: set[bool] = field(default_factory=set)


def freezing_lines(trained: Mapping[str, bool]) -> list[str]:
    """Statements after which exactly the `trained` parameters, by their names in the state dict, have gradients."""
    root = _Node()
    for name, answer in trained.items():
        node = root
        node.trained.add(answer)
        for step in name.split("."):
            node = node.children.setdefault(step, _Node())
            node.trained.add(answer)
    lines = _lines(root, "self", now=True)
    return ["# Frozen in Keras, or not there.", *lines] if lines else []


def _lines(node: _Node, path: str, *, now: bool) -> list[str]:
    """The fewest statements for what is in `node`, where all of that has gradients as `now` says."""
    if node.trained <= {now}:
        return []
    all_at_once = [f"{path}.requires_grad_({not now})"]
    if node.trained == {not now}:
        return all_at_once
    one_by_one = _of_children(node, path, now=now)
    turned = all_at_once + _of_children(node, path, now=not now)
    return turned if len(turned) < len(one_by_one) else one_by_one


def _of_children(node: _Node, path: str, *, now: bool) -> list[str]:
    return [
        line
        for step, child in node.children.items()
        for line in _lines(child, f"{path}[{step}]" if step.isdigit() else f"{path}.{step}", now=now)
    ]

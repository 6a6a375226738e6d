"""Which parameters of the emitted module are not trained, in as few statements as say it.

Keras freezes layers (`trainable=False`), and has no parameter in places where a module of torch has one: the second
bias of `nn.LSTM`, the scale of a normalization that only shifts. Statements go to the end of the model's `__init__`,
and `load_state_dict(assign=True)` keeps what they say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_SECOND_BIAS = re.compile(r"\.bias_hh_l0(_reverse)?\.requires_grad_\(False\)$")


@dataclass
class _Node:
    """A module or a parameter: of all parameters in it, whether they have gradients when made, and are to have them."""

    path: str
    children: dict[str, _Node] = field(default_factory=dict)
    parameters: set[tuple[bool, bool]] = field(default_factory=set)
    known: dict[bool | None, list[str]] = field(default_factory=dict)

    def child(self, step: str) -> _Node:
        path = f"{self.path}[{step}]" if step.isdigit() else f"{self.path}.{step}"
        return self.children.setdefault(step, _Node(path))

    def is_as_wanted(self, now: bool | None) -> bool:
        return all(wanted is (made if now is None else now) for made, wanted in self.parameters)

    def lines(self, now: bool | None) -> list[str]:
        """The fewest statements, where all in here has gradients as `now` says; None: as it was made."""
        if now not in self.known:
            self.known[now] = self._fewest(now)
        return self.known[now]

    def _fewest(self, now: bool | None) -> list[str]:
        if self.is_as_wanted(now):
            return []
        ways = [self._of_children(now)] if self.children else []
        for value in (False, True):
            turned = [f"{self.path}.requires_grad_({value})"]
            if self.is_as_wanted(value):
                return turned
            if self.children:
                ways.append(turned + self._of_children(value))
        return min(ways, key=len)

    def _of_children(self, now: bool | None) -> list[str]:
        return [line for child in self.children.values() for line in child.lines(now)]


def freezing_lines(trained: Mapping[str, bool | None]) -> list[str]:
    """Statements after which exactly the `trained` parameters, by their names in the state dict, have gradients.

    None is for those that have none from the start, as the class of their module says.
    """
    root = _Node("self")
    for name, answer in trained.items():
        parameter = (answer is not None, bool(answer))
        node = root
        node.parameters.add(parameter)
        for step in name.split("."):
            node = node.child(step)
            node.parameters.add(parameter)
    lines = root.lines(None)
    if all(_SECOND_BIAS.search(line) for line in lines):
        return ["# Keras has one bias where torch adds two: the second stays zero.", *lines] if lines else []
    return ["# What Keras does not train, or does not have.", *lines]

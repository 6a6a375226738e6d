"""Where a Flatten may leave its features in torch's order, and where it may not."""

from typing import Any

import pytest

from keras2torch.graph.passes.fold_flatten import flattens_that_fold
from tests.crafted import call, functional, layer
from tests.graph.drawn import built


def folds(*behind: dict[str, Any], outputs: tuple[str, ...]) -> bool:
    """Whether the Flatten `flat` of a model folds that goes on with these layers."""
    layers = [
        layer("InputLayer", "in", batch_input_shape=[None, 4, 4, 3]),
        layer("Flatten", "flat", call("in")),
        *behind,
    ]
    graph = built(functional(layers, [["in", 0, 0]], [[name, 0, 0] for name in outputs]))
    number = next(i for i, node in enumerate(graph.nodes) if node.layer == "flat")
    folded = flattens_that_fold(graph)
    assert folded in ({number}, frozenset())
    return bool(folded)


def dense(name: str, *inbound: Any) -> dict[str, Any]:
    return layer("Dense", name, *inbound, units=2)


@pytest.mark.parametrize(
    ("behind", "outputs", "expected"),
    [
        ([dense("a", call("flat"))], ("a",), True),
        ([], ("flat",), False),  # the user sees the order
        ([dense("a", call("flat"))], ("a", "flat"), False),
        ([dense("a", call("flat")), dense("b", call("flat"))], ("a", "b"), True),
        ([layer("Dropout", "x", call("flat"), rate=0.5), dense("a", call("x"))], ("a",), True),
        ([layer("Dropout", "x", call("flat"), rate=0.5)], ("x",), False),
        ([layer("BatchNormalization", "x", call("flat")), dense("a", call("x"))], ("a",), True),
        ([layer("Activation", "x", call("flat"), activation="relu"), dense("a", call("x"))], ("a",), True),
        ([layer("Reshape", "x", call("flat"), target_shape=[6, 8]), dense("a", call("x"))], ("a",), False),
        ([layer("NoSuchLayer", "x", call("flat")), dense("a", call("x"))], ("a",), False),
        ([dense("a", call("flat")), layer("Reshape", "b", call("flat"), target_shape=[48])], ("a", "b"), False),
        # Shared: the kernel is permuted once, for all its callers.
        ([layer("Dense", "a", call("flat"), call(("a", 0)), units=48)], ("a",), False),
    ],
)  # fmt: skip
def test_a_flatten_folds(behind: list[dict[str, Any]], outputs: tuple[str, ...], expected: bool) -> None:
    assert folds(*behind, outputs=outputs) is expected


def test_a_flatten_whose_output_nobody_reads_does_not_fold() -> None:
    assert not folds(dense("a", call("in")), outputs=("a",))

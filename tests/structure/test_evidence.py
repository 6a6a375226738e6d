"""What makes two stretches one class: what they compute, never what their layers are called."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.crafted import Config, call, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, classes_in, text_in_blocks
from tests.structure.test_styles import model

Body = Callable[[str, str], list[Config]]


def halves(first: Body, second: Body, each: int = 5, *, names: str = "block{}") -> Config:
    """`each` blocks of the first kind, then as many of the second, under names of one pattern."""
    layers, before = [source("x", 6)], "x"
    for number in range(2 * each):
        made = (first if number < each else second)(names.format(number), before)
        layers += made
        before = made[-1]["config"]["name"]
    return model(layers, ["x"], [before])


def body(
    *, activation: str = "relu", joined: str = "Add", from_input: bool = True, normalized: str = ""
) -> Body:
    def made(prefix: str, before: str) -> list[Config]:
        def dense(name: str, of: str, **config: Any) -> Config:
            return layer("Dense", f"{prefix}_{name}", call(of), units=6, **config)

        layers = [dense("a", before, activation=activation), dense("b", f"{prefix}_a")]
        after = f"{prefix}_b"
        if normalized:
            layers.append(layer(normalized, f"{prefix}_norm", call(after)))
            after = f"{prefix}_norm"
        operands = (before if from_input else f"{prefix}_a", after)
        return [*layers, layer(joined, f"{prefix}_join", call(*operands))]

    return made


OTHER = {
    "another activation": {"activation": "tanh"},
    "an activation of another slope": {"activation": "leaky_relu"},
    "no activation": {"activation": "linear"},
    "another operand": {"from_input": False},
    "a layer more": {"normalized": "LayerNormalization"},
}


@pytest.mark.parametrize("what", OTHER)
def test_equal_names_prove_nothing(what: str, tmp_path: Path) -> None:
    # As many of the second kind as make a class of their own, and the layers of both are never one class of ten.
    config = halves(body(), body(**OTHER[what]))  # type: ignore[arg-type]
    text = assert_same(config, tmp_path / "m")
    assert len(classes_in(text)) == 3, text
    assert "range(10)" not in text


@pytest.mark.parametrize(("joined", "written"), [("Multiply", "x * y"), ("Maximum", "torch.maximum(x, y)")])
def test_another_sum_stands_outside_of_what_both_share(joined: str, written: str, tmp_path: Path) -> None:
    text = assert_same(halves(body(), body(joined=joined)), tmp_path / "m")
    *classes, net = text.partition("\nModel = ")[0].split("\nclass ")[1:]
    assert len(classes) == 1
    assert written not in classes[0]
    assert net.count(written) == text.count("residual=False") == 5


def test_other_names_hinder_nothing() -> None:
    """The control of the test above: one computation under names of two patterns is one class."""
    text = text_in_blocks(halves(body(), body()))
    assert len(classes_in(text)) == 2
    renamed = halves(body(), lambda prefix, before: body()(f"part_of_{prefix}", before))
    assert len(classes_in(text_in_blocks(renamed))) == 2


def test_two_kinds_of_normalization_are_two_classes() -> None:
    text = text_in_blocks(
        halves(body(normalized="LayerNormalization"), body(normalized="BatchNormalization"))
    )
    assert len(classes_in(text)) == 3
    assert len(re.findall(r"nn\.LayerNorm\(", text)) == len(re.findall(r"nn\.BatchNorm1d\(", text)) == 1


def test_blocks_that_differ_in_turn_are_one_class_as_a_pair() -> None:
    """A block of relu and one of tanh in turn: the pair repeats, neither is the other."""

    def pair(prefix: str, before: str) -> list[Config]:
        one = body()(f"{prefix}_one", before)
        return one + body(activation="tanh")(f"{prefix}_two", one[-1]["config"]["name"])

    text = text_in_blocks(halves(pair, pair, 3))
    assert len(classes_in(text)) == 2
    assert text.count("F.relu(") == text.count("torch.tanh(") == 1
    assert "for _ in range(6)" in text

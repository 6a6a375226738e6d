"""What the constructor of a class takes: numbers in which its instances differ, and what follows from them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from keras2torch.structure.body import Member, items_source
from keras2torch.structure.construction import parse_construction
from keras2torch.structure.parameters import Site, arguments_of
from tests.crafted import Config, call, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, text_in_blocks
from tests.structure.test_styles import conv, model

Step = Callable[[str, str, int], Sequence[Config]]


def chain(steps: int, step: Step, *shape: int) -> Config:
    """`step(prefix, before, number)` again and again; the last layer of each is what the next one reads."""
    layers, before = [source("x", *shape)], "x"
    for number in range(steps):
        made = step(f"block{number}", before, number)
        layers += made
        before = made[-1]["config"]["name"]
    return model(layers, ["x"], [before])


def summed(prefix: str, before: str, *layers: Config) -> list[Config]:
    """Some layers and the sum of what they make and what went in."""
    return [*layers, layer("Add", f"{prefix}_add", call(before, layers[-1]["config"]["name"]))]


def of_kernels(*kernels: Any) -> Config:
    def step(prefix: str, before: str, number: int) -> list[Config]:
        first = conv(f"{prefix}_a", before, 4, kernels[number], activation="relu")
        return summed(prefix, before, first, conv(f"{prefix}_b", f"{prefix}_a", 4, kernels[number]))

    return chain(len(kernels), step, 9, 9, 4)


def of_widths(*widths: int, factor: int = 4) -> Config:
    """A wider layer first wherever the width changes, then a block that is `factor` times as wide within."""

    def step(prefix: str, before: str, number: int) -> list[Config]:
        width = widths[number]
        return [
            layer("Dense", f"{prefix}_0", call(before), units=width),
            *summed(
                prefix,
                f"{prefix}_0",
                layer("Dense", f"{prefix}_1", call(f"{prefix}_0"), units=factor * width, activation="relu"),
                layer("Dense", f"{prefix}_2", call(f"{prefix}_1"), units=width),
            ),
        ]

    return chain(len(widths), step, 3)


def test_a_padding_is_half_the_kernel(tmp_path: Path) -> None:
    text = assert_same(of_kernels(3, 5, 3, 7), tmp_path / "m")
    assert "def __init__(self, kernel_size: int) -> None:" in text
    assert text.count("nn.Conv2d(4, 4, kernel_size, padding=kernel_size // 2)") == 2
    assert re.findall(r"ResidualBlock\((\d)\)", text) == ["3", "5", "3", "7"]


def test_a_width_is_a_product_of_another(tmp_path: Path) -> None:
    text = assert_same(of_widths(4, 6, 4, 10), tmp_path / "m")
    assert "nn.Linear(out_features, 4 * out_features)" in text
    assert "nn.Linear(4 * out_features, out_features)" in text
    assert re.findall(r"MLP\((\d.*)\)", text) == ["3, 4", "4, 6", "6, 4", "4, 10"]


def test_a_width_is_a_part_of_another() -> None:
    def step(prefix: str, before: str, number: int) -> list[Config]:
        width = (8, 16, 24, 8)[number]
        return [
            conv(f"{prefix}_0", before, width),
            *summed(
                prefix,
                f"{prefix}_0",
                conv(f"{prefix}_1", f"{prefix}_0", width // 4, 3, activation="relu"),
                conv(f"{prefix}_2", f"{prefix}_1", width),
            ),
        ]

    text = text_in_blocks(chain(4, step, 5, 5, 3))
    assert "nn.Conv2d(out_channels, out_channels // 4, 3, padding=1)" in text


def test_numbers_that_only_look_like_parts_stay_numbers() -> None:
    """One block breaks the rule that the others follow."""

    def step(prefix: str, before: str, number: int) -> list[Config]:
        width, within = ((8, 2), (16, 4), (24, 6), (8, 4))[number]
        return [
            conv(f"{prefix}_0", before, width),
            *summed(
                prefix,
                f"{prefix}_0",
                conv(f"{prefix}_1", f"{prefix}_0", within, 3, activation="relu"),
                conv(f"{prefix}_2", f"{prefix}_1", width),
            ),
        ]

    text = text_in_blocks(chain(4, step, 5, 5, 3))
    assert "//" not in text
    assert "hidden: int" in text


def test_tuples_are_parameters_too(tmp_path: Path) -> None:
    text = assert_same(of_kernels([1, 3], [1, 5], [1, 3], [1, 7]), tmp_path / "m")
    assert "kernel_size: tuple[int, int]" in text
    assert re.findall(r"ResidualBlock\(\(1, (\d)\)", text) == ["3", "5", "3", "7"]


def test_a_padding_that_differs_is_one_parameter(tmp_path: Path) -> None:
    """What Keras pads before a stride of two is not the same at both ends."""

    def step(prefix: str, before: str, number: int) -> list[Config]:
        kernel = (3, 5, 3)[number]
        return [
            conv(f"{prefix}_a", before, 4, 1, activation="relu"),
            conv(f"{prefix}_b", f"{prefix}_a", 4, kernel, strides=2, activation="relu"),
            conv(f"{prefix}_c", f"{prefix}_b", 4, kernel, activation="tanh"),
            layer("Conv2D", f"{prefix}_d", call(f"{prefix}_c"), filters=4, kernel_size=1),
            *summed(prefix, f"{prefix}_c", conv(f"{prefix}_e", f"{prefix}_d", 4)),
        ]

    text = assert_same(chain(3, step, 32, 32, 4), tmp_path / "m")
    assert "def __init__(self, kernel_size: int, pad: tuple[int, int, int, int]) -> None:" in text
    assert text.count("F.pad(x, self.pad)") == 1
    given = re.findall(r"\w+\((\d, \(.*\))\)", text)
    assert given == ["3, (0, 1, 0, 1)", "5, (1, 2, 1, 2)", "3, (0, 1, 0, 1)"]


def test_a_causal_padding_follows_from_the_dilation(tmp_path: Path) -> None:
    def step(prefix: str, before: str, number: int) -> list[Config]:
        causal = {"kernel_size": 3, "padding": "causal", "dilation_rate": 2**number}
        return summed(
            prefix,
            before,
            layer("Conv1D", f"{prefix}_a", call(before), filters=4, activation="relu", **causal),
            layer("Conv1D", f"{prefix}_b", call(f"{prefix}_a"), filters=4, activation="relu", **causal),
        )

    text = assert_same(chain(4, step, 9, 4), tmp_path / "m")
    assert "F.pad(x.transpose(1, 2), (2 * self.dilation, 0))" in text
    assert re.findall(r"ResidualBlock\((.*)\)[,\n]", text) == ["", *(f"dilation={n}" for n in (2, 4, 8))]


def test_the_default_of_torch_is_that_of_the_parameter(tmp_path: Path) -> None:
    def step(prefix: str, before: str, number: int) -> list[Config]:
        stride = 2 if number == 2 else 1
        return [
            conv(f"{prefix}_a", before, 4, 1, strides=stride, activation="relu"),
            conv(f"{prefix}_b", f"{prefix}_a", 4, 3, activation="relu"),
            conv(f"{prefix}_c", before, 4, 1, strides=stride),
            layer("Add", f"{prefix}_add", call(f"{prefix}_b", f"{prefix}_c")),
        ]

    text = assert_same(chain(4, step, 8, 8, 4), tmp_path / "m")
    assert "stride: int = 1" in text
    assert re.findall(r"Block\((.*)\)[,\n]", text) == ["", "", "stride=2", ""]


def test_two_instances_may_differ_in_numbers_alone(tmp_path: Path) -> None:
    """Layers that are alike but for their numbers, twice."""

    def step(prefix: str, before: str, number: int) -> list[Config]:
        width, rate = ((6, 0.1), (10, 0.3))[number]
        return [
            layer("Dense", f"{prefix}_0", call(before), units=width, activation="relu"),
            layer("Dropout", f"{prefix}_drop", call(f"{prefix}_0"), rate=rate),
            layer("Dense", f"{prefix}_1", call(f"{prefix}_drop"), units=width, activation="tanh"),
            layer("BatchNormalization", f"{prefix}_bn", call(f"{prefix}_1")),
            *summed(prefix, f"{prefix}_0", layer("Dense", f"{prefix}_2", call(f"{prefix}_bn"), units=width)),
        ]

    text = assert_same(chain(2, step, 3), tmp_path / "m")
    assert "def __init__(self, in_features: int, out_features: int, dropout: float) -> None:" in text
    assert re.findall(r"FeedForward\((\d.*)\)", text) == ["3, 6, 0.1", "6, 10, 0.3"]


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ((3, 5, 7, 9), ["*[Layer(3 + 2 * i) for i in range(4)]"]),
        ((3, 5, 8, 9), ["Layer(3)", "Layer(5)", "Layer(8)", "Layer(9)"]),
        ((3, 5, 7, 9, 12), ["*[Layer(3 + 2 * i) for i in range(4)]", "Layer(12)"]),
        ((1, 2, 4, 8), ["Layer(1)", "Layer(2)", "Layer(4)", "Layer(8)"]),
        ((9, 7, 5), ["Layer(9)", "Layer(7)", "Layer(5)"]),
        ((4, 4), ["Layer(4)", "Layer(4)"]),
        ((4, 4, 4, 6), ["*[Layer(4) for _ in range(3)]", "Layer(6)"]),
    ],
)
def test_only_what_grows_evenly_is_a_series(numbers: Sequence[int], written: list[str]) -> None:
    items = [Member("", parse_construction(f"Layer({number})", {})) for number in numbers]
    assert items_source(items) == written


def test_blocks_that_grow_unevenly_are_written_one_by_one(tmp_path: Path) -> None:
    def step(prefix: str, before: str, number: int) -> list[Config]:
        grown = (2, 2, 3, 2, 4)[number]
        return [
            layer("Conv1D", f"{prefix}_a", call(before), filters=4, kernel_size=1, activation="relu"),
            layer("Conv1D", f"{prefix}_b", call(f"{prefix}_a"), filters=grown, kernel_size=1),
            layer("Concatenate", f"{prefix}_cat", call(before, f"{prefix}_b"), axis=-1),
        ]

    text = assert_same(chain(5, step, 7, 3), tmp_path / "m")
    assert re.findall(r"DenseLayer\((\d.*)\)", text) == ["3, 2", "5, 2", "7, 3", "10, 2", "12, 4"]


WIDTH = (Site("in_features", "nn.Linear", None), Site("out_features", "nn.Linear", None))


def test_what_always_moves_together_is_one_parameter() -> None:
    found = arguments_of((*WIDTH, WIDTH[0]), [["4", "8", "4"], ["6", "8", "6"]])
    assert [each.name for each in found.parameters] == ["in_features"]
    assert found.texts == ["in_features", "8", "in_features"]


def test_a_rate_is_no_part_of_a_width() -> None:
    """Of two numbers that are multiples of one another by chance, none is written by the other."""
    sites = (WIDTH[1], Site("dilation", "nn.Conv1d", "1"))
    found = arguments_of(sites, [["4", "2"], ["8", "4"], ["12", "6"]])
    assert found.texts == ["out_features", "dilation"]

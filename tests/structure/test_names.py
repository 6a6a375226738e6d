"""What the model's own attributes, the numbers it repeats and the parameters of its classes are called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keras2torch.emit.names import is_free_attribute
from keras2torch.structure.body import Line, Number
from keras2torch.structure.naming import free_name
from keras2torch.structure.number_names import number_names
from tests.crafted import call, functional, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same


def pieces(text: str) -> Line:
    """A line of text and numbers."""
    words = re.split(r"(\d+(?:\.\d+)?)", text)
    return Line((), "{}", tuple(Number(each) if n % 2 else each for n, each in enumerate(words) if each), "")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("F.leaky_relu(x, 0.1)", ["negative_slope"]),
        ("F.elu(self.conv(x), alpha=0.5)", ["alpha"]),
        ("torch.clamp(x, min=0, max=6)", ["lowest", "highest"]),
        ("x * 2 + 1", ["scale", "offset"]),
        ("x[:, 3:]", ["start"]),
        ("x.reshape(7, 8)", ["size", "size"]),
        ("F.pad(x, (1, 0.5))", ["pad", "pad"]),
        ("x.mean(dim=(-1, 2))", ["dim", "dim"]),
        ("x", []),
    ],
)
def test_a_number_is_called_as_the_argument_that_it_is(text: str, names: list[str]) -> None:
    assert number_names(pieces(text)) == names


def test_attributes_are_named_as_one_writes_them(tmp_path: Path) -> None:
    layers = [source("image", 12, 12, 3)]
    before = "image"
    for name in ("conv2d_7", "net_Stem", "conv2d_9", "FC_Conv"):
        layers.append(layer("Conv2D", name, call(before), filters=4, kernel_size=[3, 3]))
        before = name
    layers.append(layer("GlobalMaxPooling2D", "pool", call(before)))
    layers.append(layer("SeparableConv2D", "separable", call("net_Stem"), filters=4, kernel_size=[3, 3]))
    layers.append(layer("GlobalMaxPooling2D", "pool_2", call("separable")))
    layers.append(layer("Add", "sum", call("pool", "pool_2")))
    text = assert_same(functional(layers, [["image", 0, 0]], [["sum", 0, 0]], name="net"), tmp_path / "m")
    declared = re.findall(r"self\.(\w+) = nn\.", text)
    assert declared.index("separable_depthwise") < declared.index("separable_pointwise")
    assert sorted(declared) == [
        "conv1",
        "conv2",
        "fc_conv",
        "separable_depthwise",
        "separable_pointwise",
        "stem",
    ]


def test_what_many_normalizations_have_in_common_has_a_name(tmp_path: Path) -> None:
    layers, before = [source("x", 6)], "x"
    for number, epsilon in enumerate([1e-4, 1e-4, 1e-3, 1e-4]):
        layers.append(layer("Dense", f"fc{number}", call(before), units=4 + number))
        before = f"norm{number}"
        layers.append(layer("BatchNormalization", before, call(f"fc{number}"), epsilon=epsilon, momentum=0.9))
    text = assert_same(functional(layers, [["x", 0, 0]], [[before, 0, 0]], name="net"), tmp_path / "m")
    assert "\nBN_EPS = 0.0001\n\n\nclass" in text
    assert re.findall(r"BatchNorm1d\((.*)\)", text) == [
        "4, eps=BN_EPS",
        "5, eps=BN_EPS",
        "6, eps=0.001",
        "7, eps=BN_EPS",
    ]


def test_a_convolution_reads_what_a_norm_turned_back(tmp_path: Path) -> None:
    """Two blocks that begin with pictures from a norm and from a convolution are of one class."""
    layers = [source("image", 8, 8, 3), layer("Rescaling", "scale", call("image"), scale=1 / 255)]
    layers.append(layer("Conv2D", "stem", call("scale"), filters=4, kernel_size=1))
    layers.append(layer("LayerNormalization", "stem_norm", call("stem"), axis=[3], epsilon=1e-6))
    before = "stem_norm"
    for number in range(3):
        conv, norm, dense, total = (f"{word}{number}" for word in ("conv", "norm", "dense", "sum"))
        layers.append(layer("Conv2D", conv, call(before), filters=4, kernel_size=3, padding="same"))
        layers.append(layer("LayerNormalization", norm, call(conv), axis=[3], epsilon=1e-6))
        layers.append(layer("Dense", dense, call(norm), units=4))
        layers.append(layer("Add", total, call(before, dense)))
        before = total
    text = assert_same(functional(layers, [["image", 0, 0]], [[before, 0, 0]], name="net"), tmp_path / "m")
    assert "image * (1 / 255)" in text
    assert text.count("(nn.Module)") == 2
    assert "self.stem_norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)" in text


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("tf.linalg.matmul_constant", "tf_linalg_matmul_constant"),
        ("", "layer"),
        ("2nd", "layer_2nd"),
        ("forward", "forward_2"),
        ("class", "class_2"),
        ("größe", "gr_e"),
    ],
)
def test_any_wish_comes_to_a_name(wish: str, name: str) -> None:
    assert free_name(wish, ()) == name
    again = free_name(wish, {name})
    assert again != name
    assert is_free_attribute(again)


def test_a_long_wish_comes_to_a_name_too() -> None:
    once = free_name("a" * 5000, ())
    assert free_name("a" * 5000, {once}) not in {once, "a" * 5000}

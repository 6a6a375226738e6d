"""Names in the emitted file: identifiers, free, unique, whatever the model file says."""

import builtins
import keyword

import pytest
import torch

from keras2torch.emit.names import Names, attribute_names, class_name, identifier

HOSTILE = [
    "",
    "1",
    "123abc",
    "_",
    "__init__",
    "__class__",
    "a.b",
    "a b",
    "../../etc/passwd",
    "x\ny",
    "x\x1b[31m",
    'x"); import os; ("',
    "x'''\"\"\"",
    "\\",
    "def",
    "None",
    "match",
    "print",
    "торч",  # looks like Latin letters
    "self",
    "ｘ",  # a wide x, which Python takes for x
    "\ud800",
    "\0",
    "é" * 100,
    "x" * 1_000_000,
    "." * 1_000_000,
]


@pytest.mark.parametrize("wish", HOSTILE, ids=lambda wish: ascii(wish)[:20])
def test_every_wish_becomes_a_plain_identifier(wish: str) -> None:
    for name in (identifier(wish), Names().unique(wish), class_name(wish)):
        assert name.isascii()
        assert name.isidentifier()
        assert not name.startswith("_")
        assert len(name) < 80
    for name in (Names().unique(wish), class_name(wish)):
        assert not keyword.iskeyword(name)
        assert name not in dir(builtins)


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("conv2d_1", "conv2d_1"),
        ("block1/conv", "block1_conv"),
        ("Conv 2D", "Conv_2D"),
        ("7x7", "layer_7x7"),
        ("", "layer"),
        ("class", "class_2"),
        ("input", "input_2"),
        ("torch", "torch_2"),
        ("forward", "forward_2"),
        ("__init__", "init"),
    ],
)
def test_what_attributes_are_called(wish: str, name: str) -> None:
    assert attribute_names().unique(wish) == name


def test_no_attribute_of_a_torch_module_is_hidden() -> None:
    scope = attribute_names()
    attributes = [name for name in dir(torch.nn.Module()) if identifier(name) == name]
    assert len(attributes) > 40
    assert not [name for name in attributes if scope.unique(name) == name]


def test_equal_wishes_get_numbers_in_the_order_of_asking() -> None:
    scope = Names()
    assert [scope.unique(wish) for wish in ("a", "a", "a!", "a_2", "b", "a")] == [
        "a",
        "a_2",
        "a_3",
        "a_2_2",
        "b",
        "a_4",
    ]


@pytest.mark.timeout(20)
def test_many_equal_wishes_take_time_in_proportion() -> None:
    scope = Names()
    assert len({scope.unique("!" * i) for i in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("ResNet50", "ResNet50"),
        ("my_model", "MyModel"),
        ("sequential_1", "Sequential1"),
        ("2nd model", "Model2ndModel"),
        ("", "Model"),
        ("model", "Model"),
        ("none", "NoneNet"),
        ("true", "TrueNet"),
        ("value error", "ValueErrorNet"),
        ("f", "FNet"),
        ("tensor", "TensorNet"),
    ],
)
def test_what_classes_are_called(wish: str, name: str) -> None:
    assert class_name(wish) == name

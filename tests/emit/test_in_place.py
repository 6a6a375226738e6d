"""Which activations overwrite their input, and which padding a module does itself."""

from typing import Any

import pytest

from keras2torch.emit.module import write_module
from keras2torch.graph.build import build_graph
from keras2torch.source.model import Generation
from keras2torch.translate import translate

CONV = {"filters": 4, "kernel_size": 3, "activation": "linear"}


def body_of(*steps: tuple[str, dict[str, Any]], also: str | None = None) -> list[str]:
    """The declarations and statements of a chain of layers, named p, q, r, s; `also`: one that is an output too."""
    names = "pqrs"[: len(steps)]
    layers: list[dict[str, Any]] = [
        {
            "class_name": "InputLayer",
            "name": "image",
            "config": {"name": "image", "batch_input_shape": [None, 8, 8, 4]},
            "inbound_nodes": [],
        }
    ]
    for name, (class_name, given) in zip(names, steps, strict=True):
        # "on" says which layers it reads, by default the one before.
        sources = given.get("on", layers[-1]["name"])
        config = {"name": name, **{key: value for key, value in given.items() if key != "on"}}
        read = [sources] if isinstance(sources, str) else sources
        node: list[Any] = [[source, 0, 0, {}] for source in read]
        layers.append({"class_name": class_name, "name": name, "config": config, "inbound_nodes": [node]})
    outputs = [names[-1], *([also] if also else [])]
    model = {
        "name": "model",
        "layers": layers,
        "input_layers": [["image", 0, 0]],
        "output_layers": [[name, 0, 0] for name in outputs],
    }
    graph = build_graph({"class_name": "Functional", "config": model}, Generation.TF_KERAS)
    text = write_module(translate(graph), source_name="m.h5", keras_version=None).text
    body = text.partition("class Model(nn.Module):")[2].partition("return")[0]
    lines = [line.partition("#")[0].strip() for line in body.splitlines()]
    return [line for line in lines if line and not line.startswith(("def ", "super()"))]


RELU, NORM = ("ReLU", {"max_value": None}), ("BatchNormalization", {"axis": [3]})


@pytest.mark.parametrize(
    ("steps", "also", "last"),
    [
        ([("Conv2D", {**CONV, "activation": "relu"})], None, "x = F.relu(self.p(image), inplace=True)"),
        ([("Conv2D", CONV), NORM, RELU], None, "x = F.relu(x, inplace=True)"),
        ([("Conv2D", CONV), ("Activation", {"activation": "swish"})], None, "x = F.silu(x, inplace=True)"),
        ([NORM, ("Add", {"on": ["p", "image"]}), RELU], None, "x = F.relu(x, inplace=True)"),
        ([RELU], None, "x = F.relu(image)"),  # the caller's own tensor
        ([("MaxPooling2D", {}), RELU], None, "x = F.relu(x)"),
        ([NORM, RELU], "p", "y = F.relu(x)"),  # an output too
        ([NORM, RELU, ("Add", {"on": ["p", "q"]})], None, "x = x + y"),
        (
            [("GlobalMaxPooling2D", {}), ("Dense", {"units": 2, "activation": "relu"})],
            None,
            "x = F.relu(self.q(x))",
        ),
    ],
)
def test_only_what_nothing_else_reads_is_overwritten(
    steps: list[tuple[str, dict[str, Any]]], also: str | None, last: str
) -> None:
    lines = body_of(*steps, also=also)
    assert lines[-1] == last
    if last == "x = x + y":
        assert "y = F.relu(x)" in lines


EMPTY: dict[str, Any] = {}
POOL, SUM = ("MaxPooling2D", EMPTY), ("Add", {"on": ["image", "p"]})
NARROW = ("Conv2D", {**CONV, "filters": 1, "padding": "same"})


@pytest.mark.parametrize(
    ("steps", "also", "sum_"),
    [
        ([NORM, SUM, POOL], None, "x += image"),
        ([NORM, SUM], None, "x = image + x"),  # the last line, which a block returns
        ([NORM, SUM, POOL], "p", "y = image + x"),  # an output too
        ([NORM, ("Add", {"on": ["p", "p"]}), POOL], None, "x = x + x"),
        ([NARROW, SUM, POOL], None, "x = image + x"),  # broadcast
        ([("MaxPooling2D", {"pool_size": 1}), SUM, POOL], None, "x = image + x"),  # may be a view
        ([RELU, SUM, POOL], None, "x = image + x"),  # needed to go backward
    ],
)
def test_a_sum_overwrites_only_what_nothing_else_reads(
    steps: list[tuple[str, dict[str, Any]]], also: str | None, sum_: str
) -> None:
    assert sum_ in body_of(*steps, also=also)


PAD = ("ZeroPadding2D", {"padding": 1})


@pytest.mark.parametrize(
    ("steps", "lines"),
    [
        (
            [("ZeroPadding2D", {"padding": [2, 1]}), ("Conv2D", {**CONV, "strides": 2})],
            ["self.q = nn.Conv2d(4, 4, 3, stride=2, padding=(2, 1))", "x = self.q(image)"],
        ),
        (
            [("ZeroPadding2D", {"padding": [[0, 1], [0, 1]]}), ("Conv2D", CONV)],
            ["self.q = nn.Conv2d(4, 4, 3)", "x = F.pad(image, (0, 1, 0, 1))", "x = self.q(x)"],
        ),
        (
            [PAD, ("Conv2D", {**CONV, "padding": "same"})],
            ["self.q = nn.Conv2d(4, 4, 3, padding=1)", "x = F.pad(image, (1, 1, 1, 1))", "x = self.q(x)"],
        ),
        (
            [PAD, ("Conv2D", CONV), ("Conv2D", {**CONV, "on": "p"}), ("Add", {"on": ["q", "r"]})],
            [
                "self.q = nn.Conv2d(4, 4, 3, padding=1)",
                "self.r = nn.Conv2d(4, 4, 3, padding=1)",
                "x = self.q(image)",
                "y = self.r(image)",
                "x = x + y",
            ],
        ),
        (
            [RELU, PAD, ("MaxPooling2D", {"pool_size": 3, "strides": 2})],
            ["self.r = nn.MaxPool2d(3, stride=2, padding=1)", "x = F.relu(image)", "x = self.r(x)"],
        ),
        (
            # Below zero, the border is the maximum.
            [PAD, ("MaxPooling2D", {"pool_size": 3, "strides": 2})],
            ["self.q = nn.MaxPool2d(3, stride=2)", "x = F.pad(image, (1, 1, 1, 1))", "x = self.q(x)"],
        ),
        (
            # torch's poolings refuse a border of more than half a window.
            [RELU, ("ZeroPadding2D", {"padding": 2}), ("MaxPooling2D", {"pool_size": 3, "strides": 2})],
            [
                "self.r = nn.MaxPool2d(3, stride=2)",
                "x = F.relu(image)",
                "x = F.pad(x, (2, 2, 2, 2))",
                "x = self.r(x)",
            ],
        ),
    ],
)
def test_a_module_pads_itself_where_it_can(steps: list[tuple[str, dict[str, Any]]], lines: list[str]) -> None:
    assert body_of(*steps) == lines


def test_a_padding_that_something_else_reads_stays() -> None:
    lines = body_of(PAD, ("Conv2D", CONV), also="p")
    assert "x = F.pad(image, (1, 1, 1, 1))" in lines
    assert "self.q = nn.Conv2d(4, 4, 3, padding=1)" in lines

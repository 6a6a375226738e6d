"""Blocks compute what the flat module computes, bit for bit, and each layer is seen where the manifest says."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from keras2torch.emit.names import is_free_attribute
from keras2torch.structure.naming import free_name
from tests.crafted import Config, call, functional, layer, nested, sequential
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, classes_in, text_in_blocks


def model(layers: list[Config], inputs: list[str], outputs: list[str], name: str = "net") -> Config:
    return functional(
        layers, [[each, 0, 0] for each in inputs], [[each, 0, 0] for each in outputs], name=name
    )


def conv(name: str, before: str, filters: int, kernel: int = 1, **config: Any) -> Config:
    return layer("Conv2D", name, call(before), filters=filters, kernel_size=kernel, padding="same", **config)


def residual_block(prefix: str, before: str, filters: int, *, project: bool = False) -> list[Config]:
    shortcut = [conv(f"{prefix}_0", before, filters)] if project else []
    return [
        conv(f"{prefix}_1", before, filters // 2, 3, use_bias=False),
        layer("BatchNormalization", f"{prefix}_bn", call(f"{prefix}_1")),
        layer("Activation", f"{prefix}_relu", call(f"{prefix}_bn"), activation="relu"),
        *shortcut,
        conv(f"{prefix}_2", f"{prefix}_relu", filters),
        layer("Add", f"{prefix}_add", call(f"{prefix}_0" if project else before, f"{prefix}_2")),
        layer("Activation", f"{prefix}_out", call(f"{prefix}_add"), activation="relu"),
    ]


def residual() -> Config:
    layers, before = [source("image", 6, 6, 4)], "image"
    for stage, filters in enumerate((8, 16, 24)):
        for number in range(4):
            prefix = f"s{stage}_b{number}"
            layers += residual_block(prefix, before, filters, project=number == 0)
            before = f"{prefix}_out"
    return model(layers, ["image"], [before])


def unet() -> Config:
    layers, before, skips = [source("image", 16, 16, 2)], "image", []
    for number, filters in enumerate((4, 8, 16, 32)):
        layers += [
            conv(f"conv2d_{2 * number}", before, filters, 3, activation="relu"),
            conv(f"conv2d_{2 * number + 1}", f"conv2d_{2 * number}", filters, 3, activation="relu"),
        ]
        before = f"conv2d_{2 * number + 1}"
        if number < 3:
            skips.append((before, filters))
            layers.append(layer("MaxPooling2D", f"pool_{number}", call(before), pool_size=2, padding="valid"))
            before = f"pool_{number}"
    for number, (skip, filters) in enumerate(reversed(skips)):
        layers += [
            layer(
                "Conv2DTranspose", f"up_{number}", call(before), filters=filters, kernel_size=2, strides=2,
                padding="same",
            ),
            layer("Concatenate", f"cat_{number}", call(f"up_{number}", skip), axis=-1),
            conv(f"conv_{number}_a", f"cat_{number}", filters, 3, activation="relu"),
            conv(f"conv_{number}_b", f"conv_{number}_a", filters, 3, activation="relu"),
        ]  # fmt: skip
        before = f"conv_{number}_b"
    return model(layers, ["image"], [before])


def tower(name: str, width: int = 5) -> Config:
    layers = [
        source("inside", 4),
        layer("Dense", "one", call("inside"), units=width, activation="tanh"),
        layer("Dense", "two", call("one"), units=3),
    ]
    return model(layers, ["inside"], ["two"], name=name)


def twins() -> Config:
    """One nested model called twice, and two more of its form with weights of their own."""
    layers = [
        source("left", 4),
        source("right", 4),
        nested(tower("shared_tower"), call("left"), call("right")),
        nested(tower("query_tower"), call("left")),
        nested(tower("doc_tower"), call("right")),
        layer(
            "Concatenate",
            "all",
            call(("shared_tower", 1), ("shared_tower", 2), ("query_tower", 1), ("doc_tower", 1)),
            axis=-1,
        ),
    ]
    return model(layers, ["left", "right"], ["all"])


def nested_twice() -> Config:
    """Models in models, with two ways out."""
    inner = tower("inner")
    middle = functional(
        [source("x", 4), nested(inner, call("x")), layer("Dense", "side", call(("inner", 1)), units=2)],
        [["x", 0, 0]],
        [["inner", 1, 0], ["side", 0, 0]],
        name="middle",
    )
    layers = [
        source("start", 4),
        nested(middle, call("start")),
        layer("Dense", "a", call(("middle", 1, 0)), units=4),
        layer("Dense", "b", call(("middle", 1, 1)), units=4),
        layer("Add", "sum", call("a", "b")),
    ]
    return model(layers, ["start"], ["sum"])


def shared_within() -> Config:
    """Blocks that are alike but for one layer that all of them call: no class may make several of it."""
    layers, before = [source("x", 6), layer("Dense", "shared", units=6)], "x"
    inbound = []
    for number in range(4):
        inbound.append(call(before))
        layers += [
            layer("Dense", f"own_{number}", call(("shared", number)), units=6, activation="relu"),
            layer("Dense", f"more_{number}", call(f"own_{number}"), units=6, activation="relu"),
            layer("Add", f"add_{number}", call(before, f"more_{number}")),
        ]
        before = f"add_{number}"
    layers[1]["inbound_nodes"] = inbound
    return model(layers, ["x"], [before])


def used_outside() -> Config:
    """What a block computes on the way is an output too."""
    layers, before = [source("x", 6)], "x"
    for number in range(4):
        layers += [
            layer("Dense", f"in_{number}", call(before), units=12, activation="relu"),
            layer("Dense", f"out_{number}", call(f"in_{number}"), units=6),
            layer("Add", f"add_{number}", call(before, f"out_{number}")),
        ]
        before = f"add_{number}"
    return model(layers, ["x"], [before, "in_1", "out_2"])


def inverted() -> Config:
    """Blocks with and without the sum, of widths that are multiples of what goes in."""
    layers, before, width = [source("image", 5, 5, 4)], "image", 4
    for number, filters in enumerate((4, 4, 6, 6, 6, 8, 8)):
        layers += [
            conv(f"block_{number}_expand", before, 3 * width, activation="relu"),
            layer("DepthwiseConv2D", f"block_{number}_depthwise", call(f"block_{number}_expand"), kernel_size=3,
                  padding="same", activation="relu"),
            conv(f"block_{number}_project", f"block_{number}_depthwise", filters),
        ]  # fmt: skip
        after = f"block_{number}_project"
        if filters == width:
            layers.append(layer("Add", f"block_{number}_add", call(before, after)))
            after = f"block_{number}_add"
        before, width = after, filters
    return model(layers, ["image"], [before])


def growing() -> Config:
    """What is concatenated grows by the same each time."""
    layers, before = [source("x", 7, 3)], "x"
    for number in range(5):
        layers += [
            layer("Conv1D", f"conv_{number}_a", call(before), filters=4, kernel_size=1, activation="relu"),
            layer(
                "Conv1D",
                f"conv_{number}_b",
                call(f"conv_{number}_a"),
                filters=2,
                kernel_size=3,
                padding="same",
            ),
            layer("Concatenate", f"cat_{number}", call(before, f"conv_{number}_b"), axis=-1),
        ]
        before = f"cat_{number}"
    return model(layers, ["x"], [before])


def masked() -> Config:
    layers = [
        source("ids", 6, dtype="int32"),
        layer("Embedding", "embed", call("ids"), input_dim=5, output_dim=4, mask_zero=True),
    ]
    before = "embed"
    for number in range(3):
        layers += [
            layer(
                "LSTM",
                f"lstm_{number}",
                call(before),
                units=4,
                return_sequences=True,
                activation="tanh",
                recurrent_activation="sigmoid",
            ),
            layer("Dense", f"dense_{number}", call(f"lstm_{number}"), units=4, activation="tanh"),
            layer("Add", f"add_{number}", call(before, f"dense_{number}")),
        ]  # fmt: skip
        before = f"add_{number}"
    return model(layers, ["ids"], [before])


MODELS = {
    made.__name__: made
    for made in (
        residual, unet, twins, nested_twice, shared_within, used_outside, inverted, growing, masked,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_both_styles_compute_the_same(name: str, tmp_path: Path) -> None:
    assert_same(MODELS[name](), tmp_path / name)


CLASSES = {
    "residual": ["ResidualBlock", "Net"],
    "unet": ["UpBlock", "Net"],
    "twins": ["Tower", "Net"],
    "nested_twice": ["Inner", "Middle", "Net"],
    "inverted": ["InvertedResidual", "Net"],
    "growing": ["DenseLayer", "Net"],
    "used_outside": ["Net"],
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_classes_that_a_person_would_write(name: str, tmp_path: Path) -> None:
    text = assert_same(MODELS[name](), tmp_path / name)
    assert re.findall(r"^class (\w+)", text, re.MULTILINE) == CLASSES[name]


def test_what_grows_evenly_is_a_series(tmp_path: Path) -> None:
    text = assert_same(growing(), tmp_path / "growing")
    assert "*[DenseLayer(3 + 2 * i) for i in range(5)]" in text


def test_a_block_is_told_whether_to_add(tmp_path: Path) -> None:
    text = assert_same(inverted(), tmp_path / "inverted")
    assert "InvertedResidual(4, 6, residual=False)," in text
    assert "hidden = 3 * in_channels" in text
    assert "return x + y if self.residual else y" in text


def test_a_model_called_twice_is_one_attribute(tmp_path: Path) -> None:
    text = assert_same(twins(), tmp_path / "twins")
    assert re.findall(r"self\.(\w+) = Tower\(\)", text) == ["shared_tower", "query_tower", "doc_tower"]
    assert text.count("self.shared_tower(") == 2


def test_layers_that_are_shared_by_pictures_of_other_sizes_are_no_class_that_is_told_a_size(
    tmp_path: Path,
) -> None:
    """The head of a feature pyramid: one for all levels, each of which it makes a list of another length."""
    head = [
        layer("Conv2D", "hidden", call("level"), filters=4, kernel_size=3, padding="same", activation="relu"),
        layer("Conv2D", "scores", call("hidden"), filters=6, kernel_size=3, padding="same"),
        layer("Reshape", "listed", call("scores"), target_shape=[-1, 2]),
    ]
    nested = model([source("level", None, None, 3), *head], ["level"], ["listed"], "head")
    layers = [source("fine", 8, 8, 3), source("coarse", 4, 4, 3)]
    layers.append({**nested, "name": "head", "inbound_nodes": [[["fine", 0, 0, {}]], [["coarse", 0, 0, {}]]]})
    layers.append(layer("Concatenate", "all", [["head", 1, 0, {}], ["head", 2, 0, {}]], axis=1))
    text = assert_same(model(layers, ["fine", "coarse"], ["all"]), tmp_path / "pyramid")
    assert ".reshape(-1, 192, 2)" in text
    assert ".reshape(-1, 48, 2)" in text


def test_a_size_that_is_read_as_a_tensor_is_one_in_classes_too(tmp_path: Path) -> None:
    """The mean over the steps as people write it, `tf.reduce_sum(x, 1) / tf.cast(tf.shape(x)[1], tf.float32)`."""
    layers, before = [source("x", None, 4)], "x"
    for number in range(8):
        layers.append(layer("Dense", f"dense_{number}", call(before), units=4, activation="relu"))
        before = f"dense_{number}"

    def op(name: str, symbol: str, on: str, **kwargs: Any) -> Config:
        kind = "SlicingOpLambda" if symbol.endswith("getitem") else "TFOpLambda"
        return layer(kind, name, [on, 0, 0, kwargs], function=symbol, dtype="float32")

    layers += [
        op("sizes", "compat.v1.shape", before),
        op("steps", "__operators__.getitem", "sizes", slice_spec=1),
        op("count", "cast", "steps", dtype="float32"),
        op("sum", "math.reduce_sum", before, axis=1),
        op("mean", "math.truediv", "sum", y=["count", 0, 0]),
    ]
    assert_same(model(layers, ["x"], ["mean"]), tmp_path / "mean")


def test_other_wiring_under_like_names_is_another_class(tmp_path: Path) -> None:
    """In the second half the branches are subtracted the other way round."""
    layers, before = [source("x", 6)], "x"
    for number in range(10):
        branches = [f"block{number}_a", f"block{number}_b"]
        layers += [
            layer("Dense", branches[0], call(before), units=6, activation="relu"),
            layer("Dense", branches[1], call(branches[0]), units=6, activation="relu"),
            layer("Subtract", f"block{number}_sub", call(*(branches if number < 5 else reversed(branches)))),
        ]
        before = f"block{number}_sub"
    text = assert_same(model(layers, ["x"], [before]), tmp_path / "m")
    assert "return x - y" in text or "return y - x" in text
    assert len(re.findall(r"^class ", text, re.MULTILINE)) == 3


HOSTILE = [
    "stage1",
    "blocks",
    "features",
    "skip",
    "mask",
    "ResidualBlock",
    "Model",
    "torch",
    "a\nb",
    '");import os',
    "self",
]


def test_names_that_the_file_has_itself(tmp_path: Path) -> None:
    layers, before = [source("image", 6, 6, 4)], "image"
    for number, name in enumerate(HOSTILE):
        layers += residual_block(f"b{number}", before, 4)
        layers.append(layer("Activation", name, call(f"b{number}_out"), activation="tanh"))
        before = name
        if number % 3 == 0:
            layers.append(conv(f"{name}_conv", before, 4))
            before = f"{name}_conv"
    text = assert_same(model(layers, ["image"], [before], name="ResidualBlock"), tmp_path / "m")
    assert "import os" not in text.partition("class ")[2]


def random_model(seed: int) -> Config:
    """Layers on random ones before them, chosen so that much repeats."""
    draw = random.Random(seed)
    layers, names = [source("x", 5)], ["x"]
    number = 0
    for _ in range(draw.randint(3, 7)):
        pattern = [
            draw.choice(["Dense", "relu", "Add", "Concatenate", "Shared"]) for _ in range(draw.randint(1, 4))
        ]
        for _ in range(draw.randint(1, 4)):
            for kind in pattern:
                name, before = f"layer_{number}", names[-1]
                other = names[-draw.randint(1, min(3, len(names)))]
                number += 1
                if kind == "relu":
                    layers.append(layer("Activation", name, call(before), activation=kind))
                elif kind == "Shared" and draw.random() < 0.3:
                    layers.append(layer("Dense", name, call(before), call(before), units=5))
                    layers.append(layer("Add", f"{name}_add", call((name, 0), (name, 1))))
                    name = f"{name}_add"
                elif kind == "Concatenate":
                    layers.append(layer("Concatenate", f"{name}_cat", call(before, other), axis=-1))
                    layers.append(layer("Dense", name, call(f"{name}_cat"), units=5))
                elif kind == "Add":
                    layers.append(layer("Add", name, call(before, other)))
                else:
                    layers.append(layer("Dense", name, call(before), units=5, activation="tanh"))
                names.append(name)
    return model(layers, ["x"], [names[-1], draw.choice(names[1:])])


@pytest.mark.parametrize("seed", range(40))
def test_random_models_compute_the_same(seed: int, tmp_path: Path) -> None:
    assert_same(random_model(seed), tmp_path / "m")


def test_calls_are_told_apart_whatever_order_they_run_in(tmp_path: Path) -> None:
    """What Keras calls first, the output needs last."""
    layers = [
        source("left", 4),
        source("right", 4),
        nested(tower("shared_tower"), call("left"), call("right")),
        layer("Dense", "shared", call("left"), call("right"), units=3, activation="sigmoid"),
        layer(
            "Concatenate",
            "all",
            call(("shared_tower", 2), ("shared_tower", 1), ("shared", 1), ("shared", 0)),
            axis=-1,
        ),
    ]
    assert_same(model(layers, ["left", "right"], ["all"]), tmp_path / "m")


@pytest.mark.parametrize("wish", ["conv", "half", "train", "type", "self", "forward", "class", "a" * 60])
def test_a_name_is_found_whatever_is_wished(wish: str) -> None:
    name = free_name(wish, {"conv", "conv_2", "a" * 60})
    assert is_free_attribute(name)
    assert name not in {"conv", "conv_2", "a" * 60}


def test_two_nested_models_with_names_that_are_cut_alike(tmp_path: Path) -> None:
    long = "t" * 70
    layers = [
        source("x", 4),
        nested(tower(f"{long}_a"), call("x")),
        nested(tower(f"{long}_b", width=6), call("x")),
        layer("Add", "sum", call((f"{long}_a", 1), (f"{long}_b", 1))),
    ]
    # Of one form but for a number: made two classes by an activation more.
    layers[2]["config"]["layers"][1]["config"]["activation"] = "relu"
    text = assert_same(model(layers, ["x"], ["sum"]), tmp_path / "m")
    assert len(re.findall(r"^class ", text, re.MULTILINE)) == 3


def test_no_attribute_hides_a_method_of_the_hubs_mixin() -> None:
    assert free_name("push_to_hub", ()) == "push_to_hub_2"


def straight(*layers: Config) -> Config:
    first, *rest = layers
    first["config"]["batch_input_shape"] = [None, 16, 16, 3] if first["class_name"] == "Conv2D" else [None, 9]
    return sequential(first, *rest, name="net")


def dense(count: int) -> list[Config]:
    return [layer("Dense", f"dense_{number}", units=8, activation="tanh") for number in range(count)]


def picture(*head: Config) -> Config:
    pictures = [
        layer("Conv2D", f"conv_{number}", filters=4, kernel_size=3, activation="relu") for number in range(4)
    ]
    return straight(*pictures, layer("Flatten", "flatten"), *head)


def last(activation: str) -> Config:
    return layer("Dense", "last", units=3, activation=activation)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (straight(*dense(3)), []),
        (straight(*dense(7)), ["layers"]),
        (picture(*dense(2), last("softmax")), ["features", "classifier"]),
        (picture(*dense(2), last("linear")), ["features", "head"]),
    ],
)
def test_long_chains_of_layers_are_called_what_they_do(config: Config, names: list[str]) -> None:
    text = text_in_blocks(config)
    assert re.findall(r"self\.(\w+) = nn\.Sequential\(", text) == names
    assert len(classes_in(text)) == 1

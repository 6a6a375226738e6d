"""Which stored array is which variable: by name, by order, and with a refusal where neither decides."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch import errors
from keras2torch.graph.build import build_graph
from keras2torch.resolve import resolve
from keras2torch.source.reading import read_source
from keras2torch.translate import translate
from tests.crafted import Config, Weights, layer, nested, sequential, write_model

BN = ("gamma", "beta", "moving_mean", "moving_variance")


def dense(name: str, units: int = 3, **config: Any) -> Config:
    return layer("Dense", name, units=units, **config)


def batchnorm(name: str, **config: Any) -> Config:
    return layer("BatchNormalization", name, **config)


def resolved(tmp_path: Path, config: Config, weights: Weights, version: str = "2.15.0") -> dict[str, float]:
    """For every variable, the number that its stored array was filled with."""
    source = read_source(write_model(tmp_path / "m.h5", config, weights, keras_version=version))
    graph = build_graph(source.config, source.generation)
    found = resolve(source, graph, translate(graph).expected)
    assert all(key.shape == array.shape and (array == array.flat[0]).all() for key, array in found.items())
    return {str(key): float(array.flat[0]) for key, array in found.items()}


def filled(*shapes: tuple[int, ...]) -> list[Any]:
    """Arrays that hold 0, 1, 2 ... everywhere."""
    return [np.full(shape, i, np.float32) for i, shape in enumerate(shapes)]


def group(names: list[str], *shapes: tuple[int, ...]) -> dict[str, Any]:
    return dict(zip(names, filled(*shapes), strict=True))


VECTOR = (3,)
MATRIX = (3, 3)


def test_plain_layers_go_by_name_and_stored_order(tmp_path: Path) -> None:
    config = sequential(dense("a", batch_input_shape=[None, 3]), batchnorm("b"))
    # The names of the arrays are of no account (Keras 1 called them a_W), nor is the order of the layers.
    weights = {
        "b": group(["p", "q", "r", "s"], *[VECTOR] * 4),
        "a": group(["any", "thing"], MATRIX, VECTOR),
        "input_layer": {},
    }
    assert resolved(tmp_path, config, weights) == {
        "a/kernel": 0,
        "a/bias": 1,
        **{f"b/{role}": i for i, role in enumerate(BN)},
    }


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({}, errors.MissingWeight, "a: kernel (3, 3) is missing: 0 weights stored, 2 expected"),
        ({"a": group(["k"], MATRIX)}, errors.MissingWeight, "a: bias (3,) is missing: 1 weights stored, 2 expected"),
        ({"a": group(["k", "b", "x"], MATRIX, VECTOR, VECTOR)}, errors.UnexpectedWeight,
         "a: x (3,) has no place: 3 weights stored, 2 expected"),
        ({"a": group(["k", "b"], (3, 4), VECTOR)}, errors.WrongShape, "a: k is (3, 4), kernel should be (3, 3)"),
        ({"a": group(["b", "k"], VECTOR, MATRIX)}, errors.WrongShape, "a: b is (3,), kernel should be (3, 3)"),
        ({"a": group(["k", "b"], MATRIX, ())}, errors.WrongShape, "a: b is (), bias should be (3,)"),
        ({"a": group(["k", "b"], MATRIX, VECTOR), "z": group(["w"], VECTOR)}, errors.UnexpectedWeight,
         "z: 1 weights for a layer that has none"),
    ],
)  # fmt: skip
def test_what_does_not_fit(tmp_path: Path, weights: Weights, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        resolved(tmp_path, sequential(dense("a", batch_input_shape=[None, 3])), weights)
    assert words in str(caught.value)


def inner(**frozen: bool) -> Config:
    """A nested model of bn1, d, bn2; `frozen` names what is not trainable, `inner` for the model itself."""

    def trainable(name: str) -> bool:
        return not frozen.get(name, False)

    return sequential(
        layer("InputLayer", "in", batch_input_shape=[None, 3]),
        nested(
            sequential(
                layer("InputLayer", "i", batch_input_shape=[None, 3]),
                batchnorm("bn1", trainable=trainable("bn1")),
                dense("d", trainable=trainable("d")),
                batchnorm("bn2", trainable=trainable("bn2")),
                name="inner",
                trainable=trainable("inner"),
            )
        ),
        name="outer",
    )


SHAPES = {"kernel": MATRIX, "bias": VECTOR} | dict.fromkeys(BN, VECTOR)
ALL_TRAINABLE = [
    "bn1/gamma", "bn1/beta", "d/kernel", "d/bias", "bn2/gamma", "bn2/beta",
    "bn1/moving_mean", "bn1/moving_variance", "bn2/moving_mean", "bn2/moving_variance",
]  # fmt: skip
ALL_FROZEN = [*(f"bn1/{role}" for role in BN), "d/kernel", "d/bias", *(f"bn2/{role}" for role in BN)]
DENSE_FROZEN = [
    "bn1/gamma", "bn1/beta", "bn2/gamma", "bn2/beta",
    "bn1/moving_mean", "bn1/moving_variance", "d/kernel", "d/bias", "bn2/moving_mean", "bn2/moving_variance",
]  # fmt: skip


@pytest.mark.parametrize(
    ("frozen", "order"),
    [
        ({}, ALL_TRAINABLE),
        ({"inner": True, "bn1": True, "d": True, "bn2": True}, ALL_FROZEN),
        ({"inner": True}, ALL_FROZEN),
        ({"d": True}, DENSE_FROZEN),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_nested_weights_stand_in_the_order_that_the_flags_make(
    tmp_path: Path, frozen: dict[str, bool], order: list[str], named: bool
) -> None:
    names = [f"{path}:0" if named else f"w{i}" for i, path in enumerate(order)]
    weights = {"inner": group(names, *(SHAPES[path.split("/")[1]] for path in order))}
    expected = {f"inner/{path}": i for i, path in enumerate(order)}
    assert resolved(tmp_path, inner(**frozen), weights) == expected


def test_names_decide_where_the_flags_would_mislead(tmp_path: Path) -> None:
    # Before Keras 2.13 the configuration did not say that a nested model was frozen.
    weights = {
        "inner": group([f"{path}:0" for path in ALL_FROZEN], *(SHAPES[p.split("/")[1]] for p in ALL_FROZEN))
    }
    expected = {f"inner/{path}": i for i, path in enumerate(ALL_FROZEN)}
    assert resolved(tmp_path, inner(), weights) == expected


def test_shapes_refuse_an_order_that_nothing_decides(tmp_path: Path) -> None:
    weights = {"inner": group([f"w{i}" for i in range(10)], *(SHAPES[p.split("/")[1]] for p in ALL_FROZEN))}
    with pytest.raises(errors.WrongShape, match="inner/d"):
        resolved(tmp_path, inner(), weights)


def test_nested_names_hold_the_names_of_models_around_them(tmp_path: Path) -> None:
    names = [f"outer/inner/{path}" for path in ALL_TRAINABLE]
    weights = {"inner": group(names, *(SHAPES[p.split("/")[1]] for p in ALL_TRAINABLE))}
    assert resolved(tmp_path, inner(), weights)["inner/bn2/moving_variance"] == 9


def two_of_a_name() -> Config:
    """Two nested models with a layer `d` each."""
    halves = [
        nested(sequential(layer("InputLayer", "i", batch_input_shape=[None, 3]), dense("d"), name=name))
        for name in ("left", "right")
    ]
    model = sequential(layer("InputLayer", "x", batch_input_shape=[None, 3]), *halves, name="both")
    return sequential(layer("InputLayer", "in", batch_input_shape=[None, 3]), nested(model))


def test_names_that_two_layers_share_leave_the_order_to_decide(tmp_path: Path) -> None:
    weights = {
        "both": group(
            ["d/kernel:0", "d/bias:0", "d/kernel_1:0", "d/bias_1:0"], MATRIX, VECTOR, MATRIX, VECTOR
        )
    }
    assert resolved(tmp_path, two_of_a_name(), weights) == {
        "both/left/d/kernel": 0,
        "both/left/d/bias": 1,
        "both/right/d/kernel": 2,
        "both/right/d/bias": 3,
    }


def test_layers_with_slashes_in_their_names(tmp_path: Path) -> None:
    config = sequential(dense("block/a", batch_input_shape=[None, 3]), dense("block/b"))
    weights = {
        "block/a": group(["block/a/kernel:0", "block/a/bias:0"], MATRIX, VECTOR),
        "block/b": group(["block/b/kernel:0", "block/b/bias:0"], MATRIX, VECTOR),
    }
    found = resolved(tmp_path, config, weights)
    assert found == {"block/a/kernel": 0, "block/a/bias": 1, "block/b/kernel": 0, "block/b/bias": 1}


def test_a_shared_layer_has_its_weights_once(tmp_path: Path) -> None:
    d = dense("d", batch_input_shape=[None, 3])
    shared = {**d, "inbound_nodes": [[["in", 0, 0, {}]], [["d", 0, 0, {}]]]}
    config: Config = {
        "class_name": "Functional",
        "config": {
            "name": "m",
            "layers": [layer("InputLayer", "in", batch_input_shape=[None, 3]), shared],
            "input_layers": [["in", 0, 0]],
            "output_layers": [["d", 1, 0]],
        },
    }
    weights = {"d": group(["d/kernel:0", "d/bias:0"], MATRIX, VECTOR)}
    assert resolved(tmp_path, config, weights) == {"d/kernel": 0, "d/bias": 1}

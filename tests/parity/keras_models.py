"""Small models built with a real Keras library, and what that library says they compute.

Everything here runs inside a sandbox child that has preloaded one of the two libraries.
"""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.arrays import write_arrays
from keras2torch.parity.float64 import exact_float64

Builder = Callable[[Any], Any]
BUILDERS: dict[str, Builder] = {}


def model(build: Builder) -> Builder:
    BUILDERS[build.__name__] = build
    return build


@model
def dense(k: Any) -> Any:
    return k.Sequential(
        [k.layers.Input((5,)), k.layers.Dense(4, activation="relu"), k.layers.Dropout(0.5), k.layers.Dense(3)]
    )


@model
def shared(k: Any) -> Any:
    """`d` runs its second call first: the number of a call is not its place in time."""
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    d, e = k.layers.Dense(4, name="d"), k.layers.Dense(4, name="e")
    late = d(e(e(a)))
    early = d(b)
    return k.Model([a, b], [k.layers.Add(name="sum")([late, early]), early])


@model
def nested(k: Any) -> Any:
    """A block called twice inside a stem that is itself called twice; the block is partly frozen."""
    x = k.Input((6,))
    frozen = k.layers.Dense(6, name="frozen")
    frozen.trainable = False
    block = k.Model(x, k.layers.BatchNormalization(name="norm")(frozen(x)), name="block")
    y = k.Input((6,))
    stem = k.Model(y, k.layers.Dense(6, name="out")(block(block(y))), name="stem")
    tail = k.Sequential([k.layers.Input((6,)), k.layers.Dense(2, name="last")], name="tail")
    z = k.Input((6,))
    return k.Model(z, tail(k.layers.Add()([stem(z), stem(k.layers.ReLU()(z))])))


@model
def convolutional(k: Any) -> Any:
    x = k.Input((9, 8, 3))
    y = k.layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(x)
    y = k.layers.BatchNormalization(name="norm")(y)
    y = k.layers.DepthwiseConv2D(3, name="depthwise")(y)
    y = k.layers.ZeroPadding2D((1, 2), name="border")(y)
    y = k.layers.Conv2D(5, 3, strides=2, activation="relu", name="bordered")(y)
    y = k.layers.ZeroPadding2D(1, name="rim")(y)
    y = k.layers.MaxPooling2D(3, strides=2, name="rimmed")(y)
    y = k.layers.MaxPooling2D(2, padding="same", name="pool")(y)
    return k.Model(x, k.layers.Dense(2, name="head", activation="softmax")(k.layers.Flatten()(y)))


@model
def masked_norms(k: Any) -> Any:
    """Keras 3 leaves masked steps out of the statistics of a batch, tf_keras does not."""
    x = k.Input((7,), dtype="int32")
    y = k.layers.Embedding(11, 4, mask_zero=True, name="embed")(x)
    norm = k.layers.BatchNormalization(momentum=0.7, name="norm")
    without = norm(k.layers.GlobalAveragePooling1D(keepdims=True, name="mean")(y))
    y = norm(y)
    y = k.layers.BatchNormalization(axis=1, momentum=0.9, name="steps")(y)
    pictures = k.Input((4, 3), dtype="int32")
    z = k.layers.Embedding(11, 2, mask_zero=True, name="colour")(pictures)
    z = k.layers.BatchNormalization(scale=False, name="plain")(z)
    z = k.layers.BatchNormalization(trainable=False, name="frozen")(z)
    return k.Model([x, pictures], [k.layers.LSTM(3, name="lstm")(y), z, without])


@model
def grouped(k: Any) -> Any:
    x = k.Input((9, 8, 4))
    y = k.layers.Conv2D(6, 3, groups=2, padding="same", name="conv")(x)
    y = k.layers.Conv3D(2, 3, name="volume")(k.layers.Reshape((9, 8, 6, 1))(y))
    return k.Model(x, k.layers.Dense(2, name="head")(k.layers.Flatten()(y)))


@model
def recurrent(k: Any) -> Any:
    x = k.Input((7,), dtype="int32")
    y = k.layers.Embedding(11, 5, mask_zero=True, name="embed")(x)
    y = k.layers.Bidirectional(k.layers.LSTM(4, return_sequences=True), name="both")(y)
    y = k.layers.TimeDistributed(k.layers.Dense(3, activation="tanh"), name="each")(y)
    return k.Model(x, k.layers.GRU(4, name="gru")(y))


@model
def states(k: Any) -> Any:
    x = k.Input((None, 3))
    return k.Model(x, k.layers.LSTM(4, return_state=True, name="lstm")(x))


CHANNELS_FIRST: dict[str, Callable[[Any, str], Any]] = {
    "conv2d": lambda k, f: k.layers.Conv2D(4, 3, padding="same", strides=2, data_format=f, name="l"),
    "conv2d_transpose": lambda k, f: k.layers.Conv2DTranspose(4, 3, strides=2, data_format=f, name="l"),
    "separable": lambda k, f: k.layers.SeparableConv2D(4, 3, data_format=f, name="l"),
    "max_pooling": lambda k, f: k.layers.MaxPooling2D(2, padding="same", data_format=f, name="l"),
}


def build_and_run(payload: dict[str, Any]) -> dict[str, Any]:
    """Build a model in float64 with random weights; leave what the reference needs, and Keras's own answers.

    Writes `plan.json`, `weights.npz`, `cases/a.npz` and `truth.npz` (outputs, and outputs of outer layers by
    name).
    """
    k = importlib.import_module(payload["library"])
    k.backend.set_floatx("float64")
    k.utils.set_random_seed(payload.get("seed", 0))
    folder = Path(payload["folder"])
    built = BUILDERS[payload["model"]](k)
    return leave(k, built, folder, payload)


def build_channels_first(payload: dict[str, Any]) -> dict[str, Any]:
    """As `build_and_run`, but the truth comes from the channels_last twin: this library cannot run the other
    on a CPU.
    """
    k = importlib.import_module(payload["library"])
    k.backend.set_floatx("float64")
    k.utils.set_random_seed(0)
    make = CHANNELS_FIRST[payload["layer"]]
    first = k.Sequential([k.layers.Input((3, 9, 8)), make(k, "channels_first")])
    last = k.Sequential([k.layers.Input((9, 8, 3)), make(k, "channels_last")])
    randomise(last)
    for ours, theirs in zip(first.weights, last.weights, strict=True):
        ours.assign(theirs)
    folder = Path(payload["folder"])
    case = random_inputs(first, 0)
    answer = leave(k, first, folder, payload, case=case, run=False)
    truth = np.asarray(last(case[0].transpose(0, 2, 3, 1), training=False)).transpose(0, 3, 1, 2)
    write_arrays(folder / "truth.npz", {"output-0": truth})
    return answer


def leave(
    k: Any,
    built: Any,
    folder: Path,
    payload: dict[str, Any],
    *,
    case: list[Any] | None = None,
    run: bool = True,
) -> dict[str, Any]:
    randomise(built)
    case = case or random_inputs(built, 1)
    names = [tensor._keras_history[0].name for tensor in built.inputs]
    arrays: dict[str, Any] = {}
    weights: dict[str, list[str]] = {}
    for layer in built.layers:
        own = [*layer.trainable_weights, *layer.non_trainable_weights]
        weights[layer.name] = [f"{layer.name}:{number}" for number in range(len(own))]
        arrays |= dict(zip(weights[layer.name], (np.asarray(weight) for weight in own), strict=True))
    reference = {
        "library": payload["library"],
        "keras_version": k.__version__,
        "backend": "tensorflow",
        "model": {"class_name": type(built).__name__, "config": json.loads(json.dumps(built.get_config()))},
        "inputs": [
            {"name": name, "shape": list(t.shape)} for name, t in zip(names, built.inputs, strict=True)
        ],
        "weights": weights,
        "given": [],
        "rounded_to": None,
        "cases": [
            {
                "name": "a",
                "trace_bytes": payload.get("trace_bytes", 1 << 30),
                "may_be_refused": False,
                "last_resort": False,
            }
        ],
    }
    (folder / "plan.json").write_text(json.dumps(reference))
    (folder / "cases").mkdir()
    write_arrays(folder / "weights.npz", arrays)
    write_arrays(folder / "cases" / "a.npz", {str(n): array for n, array in enumerate(case)})
    if run:
        with exact_float64(importlib.import_module("tensorflow")):
            write_arrays(folder / "truth.npz", truth_of(k, built, case))
    return {"names": names}


def truth_of(k: Any, built: Any, case: list[Any]) -> dict[str, Any]:
    """Outputs of the model, and of each single call of its outer layers by way of a model that ends there."""
    inputs = case[0] if len(case) == 1 else case
    # A model of the same layers in which whatever goes by names goes by place.
    outputs = k.Model(built.inputs, built.outputs)(inputs, training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    truth = {f"output-{n}": np.asarray(output) for n, output in enumerate(outputs)}
    for layer in built.layers:
        if isinstance(layer.output if len(layer._inbound_nodes) == 1 else [], list | tuple):
            continue
        if type(layer).__name__ != "InputLayer" and not isinstance(layer, k.Model):
            truth[f"layer-{layer.name}:0"] = np.asarray(
                k.Model(built.inputs, layer.output)(inputs, training=False)
            )
    return truth


def randomise(built: Any) -> None:
    """Weights that no two layers share, and moments that no fresh model has."""
    rng = np.random.default_rng(7)
    for weight in built.weights:
        positive = "variance" in weight.name
        values = rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0.1, 0.5, weight.shape)
        weight.assign(values)


def random_inputs(built: Any, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, 11, (3, *shape[1:])).astype("int32")
        if "int" in str(tensor.dtype)
        else rng.normal(size=(3, *(6 if extent is None else extent for extent in shape[1:])))
        for tensor in built.inputs
        for shape in [tuple(tensor.shape)]
    ]


@model
def menagerie(k: Any) -> Any:
    """One model with a bit of everything that converters get wrong; see `test_planted_faults`."""
    layers = k.layers
    picture, words = k.Input((14, 13, 3), name="picture"), k.Input((7,), dtype="int32", name="words")
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="conv")(picture)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Activation("gelu", name="gelu")(x)
    x = layers.MaxPooling2D(2, padding="same", name="maxpool")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="up")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    y = layers.Embedding(11, 5, mask_zero=True, name="embed")(words)
    y = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(y)
    y = layers.Dropout(0.2, name="between")(y)  # recurrent layers in a row are compared at their end
    y = layers.GRU(4, name="gru")(y)
    z = layers.Conv2D(6, 3, padding="same", use_bias=False, name="square")(picture)
    z = layers.LeakyReLU(name="leaky")(z)
    z = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="deconv")(z)
    head = layers.Dense(3, activation="softmax", name="head")(layers.Concatenate(name="join")([x, y]))
    return k.Model([picture, words], [head, z])


def save(payload: dict[str, Any]) -> None:
    """Save one model with random weights: whole, or with `architecture` its weights there and its JSON here."""
    k = importlib.import_module(payload["library"])
    k.utils.set_random_seed(0)
    built = BUILDERS[payload["model"]](k)
    randomise(built)
    if "architecture" in payload:
        Path(payload["architecture"]).write_text(built.to_json())
        built.save_weights(payload["path"])
    else:
        built.save(payload["path"])


def save_all(payload: dict[str, Any]) -> None:
    """Save every model of a `module` with random weights as `<name>.h5` in `folder`."""
    k = importlib.import_module(payload["library"])
    builders: dict[str, Builder] = importlib.import_module(payload["module"]).BUILDERS
    for name, build in builders.items():
        k.backend.clear_session()
        k.utils.set_random_seed(1)
        built = build(k)
        randomise(built)
        built.save(Path(payload["folder"]) / f"{name}.h5")


@model
def long_recurrence(k: Any) -> Any:
    """Long enough for the reference to compile it; the mask must reach it all the same."""
    x = k.Input((60,), dtype="int32")
    y = k.layers.Embedding(11, 3, mask_zero=True, name="embed")(x)
    y = k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True), name="both")(y)
    return k.Model(x, k.layers.GRU(2, name="gru")(y))


@model
def wrapped(k: Any) -> Any:
    """What stands in other layers, and so deeper in the files that give every layer a group of its own."""
    layers = k.layers
    x = k.Input((6, 5))
    y = layers.TimeDistributed(layers.BatchNormalization(), name="each")(x)
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both")(y)
    y = layers.Dropout(0.2)(y)
    y = layers.Dense(4, name="first")(y)
    inner = k.Sequential([layers.Input((6, 4)), layers.Dense(4, name="dense"), layers.BatchNormalization()])
    inner.layers[0].trainable = False
    y = layers.Dense(4, name="second", activation="relu")(inner(y))
    return k.Model(x, layers.LSTM(3, name="last")(y))


@model
def frozen_parts(k: Any) -> Any:
    """Flags that move weights about in the file: of a layer, of a model, of a model in a model, and undone again."""
    layers = k.layers

    def block(name: str) -> Any:
        x = k.Input((5,))
        y = layers.BatchNormalization(name=f"{name}_first")(x)
        y = layers.Dense(5, name=f"{name}_dense")(y)
        return k.Model(x, layers.BatchNormalization(name=f"{name}_last")(y), name=name)

    layer_frozen, model_frozen, thawed, inner = map(block, ("one", "two", "three", "inner"))
    layer_frozen.get_layer("one_first").trainable = False
    model_frozen.trainable = thawed.trainable = inner.trainable = False
    thawed.get_layer("three_dense").trainable = True
    x = k.Input((5,))
    y = layers.Dense(5, name="after")(inner(layers.Dense(5, name="before")(x)))
    around = k.Model(x, y, name="around")
    z = k.Input((5,))
    y = around(thawed(model_frozen(layer_frozen(z))))
    last = layers.BatchNormalization(name="last")
    last.trainable = False
    return k.Model(z, last(y))


@model
def five_deep(k: Any) -> Any:
    """Models in models in models, of both kinds; the innermost is called twice, at two depths."""
    layers = k.layers
    x = k.Input((4,))
    core = k.Model(x, layers.BatchNormalization(name="norm")(layers.Dense(4, name="dense")(x)), name="core")
    model: Any = core
    for depth in range(4):
        if depth % 2:
            model = k.Sequential(
                [layers.Input((4,)), model, layers.Dense(4, name=f"dense_{depth}")], name=f"level_{depth}"
            )
        else:
            x = k.Input((4,))
            model = k.Model(x, layers.Add(name=f"add_{depth}")([model(x), x]), name=f"level_{depth}")
    x = k.Input((4,))
    return k.Model(x, layers.Subtract(name="rest")([model(x), core(layers.ReLU(name="relu")(x))]))


@model
def structured(k: Any) -> Any:
    """Inputs and outputs by name; Keras orders them by name, whatever the order in which they were given."""
    layers = k.layers
    inputs = {"late": k.Input((3,), name="second"), "early": k.Input((5,), name="first")}
    a = layers.Dense(4, name="a")(inputs["late"])
    b = layers.Dense(4, name="b")(inputs["early"])
    return k.Model(inputs, {"z": layers.Multiply(name="product")([a, b]), "y": b})


@model
def shared_in_sizes(k: Any) -> Any:
    """Layers that are called on tensors of different sizes and ranks."""
    layers = k.layers
    large, small = k.Input((9, 8, 3), name="large"), k.Input((5, 4, 3), name="small")
    conv = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")
    norm, pool = layers.BatchNormalization(name="norm"), layers.GlobalAveragePooling2D(name="pool")
    dense, lstm = layers.Dense(4, activation="tanh", name="dense"), layers.LSTM(3, name="lstm")
    mixed = [dense(norm(conv(each))) for each in (large, small)]
    rows = [
        layers.Reshape((steps, 4), name=f"rows_{steps}")(x) for x, steps in zip(mixed, (20, 6), strict=True)
    ]
    vectors = [dense(pool(x)) for x in mixed] + [lstm(x) for x in rows]
    return k.Model([large, small], [layers.Concatenate(name="join")(vectors), mixed[1]])


LONG = "x" * 550
"""A hundred names of this length are more than an attribute of HDF5 holds."""


@model
def long_names(k: Any) -> Any:
    layers = k.layers
    x = k.Input((2,))
    inner = k.Sequential([layers.Input((2,)), *(layers.Dense(2, name=f"{LONG}_{n}") for n in range(60))])
    y = inner(x)
    for number in range(120):
        y = layers.ReLU(negative_slope=0.5, name=f"{LONG}_relu_{number}")(y)
    return k.Model(x, y)


@model
def structured_inside(k: Any) -> Any:
    """A model of names within another, called by names, its outputs taken by name."""
    layers = k.layers
    inputs = {"right": k.Input((4,), name="r"), "left": k.Input((4,), name="l")}
    left, right = (layers.Dense(4, name=f"{side}_dense")(inputs[side]) for side in ("left", "right"))
    outputs = {
        "sum": layers.Add(name="add")([left, right]),
        "rest": layers.Subtract(name="rest")([left, right]),
    }
    inner = k.Model(inputs, outputs, name="inner")
    # A model made with a list knows its inputs by the names of their layers, in the order of the list.
    zebra, ape = k.Input((4,), name="zebra"), k.Input((4,), name="ape")
    listed = k.Model([zebra, ape], layers.Subtract(name="apart")([zebra, ape]), name="listed")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    first = inner({"left": x, "right": y})
    second = inner({"right": first["sum"], "left": first["rest"]})
    return k.Model([x, y], [listed({"ape": second["sum"], "zebra": x}), second["rest"]])

"""Small models, each with the whole of the `model.py` that is expected of it in `golden/`.

`python -m tests.emit.golden_models` writes those files anew; look at the difference before you believe it.
"""

from pathlib import Path
from typing import Any

from keras2torch.graph.build import build_graph
from keras2torch.source.generation import generation_of
from keras2torch.translate import translate
from tests.crafted import (
    Config,
    Weights,
    call,
    call3,
    functional,
    layer,
    nested,
    numbers,
    sequential,
    tensor3,
    write_model,
)

GOLDEN = Path(__file__).with_name("golden")


def source(name: str, *shape: int | None, **config: Any) -> Config:
    return layer("InputLayer", name, batch_input_shape=[None, *shape], **config)


def mlp() -> Config:
    """A list of layers, as Keras wrote a Sequential before 2.2.3."""
    layers = [
        layer("Dense", "dense_1", units=8, activation="relu", batch_input_shape=[None, 4]),
        layer("Dropout", "dropout_1", rate=0.5),
        layer("Dense", "dense_2", units=3, activation="softmax"),
    ]
    return {"class_name": "Sequential", "config": layers}


def classifier() -> Config:
    """Images; the Flatten goes into the kernel of the Dense behind it."""
    return sequential(
        layer("Conv2D", "conv", filters=4, kernel_size=[3, 3], padding="same", activation="relu",
              batch_input_shape=[None, 8, 8, 3]),
        layer("MaxPooling2D", "pool", pool_size=[2, 2]),
        layer("Conv2D", "strided", filters=6, kernel_size=[3, 3], strides=[2, 2], padding="same", use_bias=False),
        layer("BatchNormalization", "bn"),
        layer("Activation", "relu", activation="relu"),
        layer("Flatten", "flatten"),
        layer("Dense", "logits", units=10),
        name="image_classifier",
    )  # fmt: skip


def residual() -> Config:
    """Branches that meet again, in Keras 3's spelling; one layer is called twice."""
    layers = [
        layer("InputLayer", "images", batch_shape=[None, None, None, 3]),
        layer("Conv2D", "stem", call3(tensor3("images")), filters=8, kernel_size=[3, 3], padding="same"),
        layer(
            "Conv2D",
            "shared",
            call3(tensor3("stem")),
            call3(tensor3("shared")),
            filters=8,
            kernel_size=[1, 1],
        ),
        layer("Add", "add", call3([tensor3("stem"), tensor3("shared", 1)]), trainable=True),
        layer("ReLU", "relu", call3(tensor3("add")), max_value=6.0),
        layer("GlobalAveragePooling2D", "gap", call3(tensor3("relu"))),
        layer("Dense", "class", call3(tensor3("gap")), units=2, activation="sigmoid"),
    ]
    return functional(layers, ["images", 0, 0], ["class", 0, 0], name="tiny resnet")


def two_ends() -> Config:
    """Two inputs, two outputs, and names that Python has other uses for."""
    layers = [
        source("input", 4),
        source("x-2", 3),
        layer("Dense", "lambda", call("input"), units=5, activation="tanh"),
        layer("Concatenate", "concatenate", call("lambda", "x-2"), axis=-1),
        layer("Dense", "train", call("concatenate"), units=1),
        layer("Dense", "7th", call("concatenate"), units=2),
    ]
    return functional(
        layers, [["input", 0, 0], ["x-2", 0, 0]], [["7th", 0, 0], ["train", 0, 0]], name="two_ends"
    )


def text() -> Config:
    """Ids, a mask, a recurrent layer."""
    return sequential(
        layer("Embedding", "embedding", input_dim=20, output_dim=6, mask_zero=True, batch_input_shape=[None, 12]),
        layer("LSTM", "lstm", units=5, activation="tanh", recurrent_activation="sigmoid", use_bias=True,
              return_sequences=False, return_state=False, go_backwards=False, stateful=False, dropout=0.0,
              recurrent_dropout=0.0),
        layer("Dense", "dense", units=2),
        name="text",
    )  # fmt: skip


def parts() -> Config:
    """Helpers of ours that the file carries with it, in a model that is called twice."""
    inner = sequential(
        source("steps", 10, 3),
        layer("Conv1D", "conv", filters=4, kernel_size=[3], padding="causal"),
        layer("SpatialDropout1D", "drop", rate=0.2),
        name="encoder",
    )
    layers = [
        source("left", 10, 3),
        source("right", 10, 3),
        nested(inner, call("left"), call("right")),
        layer("Subtract", "difference", call(("encoder", 1), ("encoder", 2))),
    ]
    return functional(layers, [["left", 0, 0], ["right", 0, 0]], [["difference", 0, 0]], name="siamese")


MODELS = {
    "mlp": (mlp, "2.1.6"),
    "classifier": (classifier, "2.15.0"),
    "residual": (residual, "3.15.1"),
    "two_ends": (two_ends, "2.15.0"),
    "text": (text, "2.15.0"),
    "parts": (parts, "2.15.0"),
}


def weights_for(config: Config, keras_version: str) -> Weights:
    """Random weights in the shapes that the engine expects, named as Keras names them."""
    graph = build_graph(config, generation_of(keras_version, config))
    found: dict[str, dict[str, Any]] = {layer.group: {} for layer in graph.layers.values()}
    expected = translate(graph).expected
    for trainable in (True, False):
        for path, keys in expected.items():
            for key in keys:
                if key.trainable is trainable:
                    array = numbers(*key.shape, seed=len(str(key)))
                    found[graph.layers[path].group][f"{path}/{key.role}:0"] = (
                        array**2 if "variance" in key.role else array
                    )
    return found


def write_golden_model(folder: Path, name: str) -> Path:
    """`name`.h5 in `folder`."""
    config, keras_version = MODELS[name][0](), MODELS[name][1]
    weights = weights_for(config, keras_version)
    return write_model(folder / f"{name}.h5", config, weights, keras_version=keras_version)


if __name__ == "__main__":
    import tempfile

    from keras2torch import convert

    with tempfile.TemporaryDirectory() as temporary:
        for each in MODELS:
            bundle = convert(write_golden_model(Path(temporary), each), Path(temporary) / each).path
            (GOLDEN / f"{each}.py.txt").write_text((bundle / "model.py").read_text())

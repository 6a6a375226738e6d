"""Small models that between them hold what exporting finds hard, made without Keras."""

from pathlib import Path

from tests.crafted import Config, call, call3, functional, layer, numbers, sequential, tensor3, write_model
from tests.emit.golden_models import mlp, source, weights_for

RECURRENT = {
    "return_state": False, "go_backwards": False, "stateful": False, "dropout": 0.0, "recurrent_dropout": 0.0,
    "use_bias": True,
}  # fmt: skip


def pictures() -> Config:
    """Convolutions of any height and width, strided with lopsided padding."""
    return sequential(
        layer("Conv2D", "stem", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="same", activation="relu",
              batch_input_shape=[None, None, None, 3]),
        layer("BatchNormalization", "bn"),
        layer("MaxPooling2D", "pool", pool_size=[3, 3], strides=[2, 2], padding="same"),
        layer("AveragePooling2D", "average", pool_size=[2, 2], strides=[1, 1], padding="same"),
        layer("Conv2DTranspose", "up", filters=3, kernel_size=[3, 3], strides=[2, 2], padding="same"),
        name="pictures",
    )  # fmt: skip


def words() -> Config:
    """Masked sentences of any length, through each of the recurrent layers."""
    lstm = {"activation": "tanh", "recurrent_activation": "sigmoid", **RECURRENT}
    return sequential(
        layer("Embedding", "ids", input_dim=20, output_dim=6, mask_zero=True, batch_input_shape=[None, None]),
        layer("LSTM", "lstm", units=5, return_sequences=True, **lstm),
        layer("SimpleRNN", "rnn", units=4, activation="tanh", return_sequences=True, **RECURRENT),
        layer("GRU", "gru", units=5, return_sequences=False, reset_after=True, **lstm),
        layer("Dense", "dense", units=2),
        name="words",
    )


def unmasked() -> Config:
    """The same without a mask, and an `nn.RNN` of the other kind."""
    lstm = {"activation": "tanh", "recurrent_activation": "sigmoid", **RECURRENT}
    return sequential(
        layer("LSTM", "lstm", units=5, return_sequences=True, batch_input_shape=[None, None, 3], **lstm),
        layer("SimpleRNN", "rnn", units=4, activation="relu", return_sequences=True, **RECURRENT),
        layer("GRU", "gru", units=5, return_sequences=True, reset_after=True, **lstm),
        name="unmasked",
    )


def attention() -> Config:
    """An encoder over sequences of any length, of two inputs, with both outputs that it may have."""
    layers = [
        layer("InputLayer", "query", batch_shape=[None, None, 8]),
        layer("InputLayer", "value", batch_shape=[None, None, 8]),
        layer(
            "MultiHeadAttention",
            "attend",
            call3(tensor3("query"), tensor3("value")),
            num_heads=2,
            key_dim=4,
            query_shape=[None, None, 8],
            value_shape=[None, None, 8],
            key_shape=[None, None, 8],
        ),
        layer("Add", "add", call3([tensor3("query"), tensor3("attend")])),
        layer("LayerNormalization", "norm", call3(tensor3("add")), axis=-1, epsilon=1e-6),
        layer(
            "Attention",
            "again",
            call3([tensor3("norm"), tensor3("value")]),
            use_scale=False,
            score_mode="dot",
        ),
        layer("GlobalAveragePooling1D", "mean", call3(tensor3("again"))),
    ]
    ends = [["norm", 0, 0], ["mean", 0, 0]]
    return functional(layers, [["query", 0, 0], ["value", 0, 0]], ends, name="attention")


def ids_and_numbers() -> Config:
    """Ids and numbers in, two outputs under names that an input and an operation have."""
    layers = [
        source("user", 1, dtype="int32"),
        source("features", 3),
        layer("Embedding", "table", call("user"), input_dim=7, output_dim=4),
        layer("Flatten", "flat", call("table")),
        layer("Concatenate", "both", call("flat", "features"), axis=-1),
        layer("Dense", "linear", call("both"), units=1, activation="sigmoid"),
        layer("Dense", "features ", call("both"), units=2),
    ]
    inputs, outputs = [["user", 0, 0], ["features", 0, 0]], [["linear", 0, 0], ["features ", 0, 0]]
    return functional(layers, inputs, outputs, name="ids and numbers")


def loop() -> Config:
    """Recurrent layers that are loops of ours, over sequences of any length, masked and not."""
    older = {
        "activation": "softsign",
        "recurrent_activation": "hard_sigmoid",
        "return_sequences": True,
        **RECURRENT,
    }
    return sequential(
        layer("Masking", "masking", mask_value=0.0, batch_input_shape=[None, None, 3]),
        layer("LSTM", "lstm", units=5, **older),
        layer("GRU", "gru", units=4, reset_after=False, **older),
        layer("Conv1D", "conv", filters=3, kernel_size=[2], padding="causal"),
        layer("GRU", "unmasked", units=4, reset_after=True, **older),
        name="loop",
    )


def own_class(folder: Path, body: str) -> tuple[Path, str]:
    """A model whose second layer is a class of the caller's, which computes `body`; and the option that says so."""
    path = folder / "own.py"
    path.write_text(
        f"import torch\n\n\nclass Own(torch.nn.Module):\n    def forward(self, x):\n        {body}\n"
    )
    config = sequential(
        layer("Dense", "dense", units=3, batch_input_shape=[None, None, 2]),
        layer("Lambda", "own", function=["4wEAAA==", None, None], function_type="lambda"),
        name="own",
    )
    kernel = {"dense": {"dense/kernel:0": numbers(2, 3), "dense/bias:0": numbers(3)}}
    return write_model(folder / "own.h5", config, kernel), f"own={path}:Own"


def stateful() -> Config:
    """A recurrent layer that starts where the last call ended."""
    lstm = {"activation": "tanh", "recurrent_activation": "sigmoid", **RECURRENT, "stateful": True}
    return sequential(layer("LSTM", "lstm", units=4, batch_input_shape=[4, 6, 3], **lstm), name="stateful")


MODELS = {
    "pictures": (pictures, "2.15.0"),
    "mlp": (mlp, "2.1.6"),
    "words": (words, "2.15.0"),
    "unmasked": (unmasked, "2.15.0"),
    "attention": (attention, "3.15.1"),
    "ids_and_numbers": (ids_and_numbers, "2.15.0"),
    "loop": (loop, "2.15.0"),
    "stateful": (stateful, "2.15.0"),
}


def write_export_model(folder: Path, name: str) -> Path:
    """`name`.h5 in `folder`."""
    make, version = MODELS[name]
    config = make()
    return write_model(folder / f"{name}.h5", config, weights_for(config, version), keras_version=version)

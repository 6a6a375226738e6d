"""Files as Keras 1 wrote them, converted, against formulas that share nothing with the converter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import keras2torch
from keras2torch.errors import UnsupportedModel
from tests.crafted import Config, Weights
from tests.keras1_files import RECURRENT, entry, functional, sequential, stored_gates, write
from tests.oracle import keras1_formulas as oracle

Array = oracle.Array


def run(
    tmp_path: Path, config: Config, weights: Weights, *inputs: Array, backend: str | None = None
) -> Array:
    """The file converted and computed in float64, in Keras's axes."""
    path = write(tmp_path / "m.h5", config, weights)
    keras2torch.convert(path, tmp_path / "bundle", io_layout="keras", backend=backend)
    module = keras2torch.load(tmp_path / "bundle", dtype=torch.float64)
    with torch.no_grad():
        result: Array = module(*map(torch.from_numpy, inputs)).numpy()
    return result


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


@pytest.fixture
def draw() -> Callable[..., Array]:
    """Numbers that float32 holds exactly, so that what is stored is what the oracle computes with."""
    rng = np.random.default_rng(5)
    return lambda *shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
@pytest.mark.parametrize("ordering", ["th", "tf"])
def test_convolutions_flatten_in_their_own_order(
    backend: str, ordering: str, draw: Callable[..., Array], tmp_path: Path
) -> None:
    kernel, bias, dense, offset = draw(2, 3, 2, 4), draw(4), draw(4 * 3 * 4, 3), draw(3)
    x = draw(2, 7, 6, 2)
    th = ordering == "th"
    config = sequential(
        entry(
            "Convolution2D", "convolution2d_1", nb_filter=4, nb_row=2, nb_col=3, subsample=[2, 1],
            border_mode="valid", dim_ordering=ordering, activation="relu", bias=True, W_regularizer=None,
            input_dtype="float32", batch_input_shape=[None, 2, 7, 6] if th else [None, 7, 6, 2],
        ),
        entry("Flatten", "flatten_1"),
        entry("Dense", "dense_1", output_dim=3, bias=True, activation="linear", input_dim=None),
    )  # fmt: skip
    stored = kernel.transpose(3, 2, 0, 1) if th else kernel
    weights = {
        "convolution2d_1": {"convolution2d_1_W": stored, "convolution2d_1_b": bias},
        "flatten_1": {},
        "dense_1": {"dense_1_W": dense, "dense_1_b": offset},
    }
    y = np.maximum(oracle.slide(x, kernel, bias, (2, 1), theano=backend == "theano"), 0)
    y = (y.transpose(0, 3, 1, 2) if th else y).reshape(2, -1) @ dense + offset
    close(run(tmp_path, config, weights, x.transpose(0, 3, 1, 2) if th else x, backend=backend), y)


@pytest.mark.parametrize("mode", ["same", "full"])
@pytest.mark.parametrize("size", [(2, 3), (4, 1), (3, 5)])
def test_theano_pads_both_sides_alike(
    mode: str, size: tuple[int, int], draw: Callable[..., Array], tmp_path: Path
) -> None:
    """And Keras cuts off what an even window yields too much of."""
    kernel, bias, x, strides = draw(*size, 2, 4), draw(4), draw(2, 8, 7, 2), (2, 1)
    config = sequential(
        entry("Convolution2D", "c", nb_filter=4, nb_row=size[0], nb_col=size[1], subsample=list(strides),
              border_mode=mode, dim_ordering="tf", activation="linear", bias=True,
              batch_input_shape=[None, None, 7, 2])
    )  # fmt: skip
    around = [n // 2 if mode == "same" else n - 1 for n in size]
    padded = np.pad(x, [(0, 0), *((n, n) for n in around), (0, 0)])
    y = oracle.slide(padded, kernel, bias, strides, theano=True)
    if mode == "same":
        y = y[:, :4, :7]
    found = run(tmp_path, config, {"c": {"c_W": kernel, "c_b": bias}}, x, backend="theano")
    close(found, y)


@pytest.mark.parametrize("old", [False, True])
def test_conv1d_in_either_layout(old: bool, draw: Callable[..., Array], tmp_path: Path) -> None:
    kernel, bias, x = draw(3, 1, 2, 4), draw(4), draw(2, 8, 2)
    config = sequential(
        entry("Convolution1D", "c", nb_filter=4, filter_length=3, subsample_length=2, border_mode="valid",
              activation="linear", bias=True, batch_input_shape=[None, 8, 2], input_dim=2, input_length=8)
    )  # fmt: skip
    stored = kernel.transpose(3, 2, 0, 1) if old else kernel
    y = oracle.slide(x[:, :, None], kernel, bias, (2, 1), theano=True)[:, :, 0]
    close(run(tmp_path, config, {"c": {"c_W": stored, "c_b": bias}}, x, backend="theano"), y)


def gates(draw: Callable[..., Array], count: int, size: int, units: int) -> list[oracle.Gate]:
    return [(draw(size, units), draw(units, units), draw(units)) for _ in range(count)]


@pytest.mark.parametrize("consume_less", ["cpu", "mem", "gpu"])
def test_gates_stored_one_by_one_or_together(
    consume_less: str, draw: Callable[..., Array], tmp_path: Path
) -> None:
    first, second, x = gates(draw, 4, 3, 4), gates(draw, 3, 4, 2), draw(2, 6, 3)
    options = {**RECURRENT, "consume_less": consume_less}
    config = sequential(
        entry("LSTM", "lstm_1", output_dim=4, return_sequences=True, forget_bias_init="one",
              batch_input_shape=[None, 6, 3], **options),
        entry("GRU", "gru_1", output_dim=2, return_sequences=False, **options),
    )  # fmt: skip
    if consume_less == "gpu":
        i, c, f, o = first
        joined = {
            "lstm_1": [np.concatenate(each, -1) for each in zip(i, f, c, o, strict=True)],
            "gru_1": [np.concatenate(each, -1) for each in zip(*second, strict=True)],
        }
        weights = {
            name: {f"{name}_{role}": array for role, array in zip("WUb", arrays, strict=True)}
            for name, arrays in joined.items()
        }
    else:
        weights = {
            "lstm_1": stored_gates("lstm_1", first, "icfo"),
            "gru_1": stored_gates("gru_1", second, "zrh"),
        }
    close(run(tmp_path, config, weights, x), oracle.gru(oracle.lstm(x, first), second))


def test_wrapped_layers(draw: Callable[..., Array], tmp_path: Path) -> None:
    forward, backward, dense, bias = gates(draw, 4, 3, 2), gates(draw, 4, 3, 2), draw(4, 5), draw(5)
    x = draw(2, 6, 3)
    lstm = entry("LSTM", "lstm_1", output_dim=2, return_sequences=True, consume_less="cpu", **RECURRENT)
    each = entry("Dense", "dense_1", output_dim=5, bias=True, activation="tanh", input_dim=None)
    config = sequential(
        entry("Bidirectional", "b", layer=lstm, merge_mode="concat", batch_input_shape=[None, 6, 3]),
        entry("TimeDistributed", "t", layer=each),
    )
    arrays = stored_gates("forward_lstm_1", forward, "icfo") | stored_gates(
        "backward_lstm_1", backward, "icfo"
    )
    weights = {"b": arrays, "t": {"dense_1_W": dense, "dense_1_b": bias}}
    both = [oracle.lstm(x, forward), oracle.lstm(x, backward, backwards=True)[:, ::-1]]
    close(run(tmp_path, config, weights, x), np.tanh(np.concatenate(both, -1) @ dense + bias))


def test_branches_of_a_sequential_store_their_layers_as_its_own(
    draw: Callable[..., Array], tmp_path: Path
) -> None:
    """Merge in a Merge, and a model behind them, which is stored under a name that the list does not give."""
    a, b, c, d, e = (draw(*shape) for shape in ((3, 2), (4, 2), (4, 2), (4, 5), (5, 1)))

    def dense(name: str, units: int, **config: Any) -> Config:
        return entry("Dense", name, output_dim=units, bias=False, activation="linear", **config)

    inner = sequential(
        entry("Merge", "merge_1", mode="sum", layers=[
            sequential(dense("b", 2, batch_input_shape=[None, 4])),
            sequential(dense("c", 2, batch_input_shape=[None, 4])),
        ], concat_axis=-1, dot_axes=-1, mode_type="raw", output_shape=None, output_shape_type="raw"),
        entry("Activation", "t", activation="tanh"),
    )  # fmt: skip
    config = sequential(
        entry("Merge", "merge_2", mode="concat", concat_axis=1, dot_axes=-1, mode_type="raw", layers=[
            sequential(dense("a", 2, batch_input_shape=[None, 3])), inner,
        ]),
        dense("d", 5),
        sequential(dense("e", 1, batch_input_shape=[None, 5])),
    )  # fmt: skip
    kernels = {"a": a, "b": b, "c": c, "t": None, "d": d, "sequential_4": e}
    weights = {name: {} if w is None else {f"{name}_W": w} for name, w in kernels.items()}
    x, y, z = draw(2, 3), draw(2, 4), draw(2, 4)
    joined = np.concatenate([x @ a, np.tanh(y @ b + z @ c)], 1)
    close(run(tmp_path, config, weights, x, y, z), joined @ d @ e)


def test_a_partly_frozen_model_called_twice(draw: Callable[..., Array], tmp_path: Path) -> None:
    """Its calls count from 1; its frozen LSTM's twelve arrays stand behind all that is trainable."""
    each, w, x = gates(draw, 4, 3, 3), draw(3, 3), draw(2, 4, 3)
    gamma, beta, mean, variance = draw(3), draw(3), draw(3), np.float64(np.float32(0.5)) + np.abs(draw(3))
    inner = functional(
        [
            entry("InputLayer", "in", batch_input_shape=[None, 4, 3], input_dtype="float32", sparse=False),
            entry(
                "LSTM",
                "l",
                [["in", 0, 0]],
                output_dim=3,
                return_sequences=True,
                consume_less="cpu",
                **RECURRENT,
            ),
            entry("BatchNormalization", "n", [["l", 0, 0]], mode=0, axis=-1, epsilon=0.001, momentum=0.99),
            entry("TimeDistributedDense", "d", [["n", 0, 0]], output_dim=3, bias=False, activation="linear"),
        ],
        ["in"],
        ("d", 0),
    )
    inner["config"]["layers"][1]["config"]["trainable"] = False
    config = functional(
        [
            entry("InputLayer", "x", batch_input_shape=[None, 4, 3], input_dtype="float32", sparse=False),
            {**inner, "name": "m", "inbound_nodes": [[["x", 0, 0]], [["m", 1, 0]]]},
        ],
        ["x"],
        ("m", 2),
    )
    arrays = {"n_gamma": gamma, "n_beta": beta, "d_W": w}
    arrays |= stored_gates("l", each, "icfo") | {"n_running_mean": mean, "n_running_std": variance}

    def model(t: Array) -> Array:
        return ((oracle.lstm(t, each) - mean) / np.sqrt(variance + 0.001) * gamma + beta) @ w

    close(run(tmp_path, config, {"x": {}, "m": arrays}, x), model(model(x)))


VANISHED: dict[str, tuple[str, Config, list[tuple[int, ...]], list[tuple[int, ...]], Callable[..., Array]]] = {
    # class, options, shapes of the weights, shapes of the inputs, what it computes
    "highway": ("Highway", {"activation": "relu", "transform_bias": -2}, [(4, 4), (4, 4), (4,), (4,)], [(4,)],
                oracle.highway),
    "maxout": ("MaxoutDense", {"output_dim": 3, "nb_feature": 2, "bias": True}, [(2, 4, 3), (2, 3)], [(4,)],
               oracle.maxout),
    "softplus": ("ParametricSoftplus", {"alpha_init": 0.2, "beta_init": 5.0}, [(3, 2), (3, 2)], [(3, 2)],
                 lambda x, alpha, beta: alpha * oracle.softplus(beta * x)),
    "srelu": ("SReLU", {"t_left_init": "zero"}, [(3, 2)] * 4, [(3, 2)], oracle.srelu),
    "samplewise": ("BatchNormalization", {"mode": 1, "axis": -1, "epsilon": 0.01}, [(3,)] * 4, [(4, 3)],
                   lambda x, gamma, beta, *_: oracle.by_sample(x, gamma, beta, 0.01)),
    "batchwise": ("BatchNormalization", {"mode": 2, "axis": 1, "epsilon": 0.01}, [(4,)] * 4, [(4, 3)],
                  lambda x, gamma, beta, *_: oracle.by_batch(x, gamma, beta, 0.01)),
    "sum": ("Merge", {"mode": "sum"}, [], [(3, 2)] * 3, lambda x, y, z: x + y + z),
    "mul": ("Merge", {"mode": "mul"}, [], [(3, 2)] * 3, lambda x, y, z: x * y * z),
    "ave": ("Merge", {"mode": "ave"}, [], [(3, 2)] * 3, lambda x, y, z: (x + y + z) / 3),
    "max": ("Merge", {"mode": "max"}, [], [(3,)] * 2, np.maximum),
    "concat": ("Merge", {"mode": "concat", "concat_axis": 1}, [], [(3, 2), (4, 2)],
               lambda x, y: np.concatenate([x, y], 1)),
    "dot": ("Merge", {"mode": "dot", "dot_axes": [2, 1]}, [], [(3, 2), (2, 4)], lambda x, y: x @ y),
    "dot of vectors": ("Merge", {"mode": "dot", "dot_axes": -1}, [], [(3,), (3,)],
                       lambda x, y: (x * y).sum(1, keepdims=True)),
    "cos": ("Merge", {"mode": "cos", "dot_axes": 1}, [], [(3,), (3,)], oracle.cosine),
}  # fmt: skip


@pytest.mark.parametrize("name", VANISHED)
def test_layers_that_vanished(name: str, draw: Callable[..., Array], tmp_path: Path) -> None:
    class_name, options, shapes, takes, formula = VANISHED[name]
    inputs = [entry("InputLayer", f"x{n}", batch_input_shape=[None, *shape]) for n, shape in enumerate(takes)]
    call = [[f"x{n}", 0, 0] for n in range(len(takes))]
    config = functional(
        [*inputs, entry(class_name, "l", call, **options)], [f"x{n}" for n in range(len(takes))], ("l", 0)
    )
    arrays = [draw(*shape) for shape in shapes]
    if class_name == "BatchNormalization":
        arrays[-1] = np.abs(arrays[-1])  # a variance, if one that these modes do not use
    tensors = [draw(5, *shape) for shape in takes]
    stored = {"l": {f"l_{n}": array for n, array in enumerate(arrays)}}
    close(run(tmp_path, config, stored, *tensors), formula(*tensors, *arrays))


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
@pytest.mark.parametrize("ordering", ["th", "tf"])
def test_deconvolutions(backend: str, ordering: str, draw: Callable[..., Array], tmp_path: Path) -> None:
    kernel, bias, x, th = draw(3, 2, 4, 2), draw(2), draw(2, 3, 4, 4), ordering == "th"
    config = sequential(
        entry("Deconvolution2D", "d", nb_filter=2, nb_row=3, nb_col=2, subsample=[2, 2], border_mode="valid",
              dim_ordering=ordering, activation="linear", bias=True,
              output_shape=[None, 2, 7, 9] if th else [None, 7, 9, 2],
              batch_input_shape=[None, 4, 3, 4] if th else [None, 3, 4, 4])
    )  # fmt: skip
    stored = {"d": {"d_W": kernel.transpose(3, 2, 0, 1) if th else kernel, "d_b": bias}}
    y = oracle.spread(x, kernel, bias, 2, (7, 9), theano=backend == "theano")
    found = run(tmp_path, config, stored, x.transpose(0, 3, 1, 2) if th else x, backend=backend)
    close(found.transpose(0, 2, 3, 1) if th else found, y)


@pytest.mark.parametrize("backend", ["theano", "tensorflow"])
@pytest.mark.parametrize("ordering", ["th", "tf"])
def test_convolutional_lstm(backend: str, ordering: str, draw: Callable[..., Array], tmp_path: Path) -> None:
    th = ordering == "th"
    each = [(draw(3, 3, 2, 3), draw(3, 3, 3, 3), draw(3)) for _ in range(4)]
    x = draw(2, 3, 4, 5, 2)
    config = sequential(
        entry("ConvLSTM2D", "l", nb_filter=3, nb_row=3, nb_col=3, border_mode="same", subsample=[1, 1],
              dim_ordering=ordering, activation="tanh", inner_activation="hard_sigmoid", return_sequences=False,
              go_backwards=False, stateful=False, init="glorot_uniform", inner_init="orthogonal",
              batch_input_shape=[None, 3, 2, 4, 5] if th else [None, 3, 4, 5, 2])
    )  # fmt: skip
    stored = [(w.transpose(3, 2, 0, 1), u.transpose(3, 2, 0, 1), b) if th else (w, u, b) for w, u, b in each]
    tensor = x.transpose(0, 1, 4, 2, 3) if th else x
    found = run(tmp_path, config, {"l": stored_gates("l", stored, "icfo")}, tensor, backend=backend)
    close(
        found.transpose(0, 2, 3, 1) if th else found,
        oracle.convolutional_lstm(x, each, theano=backend == "theano"),
    )


def test_a_merge_by_a_function_names_the_way_out(draw: Callable[..., Array], tmp_path: Path) -> None:
    """Whatever the function is, nothing of it is read."""
    function = {
        "mode": "4wEAAAABAAAA",
        "mode_type": "lambda",
        "concat_axis": -1,
        "dot_axes": -1,
        "output_shape": None,
    }
    inputs = [entry("InputLayer", name, batch_input_shape=[None, 3]) for name in ("x", "y")]
    config = functional(
        [*inputs, entry("Merge", "m", [["x", 0, 0], ["y", 0, 0]], **function)], ["x", "y"], ("m", 0)
    )
    with pytest.raises(UnsupportedModel, match=r"merges by a function.+--replace"):
        run(tmp_path, config, {}, draw(2, 3), draw(2, 3))


@pytest.mark.parametrize("axes", [1, 2, -1, [1], [[1], [1]], True])
def test_axes_that_versions_read_differently_are_refused(
    axes: Any, draw: Callable[..., Array], tmp_path: Path
) -> None:
    inputs = [entry("InputLayer", name, batch_input_shape=[None, 3, 3]) for name in ("x", "y")]
    merged = entry("Merge", "m", [["x", 0, 0], ["y", 0, 0]], mode="dot", dot_axes=axes)
    with pytest.raises(UnsupportedModel, match="read differently"):
        run(tmp_path, functional([*inputs, merged], ["x", "y"], ("m", 0)), {}, draw(2, 3, 3), draw(2, 3, 3))

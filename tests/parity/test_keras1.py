"""Files of Keras 1 and of Theano, from .h5 to verdict: the reference is built, and the report says so."""

import marshal  # noqa: TID251  to write what is read; nothing here reads with it
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keras2torch.parity.report import ParityReport
from keras2torch.parity.verify import Verifier
from tests.crafted import Config, numbers
from tests.keras1_files import RECURRENT, entry, functional, sequential, write
from tests.parity.judging import prove

K: Any = None
"""The name under which functions in files know Keras's backend; none is ever called here."""


def judge(
    verifier: Verifier, folder: Path, config: Config, weights: dict[str, Any], **options: Any
) -> ParityReport:
    source = write(folder / "m.h5", config, weights)
    report = prove(source, verifier, folder, **options)
    assert report.structure_error <= 1e-12
    return report


def gates(layer: str, letters: str, size: int, units: int) -> dict[str, NDArray[np.float32]]:
    shapes = {"W": (size, units), "U": (units, units), "b": (units,)}
    names = [(role, letter) for letter in letters for role in shapes]
    return {
        f"{layer}_{role}_{letter}": numbers(*shapes[role], seed=n) for n, (role, letter) in enumerate(names)
    }


def test_branches_of_images_and_of_words(verifier: Verifier, tmp_path: Path) -> None:
    """Channels first, trained on Theano, one branch masked, a vanished layer behind both."""
    pictures = sequential(
        entry("Convolution2D", "c", nb_filter=4, nb_row=3, nb_col=3, border_mode="same", dim_ordering="th",
              activation="relu", bias=True, subsample=[1, 1], batch_input_shape=[None, 2, 6, 5]),
        entry("BatchNormalization", "n", mode=0, axis=1, epsilon=0.001, momentum=0.9),
        entry("MaxPooling2D", "p", pool_size=[2, 2], strides=[2, 2], border_mode="valid", dim_ordering="th"),
        entry("Flatten", "f"),
    )  # fmt: skip
    words = sequential(
        entry("Embedding", "e", input_dim=9, output_dim=3, input_length=7, mask_zero=True, dropout=0.2,
              input_dtype="int32", batch_input_shape=[None, 7]),
        entry("LSTM", "l", output_dim=4, return_sequences=False, consume_less="cpu", **RECURRENT),
    )  # fmt: skip
    config = sequential(
        entry(
            "Merge",
            "m",
            mode="concat",
            concat_axis=-1,
            dot_axes=-1,
            mode_type="raw",
            layers=[pictures, words],
        ),
        entry("Highway", "h", activation="tanh", bias=True),
        entry("Dense", "d", output_dim=2, activation="softmax", bias=True),
    )
    weights: dict[str, Any] = {
        "c": {"c_W": numbers(4, 2, 3, 3), "c_b": numbers(4)},
        "n": {"n_gamma": numbers(4), "n_beta": numbers(4, seed=1), "n_running_mean": numbers(4, seed=2),
              "n_running_std": np.abs(numbers(4, seed=3)) + 0.5},
        "p": {}, "f": {}, "e": {"e_W": numbers(9, 3)}, "l": gates("l", "icfo", 3, 4),
        "h": {"h_W": numbers(28, 28), "h_W_carry": numbers(28, 28, seed=1),
              "h_b": numbers(28), "h_b_carry": numbers(28)},
        "d": {"d_W": numbers(28, 2), "d_b": numbers(2)},
    }  # fmt: skip
    report = judge(verifier, tmp_path, config, weights, backend="theano")
    assert {each.class_name for each in report.constructed} == {"Keras 1", "Theano", "Merge", "Highway"}
    assert report.as_json()["constructed"][0]["layer"] == "the model"


def test_nested_models_that_are_shared(verifier: Verifier, tmp_path: Path) -> None:
    """A Sequential and a Model, each called twice: their calls count from 1."""
    start = {"input_dtype": "float32", "sparse": False, "batch_input_shape": [None, 5, 3]}
    block = functional(
        [
            entry("InputLayer", "in", **start),
            entry(
                "GRU",
                "g",
                [["in", 0, 0]],
                output_dim=3,
                return_sequences=True,
                consume_less="mem",
                **RECURRENT,
            ),
            entry("BatchNormalization", "n", [["g", 0, 0]], mode=0, axis=-1, epsilon=0.001, momentum=0.9),
        ],
        ["in"],
        ("n", 0),
        name="b",
    )
    tail = sequential(entry("TimeDistributedDense", "d", output_dim=3, activation="tanh", bias=True, **start))
    config = functional(
        [
            entry("InputLayer", "x", **start),
            {**block, "name": "b", "inbound_nodes": [[["x", 0, 0]], [["t", 1, 0]]]},
            {**tail, "name": "t", "inbound_nodes": [[["b", 1, 0]], [["b", 2, 0]]]},
            entry("Merge", "m", [["t", 1, 0], ["t", 2, 0]], mode="ave"),
        ],
        ["x"],
        ("m", 0),
    )
    moments = {"n_running_mean": numbers(3, seed=2), "n_running_std": np.abs(numbers(3, seed=3)) + 0.5}
    weights = {
        "x": {},
        "b": {**gates("g", "zrh", 3, 3), "n_gamma": numbers(3), "n_beta": numbers(3, seed=1), **moments},
        "t": {"d_W": numbers(3, 3), "d_b": numbers(3)},
        "m": {},
    }
    report = judge(verifier, tmp_path, config, weights)
    assert "Theano" not in {each.class_name for each in report.constructed}
    assert len(report.layers) == 7


def test_branches_that_a_function_merges(verifier: Verifier, tmp_path: Path) -> None:
    """As a Sequential keeps it: the branches in the layer, and of the function its bytecode in Latin-1."""
    function = lambda x: K.abs(x[0] - x[1]) * K.sum(x[0], axis=1, keepdims=True)  # noqa: E731  stored as one
    branches = [
        sequential(
            entry("Dense", name, output_dim=4, activation="tanh", bias=True, batch_input_shape=[None, 3])
        )
        for name in ("a", "b")
    ]
    config = sequential(
        entry(
            "Merge",
            "m",
            mode=[marshal.dumps(function.__code__).decode("latin-1"), None, None],
            mode_type="lambda",
            concat_axis=-1,
            dot_axes=-1,
            output_shape=[4],
            output_shape_type="raw",
            output_mask=None,
            output_mask_type="raw",
            arguments={},
            layers=branches,
        ),
        entry("Dense", "d", output_dim=2, bias=False),
    )
    weights: dict[str, Any] = {
        "a": {"a_W": numbers(3, 4), "a_b": numbers(4)},
        "b": {"b_W": numbers(3, 4, seed=1), "b_b": numbers(4, seed=1)},
        "d": {"d_W": numbers(4, 2)},
    }
    report = judge(verifier, tmp_path, config, weights)
    assert ("m", "OperatorTree") in {(each.layer, each.class_name) for each in report.constructed}
    assert {each.layer for each in report.layers} == {"a", "b", "m", "d"}
    assert "torch.abs(x - y) * x.sum(dim=-1, keepdim=True)" in (tmp_path / "bundle" / "model.py").read_text()


@pytest.mark.parametrize("mode", [1, 2])
def test_normalizations_that_keep_no_statistics(mode: int, verifier: Verifier, tmp_path: Path) -> None:
    """Each sample by itself, or each batch; the statistics are in the file all the same."""
    shape = {"batch_input_shape": [None, 6, 5, 3]}
    config = sequential(
        entry("BatchNormalization", "n", mode=mode, axis=-1, epsilon=0.001, momentum=0.9, **shape),
        entry("Dense", "d", output_dim=2, bias=False),
    )
    weights: dict[str, Any] = {
        "n": {
            "n_gamma": numbers(3),
            "n_beta": numbers(3, seed=1),
            "n_running_mean": numbers(3, seed=2),
            "n_running_std": np.abs(numbers(3, seed=3)),
        },
        "d": {"d_W": numbers(3, 2)},
    }
    report = judge(verifier, tmp_path, config, weights)
    assert ("n", "BatchNormalizationWithoutStatistics") in {
        (each.layer, each.class_name) for each in report.constructed
    }


@pytest.mark.parametrize("ordering", ["th", "tf"])
def test_convolutions_padded_as_only_theano_does(ordering: str, verifier: Verifier, tmp_path: Path) -> None:
    th = ordering == "th"
    options = {"dim_ordering": ordering, "activation": "tanh", "bias": False}
    config = sequential(
        entry("Convolution2D", "c", nb_filter=4, nb_row=3, nb_col=2, subsample=[2, 1], border_mode="same",
              batch_input_shape=[None, 2, 6, 5] if th else [None, 6, 5, 2], **options),
        entry("Convolution2D", "f", nb_filter=3, nb_row=1, nb_col=4, subsample=[1, 2], border_mode="full",
              **options),
    )  # fmt: skip
    weights: dict[str, Any] = {
        "c": {"c_W": numbers(*((4, 2, 3, 2) if th else (3, 2, 2, 4)))},
        "f": {"f_W": numbers(*((3, 4, 1, 4) if th else (1, 4, 4, 3)))},
    }
    judge(verifier, tmp_path, config, weights, backend="theano")
    code = (tmp_path / "bundle" / "model.py").read_text()
    assert "nn.Conv2d(2, 4, (3, 2), stride=(2, 1), bias=False)" in code
    assert "nn.Conv2d(4, 3, (1, 4), stride=(1, 2), padding=(0, 3), bias=False)" in code

"""Keras 1's and Theano's files in the one spelling that everything behind knows."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras2torch
from keras2torch.errors import BadConfig, Keras2TorchError, UnsupportedModel, UsageError
from keras2torch.graph.build import build_graph
from keras2torch.options import ConversionOptions, InputShape
from keras2torch.source.dialects import in_one_spelling
from keras2torch.source.keras1_config import in_keras2_spelling
from keras2torch.source.model import Generation, SourceModel, StoredWeight
from keras2torch.source.theano import backend_reasons
from keras2torch.translate import translate
from tests import keras1_files
from tests.crafted import Config, functional, layer, nested, numbers, sequential, write_model
from tests.emit.test_mutated_configs import mutated
from tests.keras1_files import entry


def source(
    config: Config,
    weights: dict[str, list[np.ndarray[Any, Any]]],
    generation: Generation,
    backend: str | None,
) -> SourceModel:
    stored = {
        name: tuple(StoredWeight(f"{name}_{n}", array) for n, array in enumerate(arrays))
        for name, arrays in weights.items()
    }
    return SourceModel(
        path=Path("m.h5"), content=np.zeros(0, np.uint8), format="keras-h5", generation=generation,
        keras_version="1.2.2", backend=backend, config=config, weights=stored,
    )  # fmt: skip


RENAMED: list[tuple[str, Config, str, Config]] = [
    ("Convolution1D", {"nb_filter": 3, "filter_length": 2, "subsample_length": 2, "border_mode": "same", "bias": False},
     "Conv1D", {"filters": 3, "kernel_size": 2, "strides": 2, "padding": "same", "use_bias": False}),
    ("Convolution3D", {"kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3, "subsample": [1, 2, 3]},
     "Conv3D", {"kernel_size": [1, 2, 3], "strides": [1, 2, 3]}),
    ("AtrousConvolution2D", {"nb_row": 1, "nb_col": 2, "atrous_rate": [2, 2], "dim_ordering": "th"},
     "AtrousConvolution2D", {"kernel_size": [1, 2], "dilation_rate": [2, 2], "data_format": "channels_first"}),
    ("Embedding", {"input_dim": 7, "output_dim": 3, "input_length": 4, "dropout": 0.5, "init": "uniform"},
     "Embedding", {"input_dim": 7, "output_dim": 3}),
    ("GRU", {"output_dim": 3, "inner_activation": "sigmoid", "consume_less": "gpu", "dropout_W": 0.1},
     "GRU", {"units": 3, "recurrent_activation": "sigmoid", "implementation": 2, "dropout": 0.1}),
    ("MaxPooling1D", {"pool_length": 3, "stride": 2, "border_mode": "valid"},
     "MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "valid"}),
    ("UpSampling1D", {"length": 3}, "UpSampling1D", {"size": 3}),
    ("Dropout", {"p": 0.3}, "Dropout", {"rate": 0.3}),
    ("GaussianNoise", {"sigma": 0.3}, "GaussianNoise", {"stddev": 0.3}),
    ("ZeroPadding2D", {"padding": [1, 2, 3, 4], "dim_ordering": "tf"},
     "ZeroPadding2D", {"padding": [[1, 2], [3, 4]], "data_format": "channels_last"}),
    ("ZeroPadding1D", {"padding": {"left_pad": 1, "right_pad": 2}}, "ZeroPadding1D", {"padding": [1, 2]}),
    ("BatchNormalization", {"mode": 0, "axis": 1, "gamma_regularizer": None}, "BatchNormalization", {"axis": 1}),
    ("BatchNormalization", {"mode": 2, "axis": 1}, "BatchNormalization", {"mode": 2, "axis": 1}),
    ("Merge", {"mode": "concat", "concat_axis": 2, "dot_axes": -1, "mode_type": "raw", "output_shape": None},
     "Merge", {"mode": "concat", "axis": 2}),
    ("InputLayer", {"batch_input_shape": [None, 3], "input_dtype": "int32", "sparse": False},
     "InputLayer", {"batch_input_shape": [None, 3], "dtype": "int32", "sparse": False}),
    ("TimeDistributed", {"layer": {"class_name": "Dense", "config": {"output_dim": 2, "W_constraint": None}}},
     "TimeDistributed", {"layer": {"class_name": "Dense", "config": {"units": 2}}}),
    ("MyLayer", {"output_dim": 2, "p": 1}, "MyLayer", {"output_dim": 2, "p": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("class_name", "config", "new_class", "new"), RENAMED)
def test_options_are_called_as_in_keras2(
    class_name: str, config: Config, new_class: str, new: Config
) -> None:
    old = {"class_name": class_name, "config": {"name": "l", "trainable": True, **config}}
    found = in_keras2_spelling(old)
    assert found == {"class_name": new_class, "config": {"name": "l", "trainable": True, **new}}


def test_an_option_in_both_spellings_is_refused() -> None:
    with pytest.raises(BadConfig, match="l: says rate twice"):
        in_keras2_spelling({"class_name": "Dropout", "config": {"name": "l", "p": 0.1, "rate": 0.2}})


def convolution(ordering: str = "tf", **config: Any) -> Config:
    sizes = {"nb_filter": 4, "nb_row": 3, "nb_col": 3}
    given = {
        "activation": "linear",
        "bias": False,
        "border_mode": "valid",
        "dim_ordering": ordering,
        **sizes,
        **config,
    }
    return entry(
        "Convolution2D",
        "c",
        batch_input_shape=[None, 2, 7, 7] if ordering == "th" else [None, 7, 7, 2],
        **given,
    )


@pytest.mark.parametrize(("suffix", "looks"), [("", "theano"), (":0", "tensorflow")])
def test_a_backend_that_is_not_recorded_is_asked_for(suffix: str, looks: str, tmp_path: Path) -> None:
    weights = {"c": {f"c_W{suffix}": numbers(3, 3, 2, 4)}}
    path = keras1_files.write(tmp_path / "m.h5", keras1_files.sequential(convolution()), weights)
    with pytest.raises(
        UnsupportedModel, match=f"--backend theano or --backend tensorflow.*look like {looks}'s"
    ) as caught:
        keras2torch.convert(path, tmp_path / "bundle")
    assert [reason.kind for reason in caught.value.reasons] == ["backend-not-recorded"]
    assert [reason.kind for reason in keras2torch.inspect(path).reasons] == ["backend-not-recorded"]
    assert keras2torch.inspect(path, backend="theano").convertible
    done = keras2torch.convert(path, tmp_path / "bundle", backend="theano")
    assert done.manifest["options"] == {"io_layout": "torch", "backend": "theano"}


def test_nothing_is_asked_of_a_model_without_convolutions(tmp_path: Path) -> None:
    config = keras1_files.sequential(
        entry("Dense", "d", output_dim=2, bias=False, activation="linear", batch_input_shape=[None, 3])
    )
    path = keras1_files.write(tmp_path / "m.h5", config, {"d": {"d_W": numbers(3, 2)}})
    assert keras2torch.inspect(path).convertible


def test_a_backend_is_for_files_that_record_none(tmp_path: Path) -> None:
    """What a file says itself is believed; the caller is told, and the manifest records what was used."""
    kernel = {"c": {"c/kernel:0": numbers(3, 3, 2, 2)}}
    path = write_model(tmp_path / "m.h5", sequential(keras2_convolution()), kernel, keras_version="2.2.4")
    plain = keras2torch.convert(path, tmp_path / "plain").manifest
    told = keras2torch.convert(path, tmp_path / "told", backend="theano").manifest
    assert told["warnings"] == [
        "--backend theano was not used: the file says that it was trained on tensorflow"
    ]
    assert {**told, "warnings": [], "files": []} == {**plain, "files": []}
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "told")]
    assert weights[0] == weights[1]
    agreeing = keras2torch.convert(path, tmp_path / "agreeing", backend="tensorflow").manifest
    assert (agreeing["warnings"], agreeing["options"]["backend"]) == ([], "tensorflow")
    with pytest.raises(UsageError, match="backend is 'cntk', not one of"):
        keras2torch.convert(path, tmp_path / "bundle", backend="cntk")


def keras2_convolution(class_name: str = "Conv2D", size: Sequence[int] = (3, 3), **config: Any) -> Config:
    given = {"filters": 2, "kernel_size": list(size), "use_bias": False, "batch_input_shape": [None, 7, 7, 2]}
    return layer(class_name, "c", **given, **config)


def test_an_unknown_backend_matters_where_there_are_convolutions(tmp_path: Path) -> None:
    kernel = {"c": {"c/kernel:0": numbers(3, 3, 2, 2)}}
    path = write_model(
        tmp_path / "m.h5", sequential(keras2_convolution()), kernel, keras_version="2.1.3", backend="evil"
    )
    assert [reason.kind for reason in keras2torch.inspect(path).reasons] == ["unsupported-backend"]
    path = write_model(
        tmp_path / "r.h5", sequential(layer("ReLU", "r", batch_input_shape=[None, 3])), backend="evil"
    )
    assert keras2torch.inspect(path).convertible


@pytest.mark.parametrize(
    ("entry", "agrees"),
    [
        (keras2_convolution(padding="valid", strides=[2, 2]), True),
        (keras2_convolution(padding="same", strides=[1, 1]), True),
        (keras2_convolution(padding="same", strides=[2, 2]), False),
        (keras2_convolution(padding="same", size=[2, 3]), False),
        (keras2_convolution("Conv2DTranspose", padding="same", strides=[2, 2]), False),
        (keras2_convolution("SeparableConv2D", padding="same", size=[2, 2]), False),
        (layer("ConvLSTM2D", "l", kernel_size=[3, 3], strides=[1, 1], padding="valid"), True),
        (layer("ConvLSTM2D", "l", kernel_size=[2, 3], strides=[1, 1], padding="valid"), False),
        (layer("MaxPooling2D", "p", pool_size=[2, 2], strides=[2, 2], padding="same"), False),
        (layer("MaxPooling2D", "p", pool_size=[3, 3], strides=[1, 1], padding="same"), True),
        (layer("AveragePooling1D", "p", pool_size=3, strides=None, padding="same"), False),
    ],
)  # fmt: skip
def test_theano_pads_in_its_own_way(entry: Config, agrees: bool) -> None:
    config = sequential(keras2_convolution(), entry)
    reasons = backend_reasons(source(config, {}, Generation.KERAS2, "theano"), None)
    assert [reason.option for reason in reasons] == ([] if agrees else ["padding"])


def test_theano_kernels_are_turned_wherever_they_stand_and_stay_views() -> None:
    """In a model in a model, behind a frozen layer, in a wrapper; a depthwise kernel was never turned."""
    arrays = [numbers(3, 3, 2, 2), numbers(2), numbers(2), numbers(2), numbers(3, 2), numbers(2), numbers(2)]
    dense = layer("Dense", "d", units=2)
    dense["config"]["trainable"] = False
    deep = sequential(layer("BatchNormalization", "n"), dense, keras2_convolution())
    config = functional(
        [layer("InputLayer", "x"), nested(sequential(nested(deep)), [["x", 0, 0]])],
        [["x", 0, 0]],
        [["s", 1, 0]],
    )
    # gamma, beta, kernel of the convolution; then moments, and what is frozen
    stored = [arrays[1], arrays[2], arrays[0], arrays[3], arrays[3], arrays[4], arrays[5]]
    wrapped = layer("TimeDistributed", "t", layer=keras2_convolution())
    depthwise = layer("SeparableConv2D", "s", filters=2, use_bias=False)
    config["config"]["layers"] += [wrapped, depthwise]
    name = config["config"]["layers"][1]["name"]
    weights = {name: stored, "t": [numbers(3, 3, 2, 2)], "s": [numbers(3, 3, 2, 1), numbers(1, 1, 2, 2)]}
    found = in_one_spelling(source(config, weights, Generation.KERAS2, "theano"), ConversionOptions())
    for group, turned in ((name, [2]), ("t", [0]), ("s", [])):
        for number, (weight, array) in enumerate(zip(found.weights[group], weights[group], strict=True)):
            expected = array[::-1, ::-1] if number in turned else array
            np.testing.assert_array_equal(weight.array, expected)
            assert np.shares_memory(weight.array, array)


def test_a_group_with_convolutions_whose_weights_cannot_be_told_is_refused() -> None:
    inner = sequential(keras2_convolution(), layer("Mystery", "m"), name="inner")
    config = sequential(nested(inner))
    given = source(config, {"inner": [numbers(3, 3, 2, 2), numbers(2)]}, Generation.KERAS2, "theano")
    with pytest.raises(UnsupportedModel, match="which of its weights are kernels"):
        in_one_spelling(given, ConversionOptions())


def test_models_in_a_list_are_called_as_their_groups() -> None:
    """Up to Keras 2.2 a Sequential did not write down what the models in it are called."""
    block = {
        "class_name": "Sequential",
        "config": [layer("Dense", "d", units=2, batch_input_shape=[None, 2])],
    }
    config: Config = {"class_name": "Sequential", "config": [block, layer("ReLU", "r"), {**block}]}
    given = source(config, {"sequential_7": [], "r": [], "sequential_9": []}, Generation.KERAS2, "tensorflow")
    spelled = in_one_spelling(given, ConversionOptions())
    assert [entry.get("name") for entry in spelled.config["config"]] == ["sequential_7", "r", "sequential_9"]


def shapeless() -> Config:
    return sequential(layer("Dense", "d", units=2, use_bias=False), layer("ReLU", "r"))


@pytest.mark.parametrize("name", ["1", "d", "d_input"])
def test_a_shape_that_the_file_lacks_can_be_given(name: str, tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.h5", shapeless(), {"d": {"d/kernel:0": numbers(3, 2)}, "r": {}})
    with pytest.raises(BadConfig, match="--input-shape"):
        keras2torch.convert(path, tmp_path / "bundle")
    done = keras2torch.convert(path, tmp_path / "bundle", input_shape=[f"{name}=?,3"])
    assert done.manifest["options"]["input_shape"] == [f"{name}=?,3"]
    assert done.manifest["inputs"][0]["keras_shape"] == [None, None, 3]
    assert keras2torch.inspect(path, input_shape=[f"{name}=3"]).inputs[0]["shape"] == [None, 3]


@pytest.mark.parametrize("text", ["3", "=3", "d=", "d=a", "d=0", "d=-3", "d=3,,4", "d=9999999999999"])
def test_shapes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not NAME_OR_NUMBER=32,32,3"):
        InputShape.parse(text)


@pytest.mark.parametrize(
    ("config", "shapes", "words"),
    [
        (shapeless(), ["x=3"], "the only input is 1, 'd_input'"),
        (shapeless(), ["1=3", "d=3"], "which has one input"),
    ],
)  # fmt: skip
def test_shapes_of_inputs_that_there_are_not(
    config: Config, shapes: Sequence[str], words: str, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "m.h5", config, {})
    with pytest.raises(UsageError, match=words):
        keras2torch.convert(path, tmp_path / "bundle", input_shape=shapes)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (sequential(layer("ReLU", "r", batch_input_shape=[None, 5])), r"the model takes \[None, 5\]"),
        (sequential(layer("ReLU", "r"), build_input_shape=[None, 5]), r"the model takes \[None, 5\]"),
        (sequential(nested(sequential(layer("ReLU", "r", batch_input_shape=[None, 5])))), r"takes \[None, 5\]"),
        (functional([layer("InputLayer", "x", batch_input_shape=[None, 5])], [["x", 0, 0]], [["x", 0, 0]]),
         "the model is no Sequential"),
    ],
)  # fmt: skip
def test_a_shape_is_for_models_that_have_none(config: Config, words: str, tmp_path: Path) -> None:
    found = keras2torch.inspect(write_model(tmp_path / "m.h5", config, {}), input_shape=["1=3"])
    assert found.inputs[0]["shape"] == [None, 5]
    (warning,) = found.warnings
    assert re.search(f"--input-shape was not used: .*{words}", warning)


def test_a_shape_reaches_the_first_layer_of_the_first_model(tmp_path: Path) -> None:
    path = write_model(
        tmp_path / "m.h5", sequential(nested(sequential(layer("ReLU", "r"), name="inner"))), {}
    )
    assert keras2torch.inspect(path, input_shape=["1=3"]).inputs[0]["shape"] == [None, 3]


def test_any_configuration_of_keras1_is_refused_or_translated() -> None:
    recurrent = entry(
        "LSTM", "l", output_dim=4, consume_less="cpu", return_sequences=True, **keras1_files.RECURRENT
    )
    branch = keras1_files.sequential(convolution("th", subsample=[2, 2]), entry("Flatten", "f"))
    other = keras1_files.sequential(
        entry("Bidirectional", "b", layer=recurrent, merge_mode="concat", batch_input_shape=[None, 4, 3]),
        entry("MaxPooling1D", "m", pool_length=2, stride=2, border_mode="valid"), entry("Flatten", "g"),
    )  # fmt: skip
    model = keras1_files.sequential(
        entry("Merge", "j", mode="concat", concat_axis=1, layers=[branch, other]),
        entry("Highway", "h", activation="tanh", bias=True),
        keras1_files.sequential(
            entry("Dense", "d", output_dim=2, activation="linear", batch_input_shape=[None, 52])
        ),
    )
    weights = {name: [numbers(3, 2)] * 4 for name in ("f", "b", "m", "g", "h", "sequential_1")}
    weights = {"c": [numbers(4, 2, 3, 3)], **weights}
    outcomes = {"refused": 0, "translated": 0}
    for seed in range(600):
        config = mutated(model, random.Random(seed)) if seed else model
        try:
            given = source(config, weights, Generation.KERAS1, None)
            spelled = in_one_spelling(given, ConversionOptions(backend="theano"))
            translate(build_graph(spelled.config, Generation.KERAS1))
        except Keras2TorchError:
            outcomes["refused"] += 1
        else:
            outcomes["translated"] += 1
    assert outcomes["refused"] > 300
    assert outcomes["translated"] > 30

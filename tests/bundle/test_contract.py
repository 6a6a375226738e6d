"""What is in a bundle, and that the same input makes the same bytes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

import keras2torch
from keras2torch import convert
from keras2torch.bundle import read_manifest
from keras2torch.errors import UsageError
from tests.crafted import call, dense_model, functional, layer, numbers, sequential, write_model
from tests.emit.golden_models import MODELS, write_golden_model

KEYS = {
    "schema_version", "source", "converter", "options", "model", "inputs", "outputs", "parameters", "layers",
    "weights", "warnings", "files",
}  # fmt: skip
PORT = {"name", "dtype", "keras_shape", "torch_shape", "axes"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", MODELS)
def test_the_manifest_says_what_the_contract_promises(tmp_path: Path, name: str) -> None:
    source = write_golden_model(tmp_path, name)
    conversion = convert(source, tmp_path / "out")
    manifest: dict[str, Any] = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest == conversion.manifest == read_manifest(tmp_path / "out")
    assert conversion.path == tmp_path / "out"
    assert manifest.keys() == KEYS
    assert manifest["schema_version"] == 1
    assert manifest["source"] == {
        "name": f"{name}.h5",
        "bytes": source.stat().st_size,
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "format": "keras-h5",
        "keras_version": MODELS[name][1],
        "backend": "tensorflow",
    }
    assert manifest["converter"] == {"name": "keras2torch", "version": keras2torch.__version__}
    assert manifest["options"] == {"io_layout": "torch"}
    for port in manifest["inputs"] + manifest["outputs"]:
        assert port.keys() == PORT
        axes = port["axes"] or list(range(len(port["keras_shape"])))
        assert port["torch_shape"] == [port["keras_shape"][axis] for axis in axes]
        assert port["keras_shape"][0] is None
    assert [file["path"] for file in manifest["files"]] == ["model.py", "model.safetensors", "README.md"]
    for file in manifest["files"]:
        data = (tmp_path / "out" / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert contents(tmp_path / "out").keys() == {
        *(file["path"] for file in manifest["files"]),
        "manifest.json",
    }


@pytest.mark.parametrize("name", MODELS)
def test_the_manifest_maps_every_weight_and_every_layer(tmp_path: Path, name: str) -> None:
    out = convert(write_golden_model(tmp_path, name), tmp_path / "out").path
    manifest = read_manifest(out)
    state = load_file(out / "model.safetensors")
    assert [weight["torch"] for weight in manifest["weights"]] == list(
        dict.fromkeys(weight["torch"] for weight in manifest["weights"])
    )
    assert {weight["torch"] for weight in manifest["weights"]} == state.keys()
    for weight in manifest["weights"]:
        array = state[weight["torch"]]
        assert (weight["shape"], weight["dtype"]) == (list(array.shape), array.dtype.name)
        assert weight.keys() == {"keras", "torch", "transform", "shape", "dtype"}
    assert manifest["parameters"] == {
        "count": sum(array.size for array in state.values()),
        "bytes": sum(array.nbytes for array in state.values()),
    }
    keras = [layer["keras_name"] for layer in manifest["layers"]]
    assert len(set(keras)) == len(keras)
    named = {layer["torch_name"] for layer in manifest["layers"]} - {None}
    for weight in manifest["weights"]:
        steps = weight["torch"].split(".")
        assert named & {".".join(steps[:count]) for count in range(1, len(steps))}
    assert all(
        layer.keys() == {"keras_name", "keras_class", "torch_name", "outputs"} for layer in manifest["layers"]
    )


def test_inputs_have_the_names_that_keras_gave_them_whatever_forward_calls_them(tmp_path: Path) -> None:
    layers = [
        layer("InputLayer", "x-1", batch_input_shape=[None, 3]),
        layer("Dense", "dense", call("x-1"), units=2, use_bias=False),
    ]
    config = functional(layers, [["x-1", 0, 0]], [["dense", 0, 0]])
    source = write_model(tmp_path / "m.h5", config, {"dense": {"dense/kernel:0": numbers(3, 2)}})
    manifest = convert(source, tmp_path / "bundle").manifest
    assert [port["name"] for port in manifest["inputs"]] == ["x-1"]
    (argument,) = manifest["model"]["arguments"]
    assert f"def forward(self, {argument}: torch.Tensor)" in (tmp_path / "bundle" / "model.py").read_text()
    assert f"y = model({argument})" in (tmp_path / "bundle" / "README.md").read_text()


def test_images_go_in_channels_first_or_as_in_keras(tmp_path: Path) -> None:
    source = write_golden_model(tmp_path, "residual")
    [torch] = convert(source, tmp_path / "torch").manifest["inputs"]
    assert (torch["torch_shape"], torch["axes"]) == ([None, 3, None, None], [0, 3, 1, 2])
    manifest = convert(source, tmp_path / "keras", io_layout="keras").manifest
    [keras] = manifest["inputs"]
    assert (keras["torch_shape"], keras["axes"]) == ([None, None, None, 3], None)
    assert manifest["options"] == {"io_layout": "keras"}
    with pytest.raises(UsageError, match="io_layout is 'tf'"):
        convert(source, tmp_path / "tf", io_layout="tf")


def test_half_precision_becomes_single_and_double_stays(tmp_path: Path) -> None:
    config = sequential(
        layer("Dense", "a", units=2, batch_input_shape=[None, 3]), layer("Dense", "b", units=2)
    )
    weights = {
        "a": {"k": numbers(3, 2).astype("f2"), "b": numbers(2).astype("f2")},
        "b": {"k": numbers(2, 2).astype("f8") / 3, "b": numbers(2).astype("f8")},
    }
    out = convert(write_model(tmp_path / "m.h5", config, weights), tmp_path / "out").path
    dtypes = {name: array.dtype.name for name, array in load_file(out / "model.safetensors").items()}
    assert dtypes == {
        "a.weight": "float32",
        "a.bias": "float32",
        "b.weight": "float64",
        "b.bias": "float64",
    }


def test_the_same_input_makes_the_same_bytes(tmp_path: Path) -> None:
    # In another folder, in another process, with another seed for the order of sets.
    (tmp_path / "elsewhere").mkdir()
    for name in ("classifier", "parts"):
        first = convert(write_golden_model(tmp_path, name), tmp_path / "first" / name).path
        path = write_golden_model(tmp_path / "elsewhere", name)
        command = [sys.executable, "-m", "keras2torch.cli", "convert", str(path), "-o", str(tmp_path / name)]
        for seed in ("1", "2"):
            subprocess.run(
                command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
            )
            assert contents(tmp_path / name) == contents(first)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json", '{"schema_version": 2}'])
def test_a_folder_with_another_manifest_is_no_bundle(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UsageError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    with pytest.raises(UsageError):
        convert(dense_model(tmp_path / "m.h5"), tmp_path)
    assert (tmp_path / "manifest.json").read_text() == text

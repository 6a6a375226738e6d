"""Files of weights, which need an architecture from elsewhere."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch import convert, errors, inspect
from keras2torch.graph.build import build_graph
from keras2torch.source.applications import variants
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import dense_model, layer, numbers, sequential, write_weights

DESCRIBED = {
    **sequential(
        layer("Dense", "first", units=2, use_bias=True, batch_input_shape=[None, 3]),
        layer("Activation", "between", activation="relu"),
        layer("Dense", "second", units=2, use_bias=False),
    ),
    "keras_version": "2.2.4",
    "backend": "tensorflow",
}


def described(path: Path, config: Any = DESCRIBED) -> Path:
    path.write_text(json.dumps(config))
    return path


ARRAYS = [numbers(3, 2), numbers(2)], [numbers(2, 2, seed=1)]


@pytest.mark.parametrize("called", [("first", "second"), ("dense_11", "dense_4")])
def test_weights_meet_their_layers_by_name_or_in_order(tmp_path: Path, called: tuple[str, str]) -> None:
    first, second = called
    file = write_weights(tmp_path / "w.h5", {first: ARRAYS[0], "between": [], second: ARRAYS[1]})
    manifest = convert(file, tmp_path / "out", architecture=described(tmp_path / "a.json")).manifest
    assert manifest["options"]["architecture"]["name"] == "a.json"
    kept = next(entry for entry in manifest["files"] if entry["path"] == "architecture.json")
    assert kept["sha256"] == manifest["options"]["architecture"]["sha256"]
    assert manifest["parameters"]["count"] == 12


def test_names_win_over_order(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "w.h5", {"second": ARRAYS[1], "first": ARRAYS[0]})
    assert inspect(file, architecture=described(tmp_path / "a.json")).convertible


def test_other_weights_are_refused(tmp_path: Path) -> None:
    architecture = described(tmp_path / "a.json")
    with pytest.raises(errors.MissingWeight, match="1 layers with weights in the file, 2 in"):
        inspect(write_weights(tmp_path / "w.h5", {"first": ARRAYS[0]}), architecture=architecture)
    three = {"a": ARRAYS[0], "b": ARRAYS[1], "c": ARRAYS[1]}
    with pytest.raises(errors.UnexpectedWeight, match="3 layers"):
        inspect(write_weights(tmp_path / "w.h5", three), architecture=architecture)
    swapped = {"a": ARRAYS[1], "b": ARRAYS[0]}
    with pytest.raises(errors.RefusedFile):
        inspect(write_weights(tmp_path / "w.h5", swapped), architecture=architecture)
    with pytest.raises(errors.WeightsOnly, match="Keras 1"):
        inspect(write_weights(tmp_path / "w.h5", three, version=None), architecture=architecture)


def test_an_architecture_is_for_files_without_one(tmp_path: Path) -> None:
    whole = dense_model(tmp_path / "whole.h5")
    done = convert(whole, tmp_path / "out", architecture=described(tmp_path / "a.json"))
    assert done.manifest["options"] == {"io_layout": "torch"}
    assert done.manifest["warnings"] == [
        "--architecture a.json was not used: the file has an architecture of its own"
    ]
    assert done.manifest["model"]["keras_name"] == "sequential"
    assert not (tmp_path / "out" / "architecture.json").exists()


def test_without_an_architecture_the_refusal_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(errors.WeightsOnly, match="--architecture"):
        inspect(write_weights(tmp_path / "w.h5", {"first": ARRAYS[0]}))


def test_an_architecture_that_was_changed_in_the_bundle(tmp_path: Path) -> None:
    from keras2torch.parity.prepare import prepare

    file = write_weights(tmp_path / "w.h5", {"first": ARRAYS[0], "second": ARRAYS[1]})
    bundle = convert(file, tmp_path / "out", architecture=described(tmp_path / "a.json")).path
    with (bundle / "architecture.json").open("a") as kept:
        kept.write(" ")
    with pytest.raises(errors.UsageError, match="not the one of the conversion"):
        prepare(file, bundle, tmp_path)


def test_architectures_that_are_none(tmp_path: Path) -> None:
    file = write_weights(tmp_path / "w.h5", {"first": ARRAYS[0], "second": ARRAYS[1]})
    with pytest.raises(errors.UsageError, match="cannot be read"):
        inspect(file, architecture=tmp_path / "none.json")
    (tmp_path / "a.json").write_text("not JSON")
    with pytest.raises(errors.BadConfig):
        inspect(file, architecture=tmp_path / "a.json")
    with pytest.raises(errors.UsageError, match="MobileNetV2"):
        inspect(file, architecture="applications:ResNet51")
    with pytest.raises(errors.WeightsOnly, match="2 layers with weights, where ResNet50 has 107 or 106"):
        inspect(file, architecture="applications:ResNet50")


# ------------------------------------------------------------------------------------------------- applications


def published(path: Path, name: str, *, top: bool, classes: int = 1000, named: str = "{}") -> Path:
    """Weights of an application as they are published, but for the numbers."""
    model = variants(name)[0 if top else 1]["model"]
    graph = build_graph(model, Generation.KERAS3)
    layers: dict[str, Any] = {}
    for layer_name, keys in translate(graph).expected.items():
        shapes = [tuple(classes if n == 1000 else n for n in key.shape) for key in keys]
        layers[named.format(layer_name)] = [np.zeros(shape, np.float32) for shape in shapes]
    order = [node.layer for node in graph.nodes]
    return write_weights(
        path, {named.format(n): layers[named.format(n)] for n in order if named.format(n) in layers}
    )


@pytest.mark.parametrize("named", ["{}", "older_{}"])
def test_an_application_without_its_classifier(tmp_path: Path, named: str) -> None:
    file = published(tmp_path / "mobilenet_notop.h5", "MobileNet", top=False, named=named)
    found = inspect(file, architecture="applications:mobilenet")
    assert found.convertible
    assert found.outputs[0]["shape"][-1] == 1024


def test_an_application_for_other_classes(tmp_path: Path) -> None:
    file = published(tmp_path / "mobilenet.h5", "MobileNet", top=True, classes=7)
    found = inspect(file, architecture="applications:MobileNet")
    assert found.convertible
    assert found.outputs[0]["shape"] == [None, 7]

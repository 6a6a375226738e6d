"""A class name is Keras's only in files of a Keras that had the class; elsewhere it is somebody's own."""

from pathlib import Path
from typing import Any

import pytest

import keras2torch
from keras2torch.layers._registry import SINCE_TF_KERAS, converts_all
from tests.crafted import Config, layer, numbers, sequential, write_model


def model(class_name: str, shape: list[int], **options: Any) -> Config:
    return sequential(
        layer("InputLayer", "in", batch_input_shape=[None, *shape]), layer(class_name, "it", **options)
    )


def reason(path: Path, version: str, config: Config) -> str | None:
    reasons = keras2torch.inspect(write_model(path, config, {}, keras_version=version)).reasons
    return reasons[0].message if reasons else None


NOTHING_LEARNED = {"scale": False, "center": False}


@pytest.mark.parametrize(
    ("class_name", "options", "without", "having"),
    [
        ("GroupNormalization", {"groups": 3, **NOTHING_LEARNED}, ["1.2.2", "2.3.1", "2.10.0"], ["2.11.0", "2.15.0"]),
        ("LayerNormalization", NOTHING_LEARNED, ["2.2.4", "2.1.6-tf"], ["2.2.4-tf"]),
        ("Identity", {}, ["1.2.2", "2.2.4"], ["2.2.4-tf", "2.15.0"]),
        ("ReLU", {"max_value": 6.0}, ["1.2.2"], ["2.2.4", "2.4.0"]),
    ],
)  # fmt: skip
def test_a_class_from_before_its_time_is_its_authors_own(
    class_name: str,
    options: dict[str, Any],
    without: list[str],
    having: list[str],
    tmp_path: Path,
) -> None:
    config = model(class_name, [4, 6], **options)
    for version in without:
        found = reason(tmp_path / "m.h5", version, config)
        assert found is not None
        assert f"has no layer {class_name}" in found
        assert "--layers FILE.py or --replace NAME=FILE.py:CLASS" in found
    for version in having:
        assert reason(tmp_path / "m.h5", version, config) is None


def test_a_class_that_keras_3_has_no_more(tmp_path: Path) -> None:
    config = sequential(
        layer("InputLayer", "in", batch_shape=[None, 6]), layer("ResidualWrapper", "it", layer={}), name="m"
    )
    found = reason(tmp_path / "m.h5", "3.9.0", config)
    assert found is not None
    assert found.startswith("Keras 3 has no layer ResidualWrapper, so it is its author's own; ")


def test_a_wrapped_class_is_looked_at_too(tmp_path: Path) -> None:
    wrapped = layer("LayerNormalization", "n", scale=False, center=False)
    config = model("TimeDistributed", [4, 6], layer=wrapped)
    assert "has no layer LayerNormalization" in str(reason(tmp_path / "m.h5", "2.3.1", config))
    assert reason(tmp_path / "m.h5", "2.9.0", config) is None


def test_late_classes_came_with_a_tf_keras() -> None:
    late = [rule for rule in converts_all() if rule.since is not None]
    assert len(late) >= 8
    assert all(rule.generations == SINCE_TF_KERAS for rule in late)


@pytest.mark.parametrize("module", ["mine", "keras_nlp.layers", None])
def test_a_class_of_another_module_in_an_option(module: str | None, tmp_path: Path) -> None:
    """Objects in options say where their class is from; a module whose name begins as Keras's is not Keras's."""
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2}, "registered_name": "Dense"}
    config = model("TimeDistributed", [4, 6], layer={**dense, "module": module})
    found = reason(tmp_path / "m.h5", "2.15.0", config)
    assert found is not None
    assert f"{module or 'custom'}>Dense is not supported" in found
    config = model("TimeDistributed", [4, 6], layer={**dense, "module": "keras.layers"})
    kernel = {"it": {"it/kernel:0": numbers(6, 2), "it/bias:0": numbers(2)}}
    path = write_model(tmp_path / "m.h5", config, kernel)
    assert keras2torch.inspect(path).convertible

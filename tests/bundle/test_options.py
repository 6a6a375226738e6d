"""What may be asked of a conversion: on the way into the bundle, and back when it is verified."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import keras2torch
from keras2torch import cli
from keras2torch.bundle import read_manifest
from keras2torch.declared import About
from keras2torch.errors import UsageError
from keras2torch.options import OPTIONS, ConversionOptions
from tests.crafted import dense_model, layer, numbers, sequential, write_model

ASKED: dict[str, Any] = {
    "io_layout": "keras",
    "style": "flat",
    "backend": "theano",
    "input_shape": ["1=3,?"],
    "limits": ["layers=7"],
    "class_name": "Ours",
    "dtype": "bfloat16",
    "fuse_batchnorm": True,
    "hub_mixin": True,
}
"""Something else than the default of each option whose value a manifest holds whole."""


def test_every_option_comes_back_from_the_manifest(tmp_path: Path) -> None:
    held = {name for name, (option, _) in OPTIONS.items() if option.about is not About.CODE}
    assert ASKED.keys() == held - {"architecture"}
    for name, value in ASKED.items():
        options = ConversionOptions.of(**{name: value})
        assert options.as_json() == {"io_layout": "torch", name: value}
        assert getattr(options, name) != OPTIONS[name][1]
        assert ConversionOptions.from_json(options.as_json(), bundle=tmp_path) == options
    assert ConversionOptions().as_json() == {"io_layout": "torch"}


def test_no_option_by_another_name(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no option 'io_style'; there are io_layout, "):
        keras2torch.convert(tmp_path, tmp_path, io_style="keras")  # type: ignore[call-arg]


def test_options_are_plain_values() -> None:
    assert hash(ConversionOptions.of(limits=["layers=7"])) == hash(ConversionOptions.of(limits=["layers=7"]))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ConversionOptions().backend = "theano"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["Digits", "digits_net", "Model"])
def test_a_class_has_the_name_that_was_asked_for(tmp_path: Path, name: str) -> None:
    source = dense_model(tmp_path / "m.h5")
    assert cli.main(["convert", str(source), "-o", str(tmp_path / "b"), "--class-name", name]) == 0
    manifest = read_manifest(tmp_path / "b")
    assert manifest["model"]["class_name"] == name
    assert manifest["options"] == {"io_layout": "torch", "class_name": name}
    assert type(keras2torch.load(tmp_path / "b")).__name__ == name
    assert f"# {name}\n" in (tmp_path / "b" / "README.md").read_text()


@pytest.mark.parametrize(
    "name", ["", "2D", "a b", "class", "torch", "print", "Path", "x" * 61, "Größe", "a;import os"]
)
def test_a_name_that_no_class_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a class"):
        keras2torch.convert(dense_model(tmp_path / "m.h5"), tmp_path / "b", class_name=name)
    assert not (tmp_path / "b").exists()


def test_a_name_that_a_part_has(tmp_path: Path) -> None:
    described = sequential(layer("GaussianNoise", "g", stddev=0.1, batch_input_shape=[None, 4]))
    source = write_model(tmp_path / "m.h5", described)
    part = "GaussianNoise"
    assert f"class {part}(nn.Module)" in _source(keras2torch.convert(source, tmp_path / "b").path)
    with pytest.raises(UsageError, match=f"model.py has a {part} already"):
        keras2torch.convert(source, tmp_path / "c", class_name=part)


def _source(bundle: Path) -> str:
    return (bundle / "model.py").read_text()


def test_a_weight_that_half_precision_cannot_hold_is_refused(tmp_path: Path) -> None:
    described = sequential(layer("Dense", "d", units=2, use_bias=False, batch_input_shape=[None, 2]))
    source = write_model(tmp_path / "m.h5", described, {"d": {"d/kernel:0": 7e6 * numbers(2, 2)}})
    with pytest.raises(UsageError, match=r"--dtype float16: d.weight holds .* bfloat16 has that of float32"):
        keras2torch.convert(source, tmp_path / "b", dtype="float16")
    assert not (tmp_path / "b").exists()
    assert keras2torch.convert(source, tmp_path / "b", dtype="bfloat16").manifest["parameters"]["bytes"] == 8
    with pytest.raises(UsageError, match="dtype is 'int8', not one of float32, float16, bfloat16"):
        keras2torch.convert(source, tmp_path / "c", dtype="int8")


def test_weights_are_not_both_computed_and_rounded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--fuse-batchnorm computes weights, and what --dtype rounds"):
        keras2torch.convert(tmp_path / "m.h5", tmp_path / "b", fuse_batchnorm=True, dtype="bfloat16")


def test_a_model_without_normalizations_has_none_to_fuse(tmp_path: Path) -> None:
    made = keras2torch.convert(dense_model(tmp_path / "m.h5"), tmp_path / "b", fuse_batchnorm=True)
    (warning,) = made.manifest["warnings"]
    assert warning.endswith("0 of 0 batch normalizations are in the weights of the layers before them")

"""A bundle as a module, in one call."""

import sys
from pathlib import Path

import pytest
import torch

import keras2torch
from keras2torch import convert
from keras2torch.errors import UsageError
from tests.crafted import layer, numbers, sequential, write_model


def dense(path: Path, units: int) -> Path:
    """A bundle whose output says which it is by its width."""
    path.parent.mkdir()
    described = sequential(layer("Dense", "d", units=units, use_bias=False, batch_input_shape=[None, 3]))
    source = write_model(path.parent / "m.h5", described, {"d": {"d/kernel:0": numbers(3, units)}})
    return convert(source, path).path


def test_device_and_number_type_are_arguments(tmp_path: Path) -> None:
    bundle = dense(tmp_path / "a" / "model", 2)
    assert next(keras2torch.load(str(bundle)).parameters()).dtype == torch.float32
    model = keras2torch.load(bundle, device=torch.device("meta"), dtype=torch.float64)
    (weight,) = model.parameters()
    assert (weight.device.type, weight.dtype) == ("meta", torch.float64)
    assert not model.training
    with pytest.raises(TypeError):
        keras2torch.load(bundle, strict=False)  # type: ignore[call-arg]


def test_bundles_of_one_name_are_different_modules_and_can_be_saved(tmp_path: Path) -> None:
    narrow, wide = (
        keras2torch.load(dense(tmp_path / where / "model", n)) for where, n in (("a", 2), ("b", 5))
    )
    assert type(narrow).__module__ != type(wide).__module__
    assert sys.modules[type(wide).__module__].Model is type(wide)
    torch.save(narrow, tmp_path / "whole.pt")
    again = torch.load(tmp_path / "whole.pt", weights_only=False)
    x = torch.randn(4, 3)
    assert again(x).equal(narrow(x))


def test_what_is_no_bundle_or_cannot_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a bundle"):
        keras2torch.load(tmp_path)
    bundle = dense(tmp_path / "a" / "model", 2)
    (bundle / "model.py").write_text("raise RuntimeError('mine')")
    known = set(sys.modules)
    with pytest.raises(RuntimeError, match="mine"):
        keras2torch.load(bundle)
    assert set(sys.modules) == known

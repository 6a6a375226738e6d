"""Limits are settings: what a caller asks for holds, wherever the file is read again."""

from pathlib import Path

import pytest

from keras2torch import convert, inspect
from keras2torch.bundle import read_manifest
from keras2torch.cli import main
from keras2torch.conversion import understand
from keras2torch.errors import LimitExceeded, UsageError
from keras2torch.options import ConversionOptions
from tests.crafted import dense_model, layer, numbers, sequential


def two_layers(folder: Path) -> Path:
    first = layer("Dense", "a", units=2, use_bias=False, batch_input_shape=[None, 3])
    model = sequential(first, layer("Dense", "b", units=2, use_bias=False))
    return dense_model(
        folder / "m.h5",
        config=model,
        weights={"a": {"kernel": numbers(3, 2)}, "b": {"kernel": numbers(2, 2)}},
    )


@pytest.mark.parametrize("limit", ["layers=1", "calls=2", "datasets=1", "tensor_rank=1", "file_bytes=100"])
def test_a_smaller_limit_refuses(tmp_path: Path, limit: str) -> None:
    path = two_layers(tmp_path)
    for attempt in (
        lambda: inspect(path, limits=[limit]),
        lambda: convert(path, tmp_path / "out", limits=[limit]),
    ):
        with pytest.raises(LimitExceeded):
            attempt()
    assert not (tmp_path / "out").exists()


def test_a_larger_limit_lets_through(tmp_path: Path) -> None:
    name = "n" * 5000
    model = sequential(layer("Dense", name, units=2, use_bias=False, batch_input_shape=[None, 3]))
    path = dense_model(tmp_path / "m.h5", config=model, weights={name: {"kernel": numbers(3, 2)}})
    with pytest.raises(LimitExceeded):
        convert(path, tmp_path / "out")
    assert main(["convert", str(path), "-o", str(tmp_path / "out"), "--limit", "name_length=6000"]) == 0


def test_verifying_holds_to_the_limits_of_the_conversion(tmp_path: Path) -> None:
    path = two_layers(tmp_path)
    bundle = convert(path, tmp_path / "out", limits=["layers=2", "calls=9"]).path
    recorded = read_manifest(bundle)["options"]
    assert recorded["limits"] == ["calls=9", "layers=2"]
    options = ConversionOptions.from_json(recorded, bundle=bundle)
    assert options.as_json() == recorded
    understand(path, options)
    tighter = ConversionOptions.from_json({**recorded, "limits": ["layers=1"]}, bundle=bundle)
    with pytest.raises(LimitExceeded):
        understand(path, tighter)


@pytest.mark.parametrize(
    "limits",
    [["layers"], ["layers="], ["=3"], ["layers=-1"], ["layers=1e3"], ["layers=" + "9" * 40], ["no_such=3"],
     ["layers=3", "layers=4"]],
    ids=str,
)  # fmt: skip
def test_what_is_no_limit(tmp_path: Path, limits: list[str]) -> None:
    with pytest.raises(UsageError):
        inspect(two_layers(tmp_path), limits=limits)

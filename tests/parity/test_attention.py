"""Attention in the company it keeps, against Keras: blocks with masks, decoders, pictures."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import pytest

from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.parity.attention_models import BUILDERS
from tests.parity.judging import prove, save_models


@pytest.fixture(scope="session", params=["keras", "tf_keras"])
def saved(
    request: pytest.FixtureRequest, sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with every model, saved by one library."""
    return save_models("tests.parity.attention_models", request.param, sandboxes, tmp_path_factory)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_bundle_computes_what_keras_computes(
    name: str, saved: Path, verifier: Verifier, tmp_path: Path
) -> None:
    prove(saved / f"{name}.h5", verifier, tmp_path)


def test_masks_do_not_act_in_files_from_before_they_did(
    sandboxes: Mapping[str, Sandbox],
    tmp_path_factory: pytest.TempPathFactory,
    verifier: Verifier,
    tmp_path: Path,
) -> None:
    """The same numbers under an older version mean something else, and the reference knows it."""
    source = save_models("tests.parity.attention_models", "tf_keras", sandboxes, tmp_path_factory)
    source /= "masked_encoder.h5"
    with h5py.File(source, "r+") as file:
        for owner in (file, file["model_weights"]):
            owner.attrs["keras_version"] = "2.9.0"
    report = prove(source, verifier, tmp_path)
    assert {entry.class_name for entry in report.constructed} == {"MultiHeadAttentionWithoutMasks"}
    code = (tmp_path / "bundle" / "model.py").read_text()
    assert "nn.MultiheadAttention(" in code
    assert "mask" in code  # that of the words, which pools and recurs

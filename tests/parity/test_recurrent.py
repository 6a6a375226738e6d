"""Recurrent layers in the company they keep, against Keras: states that travel, masks, wrappers round models."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.parity.judging import prove, save_models
from tests.parity.recurrent_models import BUILDERS


@pytest.fixture(scope="session", params=["keras", "tf_keras"])
def saved(
    request: pytest.FixtureRequest, sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with every model, saved by one library."""
    return save_models("tests.parity.recurrent_models", request.param, sandboxes, tmp_path_factory)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_bundle_computes_what_keras_computes(
    name: str, saved: Path, verifier: Verifier, tmp_path: Path
) -> None:
    prove(saved / f"{name}.h5", verifier, tmp_path)


@pytest.mark.parametrize(
    "name", ["CuDNNLSTM-as-LSTM", "LSTM-as-CuDNNLSTM", "CuDNNGRU-as-GRU", "GRU-as-CuDNNGRU"]
)
def test_weights_may_have_the_form_of_the_other_class(
    name: str, cudnn: Path, verifier: Verifier, tmp_path: Path
) -> None:
    """Keras converts between the two when it loads them, so files hold either."""
    report = prove(cudnn / f"{name}.h5", verifier, tmp_path)
    said = {entry.class_name for entry in report.constructed}
    assert said == {each for each in ("CuDNNLSTM", "CuDNNGRU") if name.endswith(each)}


@pytest.fixture(scope="session")
def cudnn(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cudnn")
    outcome = sandboxes["tf_keras"].run(
        "tests.parity.recurrent_models:build_cudnn", {"folder": str(folder)}, workdir=folder
    )
    assert outcome.ok, outcome.log_tail
    return folder

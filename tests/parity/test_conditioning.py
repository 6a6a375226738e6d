"""What is failed for no fault, because the model itself magnifies rounding; and what is not excused by that."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keras2torch import convert
from keras2torch.parity.report import ParityReport
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.parity.judging import save_models


@pytest.fixture(scope="module")
def source(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models("tests.parity.chaotic_models", "keras", sandboxes, tmp_path_factory) / "chaotic.h5"


def judged(
    source: Path, folder: Path, verifier: Verifier, change: tuple[str, str] | None = None
) -> ParityReport:
    bundle = convert(source, folder / "bundle").path
    if change is not None:
        model = bundle / "model.py"
        assert change[0] in model.read_text()
        model.write_text(model.read_text().replace(*change))
    return verifier.verify(bundle, source)


def test_an_ill_conditioned_model_stays_failed_and_is_said_to_be(
    source: Path, verifier: Verifier, tmp_path: Path
) -> None:
    report = judged(source, tmp_path, verifier)
    assert not report.passed
    assert report.conditioning is not None
    assert report.conditioning.ill_conditioned
    assert str(report.conditioning).endswith("ill-conditioned, no evidence of a fault")
    assert report.as_json()["conditioning"]["ill_conditioned"] is True


def test_a_fault_in_it_is_not_excused(source: Path, verifier: Verifier, tmp_path: Path) -> None:
    report = judged(source, tmp_path, verifier, ("self.sums(series)", "self.sums(series) * 1.0001"))
    assert report.first_departure is not None
    assert report.first_departure.layer == "sums"
    assert report.conditioning is not None
    assert not report.conditioning.ill_conditioned
    assert report.conditioning.moves < 1e-14

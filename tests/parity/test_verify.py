"""Verification from end to end, as the command and the workers use it."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert
from keras2torch.errors import ParityFailed, RefusedFile, UsageError
from keras2torch.parity.verify import VerificationError, Verifier, verify
from keras2torch.sandbox import Limits, Outcome, Sandbox


@pytest.fixture(scope="module")
def source(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    path = folder / "model.h5"
    outcome = sandboxes["keras"].run(
        "tests.parity.keras_models:save",
        {"library": "keras", "model": "menagerie", "path": str(path)},
        workdir=folder,
    )
    assert outcome.ok, outcome.log_tail
    return path


@pytest.fixture
def bundle(source: Path, tmp_path: Path) -> Path:
    return convert(source, tmp_path / "bundle").path


def test_a_right_bundle_is_proven(bundle: Path, source: Path, verifier: Verifier) -> None:
    steps: list[object] = []
    report = verifier.verify(bundle, source, on_progress=lambda fields: steps.append(fields["step"]))
    assert report.passed, report.failures
    assert report.structure_error <= 1e-12
    assert report.deployment_error <= 1e-6
    assert [case.name for case in report.cases] == ["normal", "unit", "masks", "zeros", "bytes"]
    assert set(report.timings) == {"prepare", "reference", "candidate", "compare"}
    assert report.keras_load_s is not None
    assert 0 < report.keras_load_s < report.timings["reference"]
    assert set(report.walls) == {"reference", "candidate"}
    assert all(
        set(walls) == {"limits", "namespaces", "privileges", "landlock", "seccomp"}
        for walls in report.walls.values()
    )
    assert {"reference", "candidate"} == set(steps)
    assert not (bundle / "parity.json").exists()


def test_no_child_can_open_the_source(
    bundle: Path, source: Path, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither Keras's nor torch's: before each step its own server is asked to, with all that the step is given."""
    attempts: dict[str, dict[str, Any] | None] = {}
    run = Sandbox.run

    def prying(sandbox: Sandbox, target: str, payload: Mapping[str, Any], **terms: Any) -> Outcome:
        for path in (source, bundle / "model.py"):
            tried = run(sandbox, "tests.sandbox.targets:read_text", {"path": str(path)}, **terms)
            attempts[f"{target.rpartition('_')[2]} {path.name}"] = tried.error
        return run(sandbox, target, payload, **terms)

    monkeypatch.setattr(Sandbox, "run", prying)
    assert verifier.verify(bundle, source).passed
    errors = {step: error and error["class"] for step, error in attempts.items()}
    assert errors == {
        "reference model.h5": "PermissionError",
        "reference model.py": "PermissionError",
        "candidate model.h5": "PermissionError",
        "candidate model.py": None,
    }


def test_verify_writes_the_same_parity_json_every_time(bundle: Path, source: Path) -> None:
    assert verify(bundle, source).passed
    first = (bundle / "parity.json").read_bytes()
    assert json.loads(first)["verdict"] == "passed"
    assert verify(str(bundle), str(source)).passed
    assert (bundle / "parity.json").read_bytes() == first
    assert str(source.parent).encode() not in first


def test_a_wrong_bundle_fails_and_is_told_to_be_changed(
    bundle: Path, source: Path, verifier: Verifier
) -> None:
    model = bundle / "model.py"
    model.write_text(model.read_text().replace("eps=0.001", "eps=0.002"))
    report = verifier.verify(bundle, source)
    assert not report.passed
    assert report.first_departure is not None
    assert report.first_departure.layer == "norm"
    assert report.warnings == ["model.py was changed after the conversion"]


def test_another_source_is_refused(bundle: Path, source: Path, tmp_path: Path, verifier: Verifier) -> None:
    other = tmp_path / "other.h5"
    data = bytearray(source.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    with pytest.raises(UsageError, match="made from another file"):
        verifier.verify(bundle, other)
    with pytest.raises(RefusedFile, match="No such file"):
        verifier.verify(bundle, tmp_path / "missing.h5")
    with pytest.raises(UsageError, match="not a bundle"):
        verifier.verify(tmp_path, source)


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there_is_refused_before_keras_runs(
    device: str, bundle: Path, source: Path, verifier: Verifier
) -> None:
    steps: list[object] = []
    with pytest.raises(UsageError, match=f"torch has no device '{device}' here: ") as caught:
        verifier.verify(bundle, source, device=device, on_progress=steps.append)
    assert "\n" not in str(caught.value)
    assert steps == []


def test_a_module_that_cannot_run_has_failed(bundle: Path, source: Path, verifier: Verifier) -> None:
    model = bundle / "model.py"
    model.write_text(model.read_text().replace("self.head(x)", "self.heat(x)"))
    with pytest.raises(ParityFailed, match="no attribute 'heat'"):
        verifier.verify(bundle, source)


def test_limits_hold_and_cancelling_ends_it(bundle: Path, source: Path, verifier: Verifier) -> None:
    with pytest.raises(VerificationError, match=r"still running after 0\.01 s"):
        verifier.verify(bundle, source, limits=Limits(wall_s=0.01))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(VerificationError, match="cancelled"):
        verifier.verify(bundle, source, cancel=cancel)

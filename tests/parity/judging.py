"""Saved models converted and judged: one by one, or many together in one child a step."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert
from keras2torch.parity.compare import compare
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import DeviceFacts, ParityReport
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits, Sandbox

LIMITS = Limits(wall_s=900)

CPU = DeviceFacts(
    device="cpu",
    name="cpu",
    dtype="float32",
    threads=1,
    tf32_matmul=False,
    tf32_cudnn=False,
    float32_matmul_precision="highest",
    deterministic="yes",
)
"""What a candidate says of a CPU."""


def judge(
    build: str, library: str, names: list[str], sandboxes: Mapping[str, Sandbox], folder: Path
) -> dict[str, Any]:
    """What became of each of `names`: an answer of `build`, what was raised, or the folders that `compare` takes.

    `build` (`module:function`) saves them in `folder` and answers "saved" for what is `<name>.h5` there, or names the
    `source` and, where they matter, the `architecture` and the `io_layout`.
    """
    built = sandboxes[library].run(
        build,
        {"library": library, "folder": str(folder), "names": names},
        workdir=folder,
        limits=LIMITS,
    )
    assert built.ok, built.log_tail
    answers: dict[str, Any] = dict(built.result)
    payloads = {}
    for name, answer in built.result.items():
        if answer == "saved" or isinstance(answer, dict):
            files = {"source": f"{name}.h5"} if answer == "saved" else answer
            layout = files.get("io_layout", "torch")
            paths = {key: folder / file for key, file in files.items()}
            workdir, bundle = folder / name, folder / f"{name}.bundle"
            workdir.mkdir()
            try:
                convert(paths["source"], bundle, architecture=paths.get("architecture"), io_layout=layout)
                prepare(paths["source"], bundle, workdir)
            except Exception as error:  # noqa: BLE001  the test of this example raises it
                answers[name] = error
                continue
            payloads[name] = {"workdir": str(workdir), "bundle": str(bundle)}
            answers[name] = (workdir, bundle)
    for step, server, file in (("reference", library, "expected"), ("candidate", "torch", "actual")):
        outcome = sandboxes[server].run(
            "tests.parity.registry_models:run_all",
            {"step": f"keras2torch.parity.{step}:run_{step}", "payloads": payloads},
            workdir=folder,
            limits=LIMITS,
        )
        assert outcome.ok, outcome.log_tail
        for name, answer in outcome.result.items():
            if isinstance(answer, str):
                answers[name] = f"{step}: {answer}"
                del payloads[name]
            else:
                (folder / name / f"{file}.json").write_text(json.dumps(answer))
    return answers


def save_models(
    module: str, library: str, sandboxes: Mapping[str, Sandbox], folders: pytest.TempPathFactory
) -> Path:
    """A new folder with all models of `module`, saved by one library."""
    folder = folders.mktemp(f"{module.rpartition('.')[2]}-{library}")
    outcome = sandboxes[library].run(
        "tests.parity.keras_models:save_all",
        {"library": library, "module": module, "folder": str(folder)},
        workdir=folder,
    )
    assert outcome.ok, outcome.log_tail
    return folder


def prove(source: Path, verifier: Verifier, folder: Path, **options: Any) -> ParityReport:
    """Convert a model file into a bundle in `folder`; returns the report on it, which says that it passed."""
    convert(source, folder / "bundle", **options)
    report = verifier.verify(folder / "bundle", source)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= report.structure_limit
    return report


def proven(answer: Any) -> ParityReport:
    """The report behind one answer of `judge`, which says that it passed."""
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, tuple), answer
    report = compare(*answer)
    assert report.passed, [*report.failures, str(report.first_departure)]
    assert report.structure_error <= report.structure_limit
    assert report.outputs
    return report

"""Plants every fault in a bundle that is right, and lets the verifier judge what comes of it.

`python -m tests.parity.planting` (`make faults`) writes the table of docs/parity.md.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.pages import write_between
from keras2torch import convert
from keras2torch.parity.arrays import output_key
from keras2torch.parity.compare import compare
from keras2torch.parity.learning import KINDS, compare_learning
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import ParityReport, TensorFigures
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits, Sandbox
from tests.parity.fault_models import FAULT_MODELS
from tests.parity.planted_faults import FAULTS, Code, Fault

ATOL = 1e-3
"""What outputs are often compared with, in float32 on random inputs."""

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
BEGIN, END = "<!-- planted faults: made by make faults -->", "<!-- end of planted faults -->"


@dataclass(frozen=True)
class Judged:
    """What became of one fault, or of a bundle without any."""

    report: ParityReport
    plain: bool
    """Whether comparing the outputs of random inputs in float32 at `ATOL` would have passed it."""


@dataclass(frozen=True)
class Planted:
    """All verdicts: on the bundles as they are, and on each fault, by model and what the fault is."""

    right: Mapping[str, Judged]
    faulty: Mapping[tuple[str, str], Judged]


def plant_all(sandboxes: Mapping[str, Sandbox], folder: Path) -> Planted:
    """Build and convert each model once, run its reference once, and the candidate once a fault."""
    jobs = {job: _Job(folder, *job) for job in _jobs()}
    for library in sorted({library for library, _ in FAULT_MODELS.values()}):
        models = [name for name, (own, _) in FAULT_MODELS.items() if own == library]
        _call(
            sandboxes[library],
            "tests.parity.fault_models:save_all",
            {"library": library, "folder": str(folder)},
            folder,
        )
        for name in models:
            job = jobs[name, ""]
            job.workdir.mkdir()
            convert(folder / f"{name}.h5", job.bundle, style="flat")
            prepare(folder / f"{name}.h5", job.bundle, job.workdir)
        payloads = {name: {"workdir": str(jobs[name, ""].workdir)} for name in models}
        step = {"step": "keras2torch.parity.reference:run_reference", "payloads": payloads}
        answers = _call(sandboxes[library], "tests.parity.registry_models:run_all", step, folder)
        for name, answer in answers.items():
            assert isinstance(answer, dict), answer
            (jobs[name, ""].workdir / "expected.json").write_text(json.dumps(answer))
        _learn("reference", library, [jobs[name, ""] for name in models], sandboxes, folder)
    for (model, _), job in jobs.items():
        if job.fault is not None:
            job.plant(jobs[model, ""])
    payloads = {job.name: {"bundle": str(job.bundle), "workdir": str(job.workdir)} for job in jobs.values()}
    step = {"step": "keras2torch.parity.candidate:run_candidate", "payloads": payloads}
    answers = _call(sandboxes["torch"], "tests.parity.registry_models:run_all", step, folder)
    broken = {name: answer for name, answer in answers.items() if not isinstance(answer, dict)}
    assert not broken, f"these do not even run: {broken}"
    _learn("candidate", "torch", list(jobs.values()), sandboxes, folder)
    judged = {key: job.judged(answers[job.name]) for key, job in jobs.items()}
    return Planted(
        right={model: each for (model, what), each in judged.items() if not what},
        faulty={key: each for key, each in judged.items() if key[1]},
    )


def _learn(
    side: str, server: str, jobs: Sequence["_Job"], sandboxes: Mapping[str, Sandbox], folder: Path
) -> None:
    """Have a side learn where that is judged. Nothing may be left out, or a fault could hide there."""
    payloads = {
        job.name: {"bundle": str(job.bundle), "workdir": str(job.workdir), "case": "normal"}
        | dict.fromkeys(KINDS, True)
        for job in jobs
        if job.learns
    }
    step = {"step": f"keras2torch.parity.learning_{side}:run_learning_{side}", "payloads": payloads}
    answers = _call(sandboxes[server], "tests.parity.registry_models:run_all", step, folder)
    assert all(answer == dict.fromkeys(KINDS) for answer in answers.values()), answers


def _jobs() -> Iterator[tuple[str, str]]:
    for model, faults in FAULTS.items():
        yield model, ""
        for fault in faults:
            yield model, fault.what


def fault_of(model: str, what: str) -> Fault:
    (fault,) = [fault for fault in FAULTS[model] if fault.what == what]
    return fault


class _Job:
    """One bundle and the folder of its proof."""

    def __init__(self, folder: Path, model: str, what: str) -> None:
        self.name = re.sub(r"\W", "_", f"{model} {what}".strip())
        self.fault = fault_of(model, what) if what else None
        self.source = folder / f"{model}.h5"
        self.bundle, self.workdir = folder / f"{self.name}.bundle", folder / f"{self.name}.work"
        self.learns = (
            bool(self.fault.learning) if self.fault else any(fault.learning for fault in FAULTS[model])
        )

    def plant(self, right: "_Job") -> None:
        """Copy what is right, and change it."""
        shutil.copytree(right.bundle, self.bundle)
        shutil.copytree(right.workdir, self.workdir)
        assert self.fault is not None
        change = self.fault.change
        if isinstance(change, Code):
            path = self.bundle / "model.py"
            path.write_text(change.plant(path.read_text()))
        else:
            weights = load_file(self.bundle / "model.safetensors")
            change.change(weights)
            save_file(weights, self.bundle / "model.safetensors")

    def judged(self, answer: object) -> Judged:
        assert isinstance(answer, dict)
        (self.workdir / "actual.json").write_text(json.dumps(answer))
        report = compare(self.workdir, self.bundle)
        if self.learns:
            report = compare_learning(self.source, self.bundle, self.workdir, "normal", {}).added_to(report)
        return Judged(report, self._passes_plainly(answer["cases"]))

    def _passes_plainly(self, cases: Mapping[str, Mapping[str, int]]) -> bool:
        """Compare as people do: run both on random inputs and look whether the outputs are close."""
        with (
            np.load(self.workdir / "expected32" / "normal.npz") as theirs,
            np.load(self.workdir / "actual32" / "normal.npz") as ours,
        ):
            pairs = [
                (theirs.get(key), ours[key]) for key in map(output_key, range(cases["normal"]["outputs"]))
            ]
            return len(pairs) == len(theirs.files) and all(
                a is not None and a.shape == b.shape and np.allclose(a, b, rtol=0, atol=ATOL)
                for a, b in pairs
            )


def _call(sandbox: Sandbox, target: str, payload: Mapping[str, object], folder: Path) -> dict[str, object]:
    outcome = sandbox.run(target, payload, workdir=folder, limits=Limits(wall_s=900))
    assert outcome.ok, outcome.log_tail
    return outcome.result or {}


def table(planted: Planted) -> str:
    """The table of docs/parity.md."""
    missed = sum(judged.plain for judged in planted.faulty.values())
    caught = sum(not judged.report.passed for judged in planted.faulty.values())
    total = len(planted.faulty)
    lines = [
        f"**{caught} of {total} caught**, each at its own layer. Comparing the outputs in float32 on random inputs,",
        f"with an absolute tolerance of {ATOL:g}, catches {total - missed} and misses {missed}.",
    ]
    for model, members in groupby(planted.faulty.items(), key=lambda item: item[0][0]):
        lines += [
            "",
            f"### Planted in `{model}`",
            "",
            "| fault | found at | error there | outputs alone |",
            "|---|---|---|---|",
        ]
        for (_, what), judged in members:
            where, error = _found(judged.report)
            lines.append(f"| {what} | {where} | {error} | {'**missed**' if judged.plain else 'caught'} |")
    return "\n".join(lines)


def _found(report: ParityReport) -> tuple[str, str]:
    """Where a fault was found, and the error there."""
    departure = report.first_departure
    if departure:
        return f"`{departure.layer}` ({departure.class_name})", departure.fault or f"{departure.error:.0e}"
    kind, figures = learned_otherwise(report)
    if figures:
        error = figures.structure.fault or f"{figures.structure.error:.0e}"
        return f"`{figures.name}` ({kind})", error
    return "**nowhere**", ""


def learned_otherwise(report: ParityReport) -> tuple[str, TensorFigures | None]:
    """The first tensor that only learning shows to be wrong, and in which comparison."""
    for kind, tensors in (("gradients", report.gradients), ("training", report.training)):
        for figures in tensors:
            if not figures.structure.passed:
                return kind, figures
    return "", None


def main() -> None:
    with Verifier() as verifier, tempfile.TemporaryDirectory(prefix="keras2torch-faults-") as folder:
        planted = plant_all(verifier.sandboxes, Path(folder))
    write_between(PAGE, BEGIN, END, table(planted))


if __name__ == "__main__":
    main()

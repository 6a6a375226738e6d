"""Parity, each step in a sandbox of its own, with no more than it needs."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from db.records import ParityInfo
from keras2torch.parity.report import Conditioning
from keras2torch.parity.steps import judged, target
from workers import errors, isolation
from workers.isolation import Run

#: Which part of a proof each step is, roughly: from and to, of 1.
SHARES: Mapping[str, tuple[float, float]] = {
    "run_prepare": (0.0, 0.05),
    "run_given": (0.05, 0.1),
    "run_reference": (0.1, 0.6),
    "run_candidate": (0.6, 0.9),
    "run_compare": (0.9, 1.0),
    "run_moved": (0.95, 1.0),
}


def prove(run: Run, *, source: Path, bundle: Path, workdir: Path, device: str) -> ParityInfo:
    """Compare the bundle with Keras, write its parity.json, and return the verdict.

    `device` is where float32 is judged, as torch spells it.
    """
    report = judged(_Proof(run, source, bundle, workdir, device), bundle=bundle, workdir=workdir)
    (bundle / "parity.json").write_text(json.dumps(report, indent=1) + "\n")
    return as_info(report)


class _Proof:
    """One bundle being judged."""

    def __init__(self, run: Run, source: Path, bundle: Path, workdir: Path, device: str) -> None:
        self._run = run
        self._source = source
        self._bundle = bundle
        self._workdir = workdir
        self._payload = {
            "source": str(source),
            "bundle": str(bundle),
            "workdir": str(workdir),
            "device": device,
        }

    def prepare(self) -> Mapping[str, Any]:
        plan: Mapping[str, Any] = self.confined(
            "prepare", isolation.ENGINE, (self._source.parent, self._bundle)
        )
        return plan

    def confined(self, step: str, server: str, readable: Sequence[Path], *, needed: bool = True) -> Any:
        try:
            return self._run(
                server, target(step), self._payload, workdir=self._workdir, readable=tuple(readable)
            )
        except (errors.ChildDied, errors.ChildFailed) as error:
            if not needed:
                return None
            if isinstance(error, errors.ChildFailed) and server not in (isolation.ENGINE, isolation.TORCH):
                raise errors.NotJudged("verify", error.outcome) from error
            raise

    def compare(self) -> tuple[dict[str, Any], bool]:
        found = self.confined("compare", isolation.ENGINE, (self._bundle,))
        return found["report"], found["by_degree"]


def read(bundle: Path) -> ParityInfo:
    """The verdict in a bundle's parity.json."""
    return as_info(json.loads((bundle / "parity.json").read_text()))


def as_info(report: dict[str, Any]) -> ParityInfo:
    """What the database keeps of a report: its figures as columns, and all of it."""
    deployed = [output["deployment"] for output in report["outputs"]]
    return ParityInfo(
        passed=report["verdict"] == "passed",
        structure_error=_number(report["structure_error"]),
        structure_limit=_number(report["structure_limit"]),
        deployment_error=_number(report["deployment_error"]),
        deployment_limit=_number(min((figure["limit"] for figure in deployed), default=None)),
        device=report["device"],
        report=report,
    )


def gpu_peak_bytes(result: Any) -> int:
    """The most memory of a GPU that a step says it held at once; 0 for one that held none, or is none to say so."""
    told = result.get("gpu_peak_bytes") if isinstance(result, dict) else None
    return told if isinstance(told, int) else 0


def sentence(parity: ParityInfo) -> str:
    """Why a verdict is what it is, in one line."""
    report = parity.report
    where, conditioning = report.get("first_departure"), report.get("conditioning")
    notes = [f"first at layer {where['layer']}"] if where else []
    notes += [str(Conditioning(**conditioning))] if conditioning else []
    failures = "; ".join(report["failures"])
    return f"{failures} ({'; '.join(notes)})" if notes else failures


def _number(value: float | str | None) -> float | None:
    """JSON has no infinity, so the report spells it; nor have all databases."""
    number = math.inf if value == "inf" else value
    return number if isinstance(number, float | int) and math.isfinite(number) else None

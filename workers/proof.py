"""Parity, run step by step in the sandboxes, each step with no more than it needs.

The reference sees what we wrote of the model, never the stranger's file; the emitted code runs where the
verdict is not made.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db.records import ParityInfo
from workers import devices, isolation

#: Runs one step: (server, target, payload, workdir=, readable=) to what the step returned.
Run = Callable[..., Any]


def prove(run: Run, *, source: Path, bundle: Path, workdir: Path) -> ParityInfo:
    """Compare the bundle with Keras, write its parity.json, and return the verdict."""
    payload = {
        "source": str(source),
        "bundle": str(bundle),
        "workdir": str(workdir),
        "device": devices.device(),
    }

    def step(name: str, server: str, *readable: Path) -> Any:
        target = f"keras2torch.parity.{name}:run_{name}"
        return run(server, target, payload, workdir=workdir, readable=readable)

    plan = step("prepare", isolation.ENGINE, source.parent, bundle)
    if plan["given"]:
        given = run(
            isolation.TORCH,
            "keras2torch.parity.candidate:run_given",
            payload,
            workdir=workdir,
            readable=(bundle,),
        )
        (workdir / "given.json").write_text(json.dumps(given))
    expected = step("reference", plan["library"])
    (workdir / "expected.json").write_text(json.dumps(expected))
    actual = step("candidate", isolation.TORCH, bundle)
    (workdir / "actual.json").write_text(json.dumps(actual))
    report = step("compare", isolation.ENGINE, bundle)
    (bundle / "parity.json").write_text(json.dumps(report, indent=1) + "\n")
    return as_info(report)


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


def sentence(parity: ParityInfo) -> str:
    """Why a verdict is what it is, in one line."""
    report = parity.report
    where = report.get("first_departure")
    failures = "; ".join(report["failures"])
    return f"{failures} (first at layer {where['layer']})" if where else failures


def _number(value: float | str | None) -> float | None:
    """JSON has no infinity, so the report spells it; nor have all databases."""
    number = math.inf if value == "inf" else value
    return number if isinstance(number, float | int) and math.isfinite(number) else None

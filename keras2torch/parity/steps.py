"""The steps of a proof in their order, for whoever runs them: `verify`, and the fleet.

Each is a function from a dict to a dict that leaves its arrays in a folder, with no more within reach than it needs:
the reference sees what we wrote of the model, never the stranger's file; emitted code runs where no verdict is made.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

TORCH = "torch"
"""The server with torch loaded. The others are called after the library of the reference, "keras" or "tf_keras"."""
_MODULES = {"device": "candidate", "given": "candidate", "moved": "candidate"}

Report_co = TypeVar("Report_co", covariant=True)


class Runner(Protocol[Report_co]):
    """How the steps are run for one bundle."""

    def prepare(self) -> Mapping[str, Any]:
        """The plan: `library` and `given`."""

    def confined(self, step: str, server: str, readable: Sequence[Path], *, needed: bool) -> Any:
        """What a step returns that runs in a child; None for one that failed and is not `needed`."""

    def compare(self) -> tuple[Report_co, bool]:
        """The verdict, and whether it is worth asking how the model answers to one rounding error."""


def target(step: str) -> str:
    """Where the function of a step is, as the sandbox names it."""
    return f"keras2torch.parity.{_MODULES.get(step, step)}:run_{step}"


def judged(runner: Runner[Report_co], *, bundle: Path, workdir: Path) -> Report_co:
    """The verdict on `bundle`; `workdir` is where the steps find what the others left."""

    def confined(step: str, server: str, answer: str, *readable: Path, needed: bool = True) -> bool:
        result = runner.confined(step, server, readable, needed=needed)
        if result is not None:
            (workdir / f"{answer}.json").write_text(json.dumps(result), encoding="utf-8")
        return result is not None

    plan = runner.prepare()
    if plan["given"]:
        confined("given", TORCH, "given", bundle)
    confined("reference", plan["library"], "expected")
    confined("candidate", TORCH, "actual", bundle)
    report, by_degree = runner.compare()
    if by_degree and confined("moved", TORCH, "moved", bundle, needed=False):
        report, _ = runner.compare()
    return report

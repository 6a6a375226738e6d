"""What became of random models: each is passed, departs, was refused, or could not be judged."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.errors import RefusedFile, UnsupportedModel
from keras2torch.parity.arrays import trace_key
from keras2torch.parity.compare import DEPLOYMENT_CEILING, PLACES, compare
from keras2torch.parity.report import Departure, ParityReport
from keras2torch.sandbox import Sandbox
from tests.parity.judging import judge
from tests.randoms.recipe import Recipe
from tests.randoms.trial import for_lack_of_kernels

BUILD = "tests.randoms.build:build_all"
NOISE = 1e-13
"""What numbers of about one leave when they cancel; its scale says nothing."""
OVERFLOW = 1e30
"""Scales at which float32 yields infinity or NaN by the order of a product alone."""
RUN = "tests.randoms.build:run_all"


@dataclass(frozen=True)
class Verdict:
    """`kind` is "passed", "departs", "refused", "fails" (the bundle does), "no reference" (ours fails, Keras does not),
    or "unjudged" (Keras cannot run it).

    `signs` tell one fault from another: the departing layer's class, or the reasons of a refusal, without names.
    """

    name: str
    kind: str
    signs: tuple[str, ...]
    detail: tuple[str, ...]
    recipe: Recipe | None
    error: float = 0.0

    def alike(self, other: "Verdict") -> bool:
        """Whether another model shows the same fault."""
        return self.kind == other.kind and bool(set(self.signs) & set(other.signs))


def judged(
    library: str, names: Sequence[str], sandboxes: Mapping[str, Sandbox], folder: Path
) -> dict[str, Verdict]:
    """Judge the models `names`: recipes of these names in `folder`, or seeds."""
    answers = judge(BUILD, library, list(names), sandboxes, folder)
    verdicts = {name: _verdict(name, answers[name], folder) for name in names}
    # Keras builds models that it cannot run, and knows some shapes wrong: those prove nothing.
    doubtful = [name for name, each in verdicts.items() if each.kind in {"refused", "no reference", "fails"}]
    if doubtful:
        payload = {"library": library, "folder": str(folder), "names": doubtful}
        outcome = sandboxes[library].run(RUN, payload, workdir=folder)
        assert outcome.ok, outcome.log_tail
        for name, answer in outcome.result.items():
            if answer != "runs" and not for_lack_of_kernels(answer):
                sign = _what_is_said(answer)
                verdicts[name] = replace(verdicts[name], kind="unjudged", signs=(sign,), detail=(answer,))
    return verdicts


def _what_is_said(error: str) -> str:
    """The line of an error's text that tells it from others."""
    lines = [re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\}|[0-9]+", "", line).strip() for line in error.splitlines()]
    said = [line for line in lines if line and not re.match("Exception encountered|  ", line)]
    found = next((line for line in said if "Exception encountered" not in line), said[-1] if said else error)
    return found[:100]


def written(recipe: Recipe, file: Path) -> None:
    file.write_text(json.dumps(recipe), encoding="utf-8")


def _verdict(name: str, answer: Any, folder: Path) -> Verdict:
    file = folder / f"{name}.json"
    recipe = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    def verdict(kind: str, signs: Sequence[str], detail: Sequence[str], error: float = 0.0) -> Verdict:
        return Verdict(name, kind, tuple(dict.fromkeys(signs)), tuple(detail), recipe, error)

    if isinstance(answer, UnsupportedModel):
        # Extents and counts differ from model to model.
        signs = [re.sub(r"[0-9]+", "#", f"{each.class_name}: {each.message}") for each in answer.reasons]
        return verdict("refused", signs, [str(answer)])
    if isinstance(answer, RefusedFile):
        return verdict("refused", [f"{type(answer).__name__}: {answer.message}"], [str(answer)])
    if isinstance(answer, Exception):
        return verdict("fails", [type(answer).__name__], [repr(answer)])
    if isinstance(answer, str):
        last = answer.strip().splitlines()[-1]
        step = answer.partition(": ")[0]
        if step == "candidate":
            return verdict("fails", [last.partition(":")[0]], answer.splitlines())
        if step == "reference":
            return verdict(
                "no reference", [_what_is_said(answer.rpartition("Error: ")[2])], answer.splitlines()
            )
        return verdict("unjudged", [last[:100]], answer.splitlines())
    return _of_report(compare(*answer), answer[0], verdict)


def _of_report(report: ParityReport, workdir: Path, verdict: Callable[..., Verdict]) -> Verdict:
    if all(case.refused for case in report.cases):
        return verdict("unjudged", ["refuses every input"], [str(case.refused) for case in report.cases])
    if report.passed:
        return verdict("passed", [], [], report.structure_error)
    figures = [each.structure for each in report.outputs] + [each.structure for each in report.layers]
    wrong = [figure for figure in figures if not figure.passed]
    if wrong and all(figure.scale < NOISE and figure.fault is None for figure in wrong):
        return verdict("unjudged", ["nothing but rounding"], report.failures)
    departure = report.first_departure
    if departure is None and any(figure.scale > OVERFLOW for figure in figures):
        return verdict("unjudged", ["overflows in float32"], report.failures)
    if departure is None and report.deployment_error <= DEPLOYMENT_CEILING:
        return verdict("unjudged", ["cancels in float32"], report.failures)
    if departure is not None and departure.fault == PLACES:
        why = _nothing_to_tell(workdir, departure)
        if why:
            return verdict("unjudged", [why], report.failures)
    sign = "float32" if departure is None else departure.class_name
    return verdict("departs", [sign], [*report.failures, str(departure)])


def _nothing_to_tell(workdir: Path, departure: Departure) -> str | None:
    """Why Keras's own NaN and infinities say nothing there: it was given some already, or its numbers overflow."""
    cases = json.loads((workdir / "expected.json").read_text(encoding="utf-8"))["cases"]
    traces = [tuple(each) for each in cases[departure.case]["traces"]]
    here = (departure.layer, departure.call)
    with np.load(workdir / "expected64" / f"{departure.case}.npz") as theirs:
        before = traces[: traces.index(here)] if here in traces else traces
        if not all(np.isfinite(theirs[trace_key(*each)]).all() for each in before):
            return "NaN goes in"
        own = theirs[trace_key(*here)] if here in traces else np.zeros(1)
        finite = own[np.isfinite(own)]
        if finite.size < own.size and np.abs(finite).max(initial=0.0) > OVERFLOW:
            return "overflows in float64"
    return None

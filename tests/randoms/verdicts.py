"""What became of random models: each is passed, departs, was refused, or could not be judged."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keras2torch.errors import UnsupportedModel
from keras2torch.parity.compare import compare
from keras2torch.sandbox import Sandbox
from tests.parity.judging import judge
from tests.randoms.recipe import Recipe

BUILD = "tests.randoms.build:build_all"
RUN = "tests.randoms.build:run_all"


@dataclass(frozen=True)
class Verdict:
    """`kind` is "passed", "departs", "refused", "fails" (an error of ours), or "unjudged" (Keras cannot run it).

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
    refused = [name for name, each in verdicts.items() if each.kind == "refused"]
    if refused:
        payload = {"library": library, "folder": str(folder), "names": refused}
        outcome = sandboxes[library].run(RUN, payload, workdir=folder)
        assert outcome.ok, outcome.log_tail
        for name, answer in outcome.result.items():
            # TensorFlow has no such kernels on a CPU; that says nothing of the model.
            if answer != "runs" and not re.search("NHWC|NCHW|NDHWC|channels_first", answer):
                verdicts[name] = replace(
                    verdicts[name], kind="unjudged", signs=(answer[:80],), detail=(answer,)
                )
    return verdicts


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
    if isinstance(answer, Exception):
        return verdict("fails", [type(answer).__name__], [repr(answer)])
    if isinstance(answer, str):
        last = answer.strip().splitlines()[-1]
        step = answer.partition(": ")[0]
        if step == "candidate":
            return verdict("fails", [last.partition(":")[0]], answer.splitlines())
        # It was built once, when it was drawn: only what runs can still be refused.
        return verdict("unjudged", [last[:80]], answer.splitlines())
    report = compare(*answer)
    if all(case.refused for case in report.cases):
        return verdict("unjudged", ["refuses every input"], [str(case.refused) for case in report.cases])
    if report.passed:
        return verdict("passed", [], [], report.structure_error)
    departure = report.first_departure
    sign = "float32" if departure is None else departure.class_name
    return verdict("departs", [sign], [*report.failures, str(departure)])

"""Both sides' arrays in, a verdict out. Numpy only.

Two tiers, because each sees what the other cannot:

* Structure: float64 against float64, every layer output that both sides have. A wrong pad, gate or epsilon
shows at 1e-4 or
  more of a tensor's scale and cannot hide in rounding, which stays below 1e-12. This one is decisive.
* Deployment: float32 on the device that will serve, held against what Keras's own float32 loses to rounding.

Errors are relative to a tensor's own largest magnitude. Element by element they would be useless: near zero a
correct model is off by ten percent.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.arrays import Array, logits_key, must_show_logits, output_key, shape_key, trace_key
from keras2torch.parity.conditioning import conditioning, worth_asking
from keras2torch.parity.locate import first_departure
from keras2torch.parity.report import (
    Case,
    Constructed,
    DeviceFacts,
    Figure,
    LayerFigures,
    OutputFigures,
    ParityReport,
)

STRUCTURE_LIMIT = 1e-9
FLOAT32_CONSTANT_LIMIT = 2e-7
"""For models in which Keras itself turns a constant into float32 on the way, whatever the dtype of the
layer."""

DEPLOYMENT_CEILING = 1e-4
DEPLOYMENT_WARNING = 1e-5
ROUNDING = 64 * 2.0**-24

PLACES = "NaN or infinity in other places"

LIKE = 16.0
"""Tensors whose scales differ by less than this were rounded in sums of like size."""

SMALLEST_SCALE = 1e-3
"""A tensor that is almost zero in one case is measured by this part of its largest scale in any case."""
ZERO = 1e-30


@dataclass(frozen=True)
class _Difference:
    """Two tensors compared, not yet divided by any scale."""

    case: str
    largest: float
    rms: float
    scale: float
    fault: str | None = None


def run_compare(payload: Mapping[str, Any]) -> dict[str, Any]:
    """`compare` as a step for a sandbox: `workdir` and `bundle` in; out comes `report`, the content of parity.json, and
    `by_degree`, whether `moved` is worth running.
    """
    report = compare(Path(payload["workdir"]), Path(payload["bundle"]))
    return {"report": report.as_json(), "by_degree": worth_asking(report)}


@dataclass(frozen=True)
class _Evidence:
    """What the other steps left."""

    workdir: Path
    plan: Mapping[str, Any]
    expected: Mapping[str, Any]
    actual: Mapping[str, Any]
    manifest: Mapping[str, Any]

    @classmethod
    def read(cls, workdir: Path, bundle: Path) -> "_Evidence":
        files = [workdir / f"{name}.json" for name in ("plan", "expected", "actual")] + [
            bundle / "manifest.json"
        ]
        return cls(workdir, *(json.loads(file.read_text(encoding="utf-8")) for file in files))

    @property
    def accepted(self) -> list[str]:
        """The cases that Keras ran."""
        return [name for name, answer in self.expected["cases"].items() if "refused" not in answer]

    @property
    def structure_limit(self) -> float:
        return FLOAT32_CONSTANT_LIMIT if self.plan["float32_constants"] else STRUCTURE_LIMIT


def compare(workdir: Path, bundle: Path) -> ParityReport:
    """Judge what `reference` and `candidate` left in `workdir` for the bundle."""
    evidence = _Evidence.read(workdir, bundle)
    outputs, layers = _compare_outputs(evidence), _compare_layers(evidence)
    failures = []
    warnings = [f"{path} was changed after the conversion" for path in evidence.plan["changed_files"]]
    facts = DeviceFacts(**evidence.actual["device_facts"])
    if facts.rounds_more:
        warnings.append("the module turned TensorFloat-32 on: what was judged as float32 had fewer bits")
    if not evidence.accepted:
        failures.append("Keras accepts none of the inputs tried, so nothing was compared")
    for output in outputs:
        for tier, figure in (("float64", output.structure), ("float32", output.deployment)):
            if not figure.passed:
                failures.append(_failure(f"output {output.name}, {tier}", figure))
        if output.deployment.passed and output.deployment.error > DEPLOYMENT_WARNING:
            warnings.append(
                f"output {output.name}: float32 is off by {output.deployment.error:.1e} of its scale, "
                f"Keras's own by {output.reference_error:.1e}"
            )
        if output.rounding_error is not None:
            warnings.append(
                f"output {output.name}: weights rounded to {evidence.plan['rounded_to']} move it by "
                f"{output.rounding_error:.1e} of its scale from what the file's own give"
            )
        if output.structure.scale < ZERO:
            warnings.append(f"output {output.name} is zero in every case: there is little to compare")
    failures += [_failure(f"layer {f.title}", f.structure) for f in layers if not f.structure.passed]
    ran = {
        (path, call)
        for name in evidence.accepted
        for path, call in evidence.expected["cases"][name]["traces"]
    }
    constants = ", ".join(evidence.plan["float32_constants"])
    report = ParityReport(
        device_facts=facts,
        library=evidence.expected["library"],
        versions={**evidence.expected["versions"], **evidence.actual["versions"]},
        cases=[
            Case(
                name=case["name"],
                description=case["description"],
                refused=evidence.expected["cases"][case["name"]].get("refused"),
            )
            for case in evidence.plan["cases"]
            if case["name"] in evidence.expected["cases"]
        ],
        structure_limit=evidence.structure_limit,
        given=evidence.plan["given"],
        fused=evidence.plan["fused"],
        structure_limit_reason=f"Keras rounds a constant to float32 in {constants}" if constants else None,
        constructed=[Constructed(**entry) for entry in evidence.plan["constructed"]],
        outputs=outputs,
        layers=layers,
        layers_not_visible=len(ran - {(f.layer, f.call) for f in layers}),
        failures=failures,
        warnings=warnings,
        first_departure=first_departure(
            outputs,
            layers,
            {layer["keras_name"]: layer["keras_class"] for layer in evidence.manifest["layers"]},
            evidence.plan["options"],
            evidence.accepted,
        ),
    )
    return replace(report, conditioning=conditioning(workdir, report))


def _failure(what: str, figure: Figure) -> str:
    how = figure.fault or f"error {figure.error:.1e} of its scale, at most {figure.limit:.1e} is rounding"
    return f"{what}: {how} (case {figure.case})"


# ------------------------------------------------------------------------------------------------- tensors


def difference(case: str, actual: Array | None, expected: Array, pattern: Array | None = None) -> _Difference:
    """Compare one tensor. Where `pattern` (default: `expected`) is NaN or infinite, `actual` must be the
    same.
    """
    expected = expected.astype(np.float64)
    scale = _scale(expected)
    if actual is None:
        return _Difference(case, math.inf, math.inf, scale, "missing")
    if actual.shape != expected.shape:
        return _Difference(
            case, math.inf, math.inf, scale, f"shape {actual.shape} instead of {expected.shape}"
        )
    actual = actual.astype(np.float64)
    pattern = expected if pattern is None else pattern.astype(np.float64)
    special = ~np.isfinite(pattern)
    if (
        not np.array_equal(actual[special], pattern[special], equal_nan=True)
        or not np.isfinite(actual[~special]).all()
    ):
        return _Difference(case, math.inf, math.inf, scale, PLACES)
    both = ~special & np.isfinite(expected)
    distance = np.abs(actual[both] - expected[both])
    if not distance.size:
        return _Difference(case, 0.0, 0.0, scale)
    largest = float(distance.max())
    # Divided first: the square of what is far enough off is infinite.
    rms = largest * float(np.sqrt(np.mean((distance / largest) ** 2))) if largest > 0 else 0.0
    return _Difference(case, largest, rms, scale)


def _scale(tensor: Array) -> float:
    finite = tensor[np.isfinite(tensor)]
    return float(np.abs(finite).max()) if finite.size else 0.0


def figures(differences: Sequence[_Difference], limits: Mapping[str, float] | None = None) -> list[Figure]:
    """One tensor's differences, relative to its scale in each case, beside what each case allows (`limits`: by case;
    without them any).
    """
    floor = _floor(differences)
    return [
        Figure(
            error=d.largest / max(d.scale, floor),
            rms=d.rms / max(d.scale, floor),
            scale=d.scale,
            case=d.case,
            limit=math.inf if limits is None else limits[d.case],
            fault=d.fault,
        )
        for d in differences
    ]


def _floor(differences: Sequence[_Difference]) -> float:
    """The least that a tensor's scale counts for in any case."""
    largest_scale = max(d.scale for d in differences)
    # A tensor that is zero in every case has no scale of its own: it is measured absolutely.
    return SMALLEST_SCALE * largest_scale if largest_scale > ZERO else 1.0


def worst(differences: Sequence[_Difference], limits: Mapping[str, float]) -> Figure:
    """The case in which a tensor is furthest past what is allowed there."""
    every = figures(differences, limits)
    furthest = max(every, key=lambda f: (f.fault is not None, f.error / f.limit))
    return replace(furthest, failed_in=[figure.case for figure in every if not figure.passed])


def deployment_limit(own: float, likely: float, depth: int) -> float:
    """How far float32 may be off where Keras's own float32 is off by `own` in this case, and by `likely` at worst in
    cases of like scale (both relative to the tensor's scale in this one), in a model of `depth` calls.

    Eight times the latter, up to the ceiling: rounding differs with the order of sums, by luck as much as by skill.
    Beyond it the model itself is ill-conditioned for this input, nobody computes it well, and four times what Keras
    loses there must do.
    """
    rounding = ROUNDING * math.sqrt(depth)
    return max(min(max(8 * likely, rounding), DEPLOYMENT_CEILING), 4 * own)


def deployment_limits(reference: Sequence[_Difference], depth: int) -> dict[str, float]:
    """What each case allows, by the differences of Keras's own float32.

    An output of a single number is one sample of rounding a case, which may be nothing by luck, and its scale is that
    number, which may come out near zero of large sums. So a case is judged by the worst that Keras loses in any of
    the cases whose values are not much larger.
    """
    floor = _floor(reference)
    limits = {}
    for case in reference:
        scale = max(case.scale, floor)
        alike = [other.largest for other in reference if other.scale <= LIKE * case.scale]
        own, likely = case.largest / scale, max([case.largest, *alike]) / scale
        limits[case.case] = deployment_limit(own, likely, depth)
    return limits


# --------------------------------------------------------------------------------------- outputs and layers


def _compare_outputs(evidence: _Evidence) -> list[OutputFigures]:
    accepted = evidence.accepted
    if not accepted:
        return []
    names = [output["name"] for output in evidence.manifest["outputs"]]
    # Whichever side has more outputs: one that the other lacks must not go unseen.
    counts = [
        side["cases"].get(name, {"outputs": 0})["outputs"]
        for side in (evidence.expected, evidence.actual)
        for name in accepted
    ]
    compared = []
    for number in range(max(len(names), *counts)):
        structure: list[_Difference] = []
        deployment: list[_Difference] = []
        reference: list[_Difference] = []
        for case in accepted:
            exact, rounded, ours64, ours32 = _tensors(evidence.workdir, case, output_key(number))
            if exact is None or rounded is None:
                extra = _Difference(case, math.inf, math.inf, 0.0, "Keras has no such output")
                for differences in (structure, deployment, reference):
                    differences.append(extra)
            else:
                structure.append(difference(case, ours64, exact))
                deployment.append(difference(case, ours32, exact, pattern=rounded))
                reference.append(difference(case, rounded, exact, pattern=rounded))
        own = {f.case: f.error for f in figures(reference)}
        deployed = worst(deployment, deployment_limits(reference, evidence.plan["depth"]))
        compared.append(
            OutputFigures(
                name=names[number] if number < len(names) else f"#{number}",
                structure=worst(structure, dict.fromkeys(accepted, evidence.structure_limit)),
                deployment=deployed,
                reference_error=own[deployed.case],
                rounding_error=_rounding_error(evidence, number) if evidence.plan["rounded_to"] else None,
            )
        )
    return compared


def _rounding_error(evidence: _Evidence, number: int) -> float:
    """What rounding the weights costs an output, where it costs most."""
    differences = []
    for case in evidence.accepted:
        with (
            np.load(evidence.workdir / "expected64" / f"{case}.npz") as rounded,
            np.load(evidence.workdir / "unrounded64" / f"{case}.npz") as own,
        ):
            if output_key(number) in own:
                differences.append(difference(case, rounded.get(output_key(number)), own[output_key(number)]))
    return max((figure.error for figure in figures(differences)), default=0.0) if differences else 0.0


def _tensors(workdir: Path, case: str, key: str) -> Iterator[Array | None]:
    """One tensor as the four runs computed it."""
    for folder in ("expected64", "expected32", "actual64", "actual32"):
        with np.load(workdir / folder / f"{case}.npz") as arrays:
            yield arrays.get(key)


def _compare_layers(evidence: _Evidence) -> list[LayerFigures]:
    """Every layer call that the manifest says can be seen, in Keras's order of execution, by its first output."""
    visible = {
        (layer["keras_name"], place["call"]): must_show_logits(layer)
        for layer in evidence.manifest["layers"]
        if layer["keras_name"] not in evidence.plan["given"]
        for place in layer.get("outputs", ())
    }
    found: dict[tuple[str, int, bool], list[_Difference]] = {}
    for name in evidence.accepted:
        answer = evidence.expected["cases"][name]
        logits = {(path, call) for path, call in answer["logits"]}
        with (
            np.load(evidence.workdir / "expected64" / f"{name}.npz") as theirs,
            np.load(evidence.workdir / "actual64" / f"{name}.npz") as ours,
        ):
            for path, call in answer["traces"]:
                if (path, call) not in visible:
                    continue
                key = logits_key(path, call)
                if (path, call) in logits and (visible[path, call] or key in ours):
                    compared = _sampled_difference(name, ours, theirs, key)
                    found.setdefault((path, call, True), []).append(compared)
                compared = _sampled_difference(name, ours, theirs, trace_key(path, call))
                found.setdefault((path, call, False), []).append(compared)
    limits = dict.fromkeys(evidence.accepted, evidence.structure_limit)
    return [
        LayerFigures(layer=path, call=call, before_activation=before, structure=worst(differences, limits))
        for (path, call, before), differences in found.items()
    ]


def _sampled_difference(
    case: str, ours: Mapping[str, Array], theirs: Mapping[str, Array], key: str
) -> _Difference:
    """Compare two samples of a tensor. They hold the same elements only if the whole tensors are of one shape."""
    sample, shape = ours.get(key), ours.get(shape_key(key))
    if sample is not None and shape is not None:
        expected = tuple(theirs[shape_key(key)].tolist())
        if tuple(shape.tolist()) != expected:
            fault = f"shape {tuple(shape.tolist())} instead of {expected}"
            return _Difference(case, math.inf, math.inf, _scale(theirs[key]), fault)
    return difference(case, sample, theirs[key])

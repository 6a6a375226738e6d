"""The verdict on one bundle, as values and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """One set of inputs. `refused` says why Keras itself cannot run it, where that is no fault of ours."""

    name: str
    description: str
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """How far one tensor is off, in the case where it is furthest off. Errors are relative to the tensor's
    scale.

    `scale` is the largest magnitude in the float64 reference, `error` the largest difference and `rms` the
    root of the mean squared difference, both divided by it. `error` is infinite where shapes or the places of
    NaN and infinity differ.
    """

    error: float
    rms: float
    scale: float
    case: str
    limit: float
    fault: str | None = None
    """What is wrong when it is no matter of degree: "shape (2, 3) instead of (2, 4)", "missing", "NaN in
    other places"."""
    failed_in: Sequence[str] = ()
    """The cases in which the tensor is too far off."""

    @property
    def passed(self) -> bool:
        return self.fault is None and self.error <= self.limit


@dataclass(frozen=True, kw_only=True)
class OutputFigures:
    """One output of the model: structure (float64) and deployment (float32, beside Keras's own float32
    rounding).
    """

    name: str
    structure: Figure
    deployment: Figure
    reference_error: float
    """Error of Keras's float32 in the case of `deployment`."""
    rounding_error: float | None = None
    """How far Keras's own float64 moves, where it moves furthest, when it gets the bundle's rounded weights for those
    of the file. None where none are rounded. It is no part of the verdict."""


@dataclass(frozen=True, kw_only=True)
class LayerFigures:
    """One call of a layer, in float64."""

    layer: str
    call: int
    before_activation: bool
    """True for what the layer hands to its activation, which may be large where the activation is saturated."""
    structure: Figure

    @property
    def title(self) -> str:
        """The layer, and which of its calls and values this is where that is not plain."""
        call = f", call {self.call}" if self.call else ""
        return f"{self.layer}{call}{' before its activation' if self.before_activation else ''}"


@dataclass(frozen=True, kw_only=True)
class TensorFigures:
    """A tensor that only learning shows, in float64: an output in training mode, a new statistic, or a gradient."""

    name: str
    structure: Figure


@dataclass(frozen=True, kw_only=True)
class Departure:
    """The first layer, in order of execution, that does not compute what Keras computes."""

    layer: str
    class_name: str
    call: int
    case: str
    error: float
    fault: str | None
    last_good: str | None
    """The last layer seen to agree; what lies between was not visible."""
    rms: float = 0.0
    scale: float = 0.0
    failed_in: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """What its configuration says, without what matters to training alone."""
    likely_cause: str = ""

    def details(self) -> Iterator[str]:
        """What else is known of it, a line each."""
        if self.fault is None:
            cases = f"; fails in {', '.join(self.failed_in)}" if self.failed_in else ""
            yield f"root mean square {self.rms:.1e}, scale {self.scale:.1e}{cases}"
        if self.options:
            yield ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        if self.likely_cause:
            yield f"likely: {self.likely_cause}"

    def __str__(self) -> str:
        what = self.fault or f"error {self.error:.1e} of its scale"
        after = f", after {self.last_good} still agreed" if self.last_good else ""
        return f"departs first at {self.layer} ({self.class_name}), call {self.call}, case {self.case}: {what}{after}"


@dataclass(frozen=True, kw_only=True)
class Constructed:
    """A layer that the reference computed with a class of ours, because its library has none, or a wrong one.

    Such evidence rests on our reading of that Keras. `layer` is a path, or "the model" where all of it is meant.
    """

    layer: str
    class_name: str
    why: str

    def __str__(self) -> str:
        return f"{self.layer} ({self.class_name}): {self.why}"


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """What the module itself does where it departs first, when its inputs move by one rounding error (2^-52)."""

    moves: float
    """How far it moves there, relative to the tensor's scale."""
    ill_conditioned: bool
    """Whether that explains every figure that failed."""

    def __str__(self) -> str:
        moves = f"the model itself moves by {self.moves:.1e} there when its input moves by one rounding error"
        if self.ill_conditioned:
            return f"{moves}: ill-conditioned, no evidence of a fault"
        return f"{moves}: rounding does not explain what failed"


@dataclass(frozen=True, kw_only=True)
class DeviceFacts:
    """What float32 was judged on, as torch said it behind the last case."""

    device: str
    """As torch spells it: "cpu", "cuda"."""
    name: str
    """The GPU's own name, or "cpu"."""
    dtype: str
    threads: int
    tf32_matmul: bool
    """Whether matrix products might use TensorFloat-32."""
    tf32_cudnn: bool
    """Whether convolutions and recurrent layers might."""
    float32_matmul_precision: str
    deterministic: str
    """"yes", "no", or "where possible": on a GPU, torch has not for everything a way that repeats to the bit."""
    cuda: str | None = None
    cudnn: int | None = None

    @property
    def rounds_more(self) -> bool:
        """Whether a GPU may have computed with fewer bits than float32 has."""
        return self.device != "cpu" and (
            self.tf32_matmul or self.tf32_cudnn or self.float32_matmul_precision != "highest"
        )

    def __str__(self) -> str:
        if self.device == "cpu":
            return self.name
        return f"{self.name}, TensorFloat-32 {'ON' if self.rounds_more else 'off'}"


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """Whether the bundle computes what the Keras model computes, and the evidence."""

    device_facts: DeviceFacts
    library: str
    versions: Mapping[str, str]
    cases: Sequence[Case]
    structure_limit: float
    structure_limit_reason: str | None
    constructed: Sequence[Constructed]
    """Layers whose reference was constructed, not loaded."""
    given: Sequence[str]
    """Layers that are the caller's own code: Keras got their outputs from the bundle, so they were not compared."""
    outputs: Sequence[OutputFigures]
    layers: Sequence[LayerFigures]
    layers_not_visible: int
    """Layer outputs that the bundle does not compute by themselves (folded, fused); their effect is in later
    ones."""
    failures: Sequence[str]
    warnings: Sequence[str]
    first_departure: Departure | None
    fused: Sequence[str] = ()
    """Normalizations in the weights of the layers before them, which are judged in float64 before they are rounded."""
    conditioning: Conditioning | None = None
    """Known where a verdict is failed by matters of degree alone. It changes no verdict."""
    training: Sequence[TensorFigures] = ()
    """Outputs in training mode, and every weight and statistic after a step, where they were asked for."""
    gradients: Sequence[TensorFigures] = ()
    """Of inputs and weights, where they were asked for."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds a step took. Not part of parity.json, which is the same for the same input."""
    keras_load_s: float | None = None
    """Seconds that Keras took to build the model and give it its weights, to hold the others against."""
    walls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Which confinements stood round each step that ran in a sandbox. Not part of parity.json either."""

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def device(self) -> str:
        """What float32 was judged on: a GPU's own name, or "cpu"."""
        return self.device_facts.name

    @property
    def structure_error(self) -> float:
        """The largest float64 error of any layer or output."""
        figures = [output.structure for output in self.outputs] + [layer.structure for layer in self.layers]
        return max((figure.error for figure in figures), default=float("inf"))

    @property
    def deployment_error(self) -> float:
        """The largest float32 error of any output."""
        return max((f.deployment.error for f in self.outputs), default=float("inf"))

    @property
    def learnt(self) -> Iterator[str]:
        """A line for each comparison of learning that was asked for, with the tensor that is furthest off."""
        for kind, figures in (("training step", self.training), ("gradients", self.gradients)):
            if figures:
                worst = max(figures, key=lambda each: each.structure.error)
                error = worst.structure.error
                yield f"{kind}: {len(figures)} tensors, furthest off {worst.name}, by {error:.1e} of its scale"

    @property
    def extent(self) -> str:
        """How much was compared."""
        ran = sum(case.refused is None for case in self.cases)
        return (
            f"{len(self.layers)} layer outputs compared, {self.layers_not_visible} not visible by themselves; "
            f"{ran} cases; float64 limit {self.structure_limit:g}; on {self.device_facts}"
        )

    @property
    def notes(self) -> Iterator[str]:
        """What a reader must know of how it was compared, a line each."""
        if self.constructed:
            yield f"reference constructed, not loaded: {'; '.join(map(str, self.constructed))}"
        if self.given:
            yield f"not compared, the caller's own: {', '.join(self.given)}"
        if self.fused:
            yield (
                f"{len(self.fused)} batch normalizations are in the weights of the layers before them, and judged in "
                "float64 with those weights as they were before they were rounded to be stored"
            )

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        if self.passed:
            return (
                f"parity passed: float64 within {self.structure_error:.1e} of scale, "
                f"float32 within {self.deployment_error:.1e}"
            )
        if self.first_departure:
            return f"parity FAILED: {self.first_departure}"
        return f"parity FAILED: {self.failures[0]}"

    def as_json(self) -> dict[str, Any]:
        """The content of parity.json: no clock, no host; infinite errors are spelled "inf"."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "verdict": "passed" if self.passed else "failed",
            "structure_error": self.structure_error,
            "deployment_error": self.deployment_error,
            "device": self.device,
            **{
                key: value
                for key, value in asdict(self).items()
                if key not in {"timings", "keras_load_s", "walls"}
            },
        }
        return dict(_finite(document))

    def write(self, path: Path) -> None:
        """Write parity.json whole or not at all."""
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(self.as_json(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        partial.replace(path)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value in {float("inf"), float("-inf")}:
        return "inf"
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

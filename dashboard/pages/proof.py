"""A parity report as tables: errors of outputs and of layers, in the order of depth. Reports are read, not trusted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """How far one tensor is off, relative to its own scale."""

    error: float | None
    limit: float | None
    case: str
    fault: str | None

    @property
    def passed(self) -> bool:
        """Within its limit."""
        if self.fault or self.error is None:
            return False
        return self.limit is None or self.error <= self.limit


@dataclass(frozen=True)
class Output:
    """An output of the model, in both precisions."""

    name: str
    structure: Measured | None
    deployment: Measured | None


@dataclass(frozen=True)
class Layer:
    """One call of a layer."""

    depth: int
    name: str
    call: int
    before_activation: bool
    structure: Measured


@dataclass(frozen=True)
class Proof:
    """What a report shows."""

    outputs: tuple[Output, ...]
    layers: tuple[Layer, ...]
    cases: tuple[tuple[str, str], ...]
    versions: Mapping[str, Any]
    library: str
    constructed: tuple[str, ...]

    @property
    def worst(self) -> Layer | None:
        """The layer that is farthest off."""
        measured = [layer for layer in self.layers if layer.structure.error is not None]
        return max(measured, key=lambda layer: layer.structure.error or 0.0, default=None)

    @property
    def first_departure(self) -> Layer | None:
        """The first layer beyond its limit."""
        return next((layer for layer in self.layers if not layer.structure.passed), None)


def read(report: Mapping[str, Any]) -> Proof:
    """The report as a Proof; what is missing in it is empty there."""
    return Proof(
        outputs=tuple(
            Output(
                str(each.get("name", "")), _measured(each.get("structure")), _measured(each.get("deployment"))
            )
            for each in _mappings(report.get("outputs"))
        ),
        layers=tuple(
            Layer(
                depth,
                str(each.get("layer", "")),
                int(_number(each.get("call")) or 0),
                bool(each.get("before_activation")),
                _measured(each.get("structure")) or Measured(None, None, "", "not measured"),
            )
            for depth, each in enumerate(_mappings(report.get("layers")), 1)
        ),
        cases=tuple(
            (str(each.get("name", "")), str(each.get("description", "")))
            for each in _mappings(report.get("cases"))
        ),
        versions=dict(next(_mappings([report.get("versions")]), {})),
        library=str(report.get("library", "")),
        constructed=tuple(map(str, report.get("constructed") or ())),
    )


def _mappings(items: Any) -> Any:
    return (item for item in items or () if isinstance(item, Mapping))


def _measured(found: Any) -> Measured | None:
    if not isinstance(found, Mapping):
        return None
    fault = found.get("fault")
    return Measured(
        _number(found.get("error")),
        _number(found.get("limit")),
        str(found.get("case") or ""),
        None if fault is None else str(fault),
    )


def _number(value: Any) -> float | None:
    """As a finite number; infinities and what is none come as text out of the database."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None

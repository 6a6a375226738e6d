"""Judges what the two sides computed while they learned: a step of gradient descent, and gradients.

Both are asked for, not part of every proof. Weights are compared as torch holds them: what Keras says of its own goes
through the same recipes that made the bundle's weights.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras2torch.bundle import read_manifest
from keras2torch.conversion import Understood, understand
from keras2torch.options import ConversionOptions, Replacement, UserFile
from keras2torch.parity.arrays import RATE, Array
from keras2torch.parity.compare import difference, figures
from keras2torch.parity.report import ParityReport, TensorFigures
from keras2torch.resolve import resolve
from keras2torch.weights import Lookup, Weight

KINDS = ("training", "gradients")
LIMIT = 1e-9
ROUNDED_LIMIT = 2e-7
"""Where PyTorch rounds a constant of a gradient to float32, whatever it computes in."""

ROUNDED = re.compile(r"F\.hardsigmoid[(),]|nn\.Hardsigmoid\(")
"""The one function of PyTorch that does: the slope of its hard sigmoid is the float32 next to 1/6."""

SMALLEST_GRADIENT = 1e-6
"""A gradient is measured by this part of the largest one at least: some are zero but for rounding, as that of a bias
which the next softmax takes out again."""


@dataclass(frozen=True)
class Learning:
    """What was compared, and why the rest was not."""

    figures: Mapping[str, Sequence[TensorFigures]]
    notes: Sequence[str]

    @property
    def failures(self) -> list[str]:
        return [
            f"{kind} of {each.name}: {each.structure.fault or f'error {each.structure.error:.1e} of its scale'} "
            f"(case {each.structure.case})"
            for kind, tensors in self.figures.items()
            for each in tensors
            if not each.structure.passed
        ]

    def added_to(self, report: ParityReport) -> ParityReport:
        """The report with this evidence in it."""
        return dataclasses.replace(
            report,
            training=self.figures.get("training", ()),
            gradients=self.figures.get("gradients", ()),
            failures=[*report.failures, *self.failures],
            warnings=[*report.warnings, *self.notes],
        )


def compare_learning(
    source: Path,
    bundle: Path,
    workdir: Path,
    case: str,
    refusals: Mapping[str, Sequence[str]],
    *,
    layers: Sequence[UserFile] = (),
    replace: Sequence[Replacement] = (),
) -> Learning:
    """Judge what lies in `learning/` for the case. `refusals`: for each kind, why one of the sides could not."""
    manifest = read_manifest(bundle)
    options = ConversionOptions.from_json(manifest["options"], bundle=bundle, layers=layers, replace=replace)
    understood = understand(source, options)
    text = (bundle / "model.py").read_text(encoding="utf-8")
    limit = ROUNDED_LIMIT if ROUNDED.search(text) else LIMIT
    found: dict[str, Sequence[TensorFigures]] = {}
    notes = [f"{kind} not compared: {why}" for kind, reasons in refusals.items() for why in reasons]
    for kind in KINDS:
        ours_path = workdir / "learning" / f"{kind}-actual.npz"
        if refusals.get(kind) or not ours_path.exists():
            continue
        with np.load(workdir / "learning" / f"{kind}-expected.npz") as theirs, np.load(ours_path) as ours:
            pairs = list(_pairs(understood, theirs, ours))
            if kind == "training":
                pairs += _unmoved(understood, ours)
            compared = {key for key, _, _ in pairs}
            constants = {
                f"weight-{name}" for name, each in understood.program.state.items() if not each.sources
            }
            left = sorted(key.removeprefix("weight-") for key in ours if key not in compared | constants)
        found[kind] = list(_judged(pairs, case, limit))
        if left:
            shown = ", ".join(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
            notes.append(
                f"{kind} not compared, since Keras has nothing of the same form, or the order of calls decides: {shown}"
            )
    if limit is ROUNDED_LIMIT and found:
        notes.append(
            f"learning is held to {limit:g}: PyTorch rounds the slope of its hard sigmoid to float32 in gradients"
        )
    return Learning(found, notes)


def _pairs(
    understood: Understood, theirs: Mapping[str, Array], ours: Mapping[str, Array]
) -> Iterator[tuple[str, Array | None, Array]]:
    """(key, ours, theirs) of each tensor that both can have."""
    for key in theirs:
        if key != RATE and not key.startswith("weight-"):
            yield key, ours.get(key), theirs[key]
    stored = {key.removeprefix("weight-"): theirs[key] for key in theirs if key.startswith("weight-")}
    for name, expected in _in_torch(understood, stored):
        if f"weight-{name}" in ours:
            yield f"weight-{name}", ours[f"weight-{name}"], expected


def _unmoved(understood: Understood, ours: Mapping[str, Array]) -> Iterator[tuple[str, Array | None, Array]]:
    """Parameters that Keras does not have, which no step may move: (key, ours, what it was)."""
    for name in understood.program.trained:
        weight = understood.program.state[name]
        if not weight.sources and f"weight-{name}" in ours:
            yield f"weight-{name}", ours[f"weight-{name}"], _evaluated(weight, {}, np.dtype(np.float64))


def _in_torch(understood: Understood, stored: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The tensors of the module that consist of `stored` ones (by the plan's names), each number once."""
    missing: set[int] = set()
    numbered: dict[str, list[Array]] = {}
    start = 0
    for layer, own in understood.source.weights.items():
        numbered[layer] = []
        for each in own:
            numbered[layer].append(np.arange(start, start + each.array.size).reshape(each.shape))
            start += each.array.size
    values = {
        layer: [stored.get(f"{layer}:{n}", np.zeros(each.shape)) for n, each in enumerate(own)]
        for layer, own in understood.source.weights.items()
    }
    for layer, arrays in values.items():
        missing |= {id(array) for n, array in enumerate(arrays) if f"{layer}:{n}" not in stored}
    lookup, numbers = _lookup(understood, values), _lookup(understood, numbered)
    for name, weight in understood.program.state.items():
        if not weight.sources or any(id(lookup[key]) in missing for key in weight.sources):
            continue
        # What sums or scales stored numbers has no gradient that these would have, turned in the same way.
        places = _evaluated(weight, numbers, np.dtype(np.int64))
        if len(np.unique(places)) == places.size and {"sum"}.isdisjoint(weight.steps):
            yield name, _evaluated(weight, lookup, np.dtype(np.float64))


def _lookup(understood: Understood, arrays: Mapping[str, Sequence[Array]]) -> Lookup:
    weights = {
        layer: tuple(
            dataclasses.replace(weight, array=array) for weight, array in zip(own, arrays[layer], strict=True)
        )
        for layer, own in understood.source.weights.items()
    }
    source = dataclasses.replace(understood.source, weights=weights)
    return resolve(source, understood.graph, understood.program.expected)


def _evaluated(weight: Weight, arrays: Lookup, dtype: np.dtype[np.generic]) -> Array:
    blocks = [block.reshape(-1) for block in weight.blocks(arrays, dtype, 1 << 30)]
    return np.concatenate(blocks).reshape(weight.shape)


def _judged(
    pairs: Sequence[tuple[str, Array | None, Array]], case: str, limit: float
) -> Iterator[TensorFigures]:
    found = {key: difference(case, ours, theirs) for key, ours, theirs in pairs}
    largest = max((each.scale for each in found.values()), default=0.0)
    for key, each in found.items():
        scaled = dataclasses.replace(each, scale=max(each.scale, SMALLEST_GRADIENT * largest))
        (figure,) = figures([scaled], {case: limit})
        yield TensorFigures(name=key.removeprefix("weight-"), structure=figure)

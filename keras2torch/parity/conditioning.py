"""Whether a module is failed for what no rounding can explain, or because the model itself magnifies rounding.

Some models do: with untrained weights, a deep network turns one rounding error into a difference that no two
computers agree on. There the module itself, in float64, moves as far when its inputs move by 2^-52 of themselves.
"""

import math
from pathlib import Path

import numpy as np

from keras2torch.parity.arrays import logits_key, output_key, trace_key
from keras2torch.parity.report import Conditioning, Figure, ParityReport

AS_MUCH = 0.25
"""How much of a difference one rounding error of the inputs must make, for rounding to explain it: a model
makes many more on its way."""


def worth_asking(report: ParityReport) -> bool:
    """Whether a verdict is failed by matters of degree alone."""
    failed = _failed(report)
    return bool(failed) and all(figure.fault is None for _, figure in failed)


def conditioning(workdir: Path, report: ParityReport) -> Conditioning | None:
    """What the moved run in `workdir` tells of `report`; None if there is none, or no input could be moved."""
    failed = _failed(report)
    if not failed or not (workdir / "moved64").is_dir():
        return None
    moves = [_moves(workdir, key, figure) for key, figure in failed]
    if not any(moves):
        return None
    return Conditioning(
        moves=moves[0],
        ill_conditioned=all(
            move >= AS_MUCH * figure.error for move, (_, figure) in zip(moves, failed, strict=True)
        ),
    )


def _failed(report: ParityReport) -> list[tuple[str, Figure]]:
    """What fails in float64 by its key, the first departure first."""
    layers = [
        ((logits_key if each.before_activation else trace_key)(each.layer, each.call), each.structure)
        for each in report.layers
    ]
    outputs = [(output_key(number), each.structure) for number, each in enumerate(report.outputs)]
    return [(key, figure) for key, figure in (*layers, *outputs) if not figure.passed]


def _moves(workdir: Path, key: str, figure: Figure) -> float:
    """How far a tensor moves in the case where it is furthest off, relative to the same scale as its error."""
    with (
        np.load(workdir / "expected64" / f"{figure.case}.npz") as theirs,
        np.load(workdir / "actual64" / f"{figure.case}.npz") as ours,
        np.load(workdir / "moved64" / f"{figure.case}.npz") as moved,
        np.errstate(invalid="ignore"),
    ):
        off = np.nan_to_num(np.abs(ours[key] - theirs[key]), posinf=0.0).max()
        own = np.nan_to_num(np.abs(moved[key] - ours[key]), posinf=0.0).max()
    share = float(own / off)
    return figure.error * share if math.isfinite(share) else 0.0

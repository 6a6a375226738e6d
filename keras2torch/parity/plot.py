"""How errors grow with depth, as an SVG picture. No script, no reference to anything outside."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from keras2torch.errors import one_line
from keras2torch.parity.report import LayerFigures

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 24, 44
LOWEST, HIGHEST = -17, 1
"""Powers of ten between which errors are drawn; below lies "equal", above what is no matter of degree."""


def error_by_depth(layers: Sequence[LayerFigures], limit: float) -> str:
    """An `<svg>` with one mark a layer output: how far it is off, on a logarithmic axis, in order of execution.

    Marks that fail are crosses, not circles, so that colour is not needed to tell them. Pointing at one names it.
    """
    title = f"Float64 error of {len(layers)} layer outputs, in order of execution; the limit is {limit:g}"
    marks = "".join(
        _mark(figures, LEFT + (number + 0.5) * _step(layers)) for number, figures in enumerate(layers)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(_axes(len(layers)))}{_limit(limit)}{marks}</svg>"
    )


def _step(layers: Sequence[LayerFigures]) -> float:
    return (WIDTH - LEFT - RIGHT) / max(len(layers), 1)


def _height(error: float) -> float:
    power = HIGHEST if math.isinf(error) else math.log10(max(error, 10.0**LOWEST))
    share = (min(max(power, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(count: int) -> Iterator[str]:
    for power in range(LOWEST + 1, HIGHEST + 1, 4):
        y = _height(10.0**power)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">1e{power}</text>'
    y = _height(0.0)
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">equal</text>'
    yield f'<text class="tick" x="{LEFT}" y="{HEIGHT - 14}">first of {count} layer outputs</text>'
    yield f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end">last</text>'
    yield f'<text class="tick" x="{LEFT}" y="{TOP - 10}">error, as a share of the tensor\'s scale</text>'


def _limit(limit: float) -> str:
    y = _height(limit)
    return (
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="limit" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">limit {limit:g}</text>'
    )


def _mark(figures: LayerFigures, x: float) -> str:
    figure = figures.structure
    y = _height(figure.error)
    what = f"{figures.title}: {figure.fault or f'{figure.error:.1e}'}"
    what = f"<title>{escape(one_line(what))}</title>"
    if figure.passed:
        return f'<circle class="ok" cx="{x:.1f}" cy="{y:.1f}" r="3.5">{what}</circle>'
    strokes = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return f'<path class="bad" d="{strokes}">{what}</path>'

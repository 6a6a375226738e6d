"""Where a model that computes something else begins to."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras2torch.parity.causes import likely_cause
from keras2torch.parity.report import Departure, Figure, LayerFigures, OutputFigures


def first_departure(
    outputs: Sequence[OutputFigures],
    layers: Sequence[LayerFigures],
    classes: Mapping[str, str],
    options: Mapping[str, Mapping[str, Any]],
    cases: Sequence[str],
) -> Departure | None:
    """The first of `layers` (in order of execution) that fails, or else the first output; None when all
    agree.

    A fault in a layer that is not visible by itself shows in the next one that is: `last_good` bounds the
    search. `classes` and `options` are the layers' own, by path; `cases` the names of those that ran.
    """

    def departure(name: str, class_name: str, call: int, figure: Figure, *, activation: bool) -> Departure:
        own = options.get(name, {})
        return Departure(
            layer=name,
            class_name=class_name,
            call=call,
            case=figure.case,
            error=figure.error,
            fault=figure.fault,
            last_good=last_good,
            rms=figure.rms,
            scale=figure.scale,
            failed_in=figure.failed_in,
            options=own,
            likely_cause=likely_cause(class_name, own, figure, cases, activation=activation),
        )

    last_good: str | None = None
    given_to_activation: tuple[str, int] | None = None
    for figures in layers:
        this = (figures.layer, figures.call)
        if not figures.structure.passed:
            return departure(
                figures.layer,
                classes.get(figures.layer, "?"),
                figures.call,
                figures.structure,
                activation=given_to_activation == this,
            )
        if figures.before_activation:
            given_to_activation = this
        else:
            last_good = figures.layer
    for output in outputs:
        if not output.structure.passed:
            return departure(output.name, "output", 0, output.structure, activation=False)
    return None

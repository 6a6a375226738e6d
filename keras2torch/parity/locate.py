"""Where a model that computes something else begins to."""

from collections.abc import Mapping, Sequence

from keras2torch.parity.report import Departure, LayerFigures, OutputFigures


def first_departure(
    outputs: Sequence[OutputFigures], layers: Sequence[LayerFigures], classes: Mapping[str, str]
) -> Departure | None:
    """The first of `layers` (in order of execution) that fails, or else the first output; None when all
    agree.

    A fault in a layer that is not visible by itself shows in the next one that is: `last_good` bounds the
    search.
    """
    last_good: str | None = None
    for figures in layers:
        if not figures.structure.passed:
            return Departure(
                layer=figures.layer,
                class_name=classes.get(figures.layer, "?"),
                call=figures.call,
                case=figures.structure.case,
                error=figures.structure.error,
                fault=figures.structure.fault,
                last_good=last_good,
            )
        if not figures.before_activation:
            last_good = figures.layer
    for output in outputs:
        if not output.structure.passed:
            return Departure(
                layer=output.name,
                class_name="output",
                call=0,
                case=output.structure.case,
                error=output.structure.error,
                fault=output.structure.fault,
                last_good=last_good,
            )
    return None

"""The verdict as a table for people at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras2torch.errors import one_line
from keras2torch.parity.report import ParityReport


def print_report(report: ParityReport, console: Console, *, layers: bool = False) -> None:
    """Print one row an output, with `layers` one a layer too; then what to know, and the verdict in the last line.

    Colours where `console` is a terminal and NO_COLOR is not set. Names are a file's own, so none is taken for markup.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("tensor", "float64", "float32", "Keras float32", "scale", ""):
        table.add_column(column, justify="left" if column in {"tensor", ""} else "right")
    if layers:
        for layer in report.layers:
            figure = layer.structure
            table.add_row(
                _name(f"  {layer.title}"),
                _number(figure.error),
                "",
                "",
                _number(figure.scale),
                _tick(figure.passed),
            )
    for output in report.outputs:
        passed = output.structure.passed and output.deployment.passed
        errors = (
            output.structure.error,
            output.deployment.error,
            output.reference_error,
            output.structure.scale,
        )
        table.add_row(_name(output.name), *map(_number, errors), _tick(passed))
    console.print(table)

    def say(line: str, style: str = "") -> None:
        console.print(Text(one_line(line, limit=2000)), style=style, soft_wrap=True)

    say(report.extent)
    if report.keras_load_s is not None:
        steps = ", ".join(f"{step} {seconds:.1f}" for step, seconds in report.timings.items())
        say(
            f"took {sum(report.timings.values()):.1f} s ({steps}); Keras loads the model in {report.keras_load_s:.1f} s"
        )
    lines = [(line, "") for line in report.learnt]
    lines += [(note, "yellow") for note in report.notes]
    lines += [(f"warning: {warning}", "yellow") for warning in report.warnings]
    lines += [(f"failed: {failure}", "red") for failure in report.failures]
    for line, style in lines:
        say(line, style)
    if report.first_departure:
        for detail in report.first_departure.details():
            say(f"{report.first_departure.layer}: {detail}", "red")
    if report.conditioning:
        say(str(report.conditioning), "yellow")
    say(report.headline, "green" if report.passed else "bold red")


def _name(text: str) -> Text:
    return Text(one_line(text, limit=200))


def _number(value: float) -> str:
    return f"{value:.1e}"


def _tick(passed: bool) -> Text:
    return Text("ok", "green") if passed else Text("FAILED", "bold red")

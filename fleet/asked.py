"""What the operator asks of every conversion in a batch, checked before anything is listed or queued."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, Unpack

import typer

from fleet.errors import UsageError
from keras2torch import errors
from keras2torch.options import OPTIONS, Asked, ConversionOptions
from scheduler.selection import BadPattern, Selection

Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Only models whose key looks so, as resnet*.h5, prod/** or **/v2/*.h5; may be repeated.",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Not these, whatever --include says; may be repeated."),
]

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(command: Command) -> Command:
    """`command`, whose `**asked` are on the command line the options that can be meant for many models at once."""
    signature = inspect.signature(command)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    declared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[] if each.many else default,
            annotation=Annotated[
                bool if isinstance(default, bool) else list[str] if each.many else str | None,
                typer.Option(each.dashed(name), metavar=each.metavar, help=each.help),
            ],
        )
        for name, (each, default) in OPTIONS.items()
        if each.batch
    ]
    vars(command)["__signature__"] = signature.replace(parameters=[*own, *declared])
    return command


def selection_of(
    include: list[str] | None, exclude: list[str] | None, *, only_needed: bool = False
) -> Selection:
    """What to take of a listing.

    Raises:
        UsageError: a pattern that is none.
    """
    try:
        return Selection(include=tuple(include or ()), exclude=tuple(exclude or ()), only_needed=only_needed)
    except BadPattern as error:
        raise UsageError(str(error)) from error


def export_formats(text: str) -> tuple[str, ...]:
    """The formats in `text`, as "pt2,onnx", in the one order they have.

    Raises:
        UsageError: a format that there is not, or one whose packages are not installed.
    """
    from keras2torch.exports import formats_of

    try:
        return formats_of([each.strip() for each in text.split(",") if each.strip()])
    except errors.UsageError as error:
        raise UsageError(str(error)) from error


def conversion_options(**asked: Unpack[Asked]) -> ConversionOptions:
    """The options, with the architecture's file read.

    Raises:
        UsageError: a value that would be refused in every job.
    """
    # Brings numpy, which no other command of the operator's waits for.
    from keras2torch.source.architecture import checked
    from keras2torch.source.limits import Limits

    try:
        options = ConversionOptions.of(**asked)
        Limits.of(options.limits)
        if options.architecture is not None:
            options = dataclasses.replace(options, architecture=checked(options.architecture))
    except errors.UsageError as error:
        raise UsageError(str(error)) from error
    return options

"""What the operator asks of every conversion in a batch, checked before anything is listed or queued."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from fleet.errors import UsageError
from keras2torch import errors
from keras2torch.options import ConversionOptions
from keras2torch.source.architecture import checked
from keras2torch.source.limits import Limits


def conversion_options(
    *,
    io_layout: str = "torch",
    backend: str | None = None,
    input_shape: Sequence[str] = (),
    architecture: str | Path | None = None,
    limits: Sequence[str] = (),
) -> ConversionOptions:
    """The options, with the architecture's file read.

    Raises:
        UsageError: a value that would be refused in every job.
    """
    try:
        options = ConversionOptions.of(
            io_layout=io_layout,
            backend=backend,
            input_shape=input_shape,
            architecture=architecture,
            limits=limits,
        )
        Limits.of(options.limits)
        if options.architecture is not None:
            options = dataclasses.replace(options, architecture=checked(options.architecture))
    except errors.UsageError as error:
        raise UsageError(str(error)) from error
    return options

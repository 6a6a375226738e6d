"""What may be asked of every conversion in a batch, as the command's options say it."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from dashboard.api.parameters import NO_ZERO, ApiModel
from dashboard.problems import Problem
from dashboard.services import BadOptions, Services
from scheduler.selection import BadPattern, Selection

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_ZERO)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_ZERO)]


class Options(ApiModel):
    """As of `keras2torch convert`; what is left out has its default. Files of code cannot be named here."""

    io_layout: Literal["torch", "keras"] | None = None
    style: Literal["blocks", "flat"] | None = None
    backend: Literal["tensorflow", "theano"] | None = None
    input_shape: list[_Word] = Field(default_factory=list, max_length=100)
    """`1=32,32,3`: what an input takes, for models that do not say."""
    architecture: Annotated[str, StringConstraints(pattern=r"^applications:\w{1,100}$")] | None = None
    """What files of weights are the weights of: `applications:ResNet50`."""
    limits: list[_Word] = Field(default_factory=list, max_length=100)
    """`layers=20000`: other limits on what a file may ask for."""
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    fuse_batchnorm: bool = False
    hub_mixin: bool = False
    export: list[Literal["pt2", "onnx"]] = Field(default_factory=list, max_length=2)
    """Formats that are written beside the module."""


class Taken(ApiModel):
    """Which objects of a source are taken."""

    include: list[Pattern] = Field(default_factory=list, max_length=100)
    """`resnet*.h5`, `prod/**`: only keys that look so."""
    exclude: list[Pattern] = Field(default_factory=list, max_length=100)
    """Not these, whatever `include` says."""
    only_needed: bool = False
    """Leave out what an older converter dealt with, unless it failed then."""


def recipe_of(services: Services, options: Options) -> dict[str, Any]:
    """The options as a recipe has them.

    Raises: Problem: values that would be refused in every job.
    """
    asked = {name: value for name, value in options.model_dump(exclude={"export"}).items() if value}
    export = [each for each in ("pt2", "onnx") if each in options.export]
    try:
        return dict(services.recipe(asked, export))
    except BadOptions as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def selection_of(taken: Taken) -> Selection:
    """The selection.

    Raises: Problem: a pattern that is none.
    """
    try:
        return Selection(
            include=tuple(taken.include), exclude=tuple(taken.exclude), only_needed=taken.only_needed
        )
    except BadPattern as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

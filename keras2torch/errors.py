"""Every way a model can be refused. The docstring of a class is its message; the data rides on the exception."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar


def _kebab(name: str) -> str:
    """`NotHDF5` -> `not-hdf5`, `NotAKerasModel` -> `not-a-keras-model`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def one_line(text: str, limit: int = 500) -> str:
    """Make any text from a file safe for one line of a terminal or a log: no control characters, bounded."""
    safe = text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


class Keras2TorchError(Exception):
    """Conversion failed."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | None = None, *, file: str | None = None, spot: str | None = None):
        self.message = one_line(message or (self.__doc__ or "").splitlines()[0])
        self.file = file
        self.spot = spot
        super().__init__(self.message)

    @property
    def kind(self) -> str:
        """Stable machine name of this refusal, for job tables and filters."""
        return _kebab(type(self).__name__)

    def __str__(self) -> str:
        where = [one_line(part) for part in (self.file, self.spot) if part]
        return ": ".join([*where, self.message])

    def in_file(self, file: str) -> Keras2TorchError:
        """The same error, naming the file, for callers that know it better than the place that raised."""
        self.file = self.file or file
        return self


class CannotWrite(Keras2TorchError):
    """The output cannot be written."""


class UsageError(Keras2TorchError):
    """The command was called with arguments that cannot be used together."""

    exit_code = 2


class RefusedFile(Keras2TorchError):
    """The file is not a Keras model that can be read."""

    exit_code = 3


class Unreadable(RefusedFile):
    """The file cannot be opened."""


class NotHDF5(RefusedFile):
    """Not an HDF5 file."""


class Truncated(RefusedFile):
    """The file is truncated."""


class DamagedHDF5(RefusedFile):
    """The HDF5 structure is damaged or uses a feature that Keras never writes."""


class DamagedZip(RefusedFile):
    """The zip archive is damaged, or is no .keras model."""


class WeightsOnly(RefusedFile):
    """Holds weights but no architecture."""


class NotAKerasModel(RefusedFile):
    """An HDF5 file without a Keras model in it."""


class BadConfig(RefusedFile):
    """The model configuration cannot be used."""


class ForbiddenLink(RefusedFile):
    """A link that is not a plain hard link."""


class ForbiddenStorage(RefusedFile):
    """A dataset stored in a way Keras never writes."""


class LimitExceeded(RefusedFile):
    """The file goes past a safety limit."""


class MissingWeight(RefusedFile):
    """A weight that the configuration asks for is not in the file."""


class WrongShape(RefusedFile):
    """A weight has another shape than the configuration asks for."""


class BadWeight(RefusedFile):
    """A weight holds numbers that cannot be computed with."""


class UnexpectedWeight(RefusedFile):
    """The file holds a weight that the configuration has no place for."""


@dataclass(frozen=True)
class Reason:
    """One thing in a model that cannot be converted, and what to do about it."""

    kind: str
    layer: str
    class_name: str
    message: str
    option: str | None = None

    def __str__(self) -> str:
        return one_line(f"{self.layer} ({self.class_name}): {self.message}")

    def as_json(self) -> dict[str, str | None]:
        return asdict(self)


class LayerRefused(Exception):
    """Raised inside a layer rule; collected into `UnsupportedModel`, so that all refusals are reported at once."""

    kind: ClassVar[str] = "unsupported-layer"

    def __init__(self, message: str, option: str | None = None):
        self.message = message
        self.option = option
        super().__init__(message)


class UnsupportedOption(LayerRefused):
    """An option of a layer has no exact meaning in PyTorch, or none that is known here."""

    kind = "unsupported-option"


class UnsupportedMask(LayerRefused):
    """A mask reaches a layer whose way of using it is not known here."""

    kind = "unsupported-mask"


class UnsupportedModel(Keras2TorchError):
    """The model uses something that cannot be converted exactly."""

    exit_code = 4

    def __init__(self, reasons: Sequence[Reason], *, file: str | None = None):
        self.reasons = tuple(reasons)
        first = str(self.reasons[0]) if self.reasons else "unknown reason"
        more = f" (and {len(self.reasons) - 1} more)" if len(self.reasons) > 1 else ""
        super().__init__(first + more, file=file)


class CannotExport(Keras2TorchError):
    """The module cannot be exported to the format that was asked for."""

    exit_code = 4


class ParityFailed(Keras2TorchError):
    """The converted module does not compute what the Keras model computes."""

    exit_code = 5

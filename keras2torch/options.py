"""What a caller may ask of a conversion: checked once, recorded in the manifest, so that verifying reads alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from keras2torch.errors import UsageError

IO_LAYOUTS = ("torch", "keras")


@dataclass(frozen=True)
class ConversionOptions:
    """Raises `UsageError` for a value that means nothing."""

    io_layout: str = "torch"
    """"torch" turns rank-4/5 channels-last inputs and outputs channels-first, "keras" keeps Keras's axes."""

    def __post_init__(self) -> None:
        if self.io_layout not in IO_LAYOUTS:
            raise UsageError(f"io_layout is {self.io_layout!r}, not one of {', '.join(IO_LAYOUTS)}")

    @classmethod
    def from_json(cls, recorded: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(**recorded)

    def as_json(self) -> dict[str, Any]:
        """The layout, and whatever else was asked for."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name == "io_layout" or getattr(self, field.name) != field.default
        }

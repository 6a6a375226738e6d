"""What a caller may ask of a conversion: checked once, recorded in the manifest, so that verifying reads alike."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from keras2torch.errors import UsageError

IO_LAYOUTS = ("torch", "keras")


@dataclass(frozen=True)
class UserFile:
    """A Python file of the caller's, as it was when it was named."""

    path: Path
    sha256: str

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Raises `UsageError` for a file that cannot be read."""
        path = Path(path)
        try:
            return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", file=str(path)) from error

    def as_json(self) -> dict[str, str]:
        return {"file": self.path.name, "sha256": self.sha256}


@dataclass(frozen=True)
class Replacement:
    """A torch class of the caller's that takes the place of one layer."""

    layer: str
    """Name of the layer, or its path where it stands in a nested model ("encoder/scale")."""
    class_name: str
    file: UserFile

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME=file.py:ClassName`. Raises `UsageError`."""
        layer, equals, place = text.rpartition("=")
        path, colon, class_name = place.rpartition(":")
        if not (layer and equals and path and colon and class_name.isidentifier()):
            raise UsageError(f"{text!r} is not NAME=file.py:ClassName")
        return cls(layer, class_name, UserFile.read(path))

    def as_json(self) -> dict[str, str]:
        return {"layer": self.layer, "class": self.class_name, **self.file.as_json()}


@dataclass(frozen=True)
class ConversionOptions:
    """Raises `UsageError` for a value that means nothing."""

    io_layout: str = "torch"
    """"torch" turns rank-4/5 channels-last inputs and outputs channels-first, "keras" keeps Keras's axes."""
    layers: tuple[UserFile, ...] = ()
    """Files with rules for layers of the caller's own."""
    replace: tuple[Replacement, ...] = ()

    def __post_init__(self) -> None:
        if self.io_layout not in IO_LAYOUTS:
            raise UsageError(f"io_layout is {self.io_layout!r}, not one of {', '.join(IO_LAYOUTS)}")
        names = [replacement.layer for replacement in self.replace]
        if len(set(names)) != len(names):
            raise UsageError("a layer is to be replaced twice")

    @classmethod
    def from_json(
        cls,
        recorded: Mapping[str, Any],
        *,
        layers: Sequence[UserFile] = (),
        replace: Sequence[Replacement] = (),
    ) -> Self:
        """What `as_json` gave, with the caller's own files, which a manifest does not hold.

        Raises `UsageError` where they are not the files that were recorded.
        """
        others = {key: value for key, value in recorded.items() if key not in ("layers", "replace")}
        options = cls(**others, layers=tuple(layers), replace=tuple(replace))
        now = options.as_json()
        for key in ("layers", "replace"):
            if now.get(key, []) != recorded.get(key, []):
                names = ", ".join(entry["file"] for entry in recorded.get(key, []))
                raise UsageError(
                    f"the bundle was made {f'with --{key} of {names}' if names else f'without --{key}'}: "
                    "verifying needs the same, unchanged"
                )
        return options

    def as_json(self) -> dict[str, Any]:
        """The layout, and whatever else was asked for."""
        found: dict[str, Any] = {"io_layout": self.io_layout}
        if self.layers:
            found["layers"] = [file.as_json() for file in self.layers]
        if self.replace:
            found["replace"] = [replacement.as_json() for replacement in self.replace]
        return found

"""The architecture of a weights-only file: JSON as `model.to_json()` gives it, or a name out of keras.applications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import BadConfig
from keras2torch.options import Architecture
from keras2torch.source.applications import application
from keras2torch.source.generation import generation_of
from keras2torch.source.h5file import H5File
from keras2torch.source.jsontext import parse_object
from keras2torch.source.keras_zip import with_own_classes
from keras2torch.source.limits import Limits
from keras2torch.source.model import Generation


@dataclass(frozen=True)
class Described:
    """An architecture that has been read; `text` is the JSON it came from."""

    text: bytes
    config: Mapping[str, Any]
    generation: Generation
    keras_version: str | None
    backend: str | None


def described_by(architecture: Architecture, limits: Limits, file: H5File) -> Described:
    """Read `architecture`, which is for the weights in `file`. Raises `RefusedFile`, or `UsageError`."""
    text = architecture.text if architecture.text is not None else application(architecture, file)
    config = parse_object(text, limits)
    version, backend = config.get("keras_version"), config.get("backend")
    if any(value is not None and not isinstance(value, str) for value in (version, backend)):
        raise BadConfig("the architecture's keras_version and backend are no text", spot=architecture.name)
    if version is None and "module" in config:
        # Keras 3 does not write it. Before, only the whole-model zip had modules, which no to_json gives.
        version = "3"
    config = with_own_classes(config)
    return Described(text, config, generation_of(version, config), version, backend)

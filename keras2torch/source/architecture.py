"""The architecture of a weights-only file: JSON as `model.to_json()` gives it, or a name out of keras.applications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import BadConfig, RefusedFile, UsageError
from keras2torch.options import Architecture
from keras2torch.source.applications import PREFIX, application, known_name
from keras2torch.source.generation import generation_of
from keras2torch.source.h5file import H5File
from keras2torch.source.jsontext import parse_object
from keras2torch.source.keras_zip import with_own_classes
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Generation


@dataclass(frozen=True)
class Described:
    """An architecture that has been read; `text` is the JSON it came from."""

    text: bytes
    config: Mapping[str, Any]
    generation: Generation
    keras_version: str | None
    backend: str | None


def checked(architecture: Architecture) -> Architecture:
    """`architecture` as it is to be recorded before there are weights for it, to be used for many files.

    Raises `UsageError` for what would be refused beside any file.
    """
    if architecture.text is None:
        return Architecture(PREFIX + known_name(architecture), None)
    try:
        model = parse_object(architecture.text, DEFAULT)
        described = _described(architecture, architecture.text, model)
    except RefusedFile as error:
        raise UsageError(f"no architecture: {error.message}", file=architecture.name) from error
    if not isinstance(described.config.get("class_name"), str) or not described.config.get("config"):
        raise UsageError(
            "no architecture: model.to_json() gives a class_name and a config", file=architecture.name
        )
    return architecture


def described_by(architecture: Architecture, limits: Limits, file: H5File) -> Described:
    """Read `architecture`, which is for the weights in `file`. Raises `RefusedFile`, or `UsageError`."""
    text = architecture.text if architecture.text is not None else application(architecture, file)
    return _described(architecture, text, parse_object(text, limits))


def _described(architecture: Architecture, text: bytes, config: Mapping[str, Any]) -> Described:
    version, backend = config.get("keras_version"), config.get("backend")
    if any(value is not None and not isinstance(value, str) for value in (version, backend)):
        raise BadConfig("the architecture's keras_version and backend are no text", spot=architecture.name)
    if version is None and "module" in config:
        # Keras 3 does not write it. Before, only the whole-model zip had modules, which no to_json gives.
        version = "3"
    config = with_own_classes(config)
    return Described(text, config, generation_of(version, config), version, backend)

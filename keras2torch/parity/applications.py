"""Where the reference libraries keep the layers of keras.applications, which are in no `layers` of theirs."""

import importlib
from typing import Any

HOMES = {
    "CustomScaleLayer": "inception_resnet_v2",
    "LayerScale": "convnext",
    "StochasticDepth": "convnext",
}
"""Class name -> module of `applications`."""


def application_class(library: str, class_name: str) -> Any | None:
    """The library's own class, or None for what is no layer of its applications."""
    home = HOMES.get(class_name)
    return home and getattr(importlib.import_module(f"{library}.src.applications.{home}"), class_name)


def application_classes(library: str) -> dict[str, Any]:
    """All of them by name: `custom_objects` of the library."""
    return {name: application_class(library, name) for name in HOMES}

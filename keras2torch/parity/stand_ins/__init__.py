"""Layers that a reference library lacks, or has wrong, built anew for it: by class name, one decorated function each.

What such a layer computes is our reading of its Keras, not Keras's own code, so a model with one is said to be judged
against a *constructed* reference. A stand-in is made for either library (as `channels_first_class` is), takes the
options that the layer's rule read, and holds its weights in the order in which Keras stored them.

The modules of this package are found by walking it: a stand-in is added by writing its function in one of them.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from keras2torch.parity.library import Library

LIBRARIES = ("keras", "tf_keras")

Make = Callable[[Library], Any]
"""Makes the layer class, given the library it is to be a layer of."""


@dataclass(frozen=True)
class StandIn:
    """`why` completes "constructed, not loaded: ..."; `libraries` are those whose own class is absent or wrong."""

    class_name: str
    why: str
    libraries: tuple[str, ...]
    make: Make


_STAND_INS: dict[str, StandIn] = {}


def stand_in(class_name: str, *, why: str, libraries: tuple[str, ...] = LIBRARIES) -> Callable[[Make], Make]:
    """Register the decorated function as the maker of the class that stands for `class_name`."""

    def register(make: Make) -> Make:
        if class_name in _STAND_INS:
            raise ValueError(f"{class_name} has a stand-in already")
        _STAND_INS[class_name] = StandIn(class_name, why, libraries, make)
        return make

    return register


@cache
def _all() -> Mapping[str, StandIn]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _STAND_INS


def standing_in(class_name: str, library: str) -> StandIn | None:
    """What stands for this class in the library of that name, or None where its own serves."""
    found = _all().get(class_name)
    return found if found is not None and library in found.libraries else None


def stand_in_classes(library: Library) -> dict[str, Any]:
    """Every class that stands in for one of this library, by name: its `custom_objects`."""
    return {name: entry.make(library) for name, entry in _all().items() if library.name in entry.libraries}


def constructed(classes: Mapping[str, Iterable[str]], library: str) -> list[dict[str, str]]:
    """What a report says of the layers that were constructed. `classes`: layer path -> class names in that layer."""
    return [
        {"layer": path, "class_name": name, "why": entry.why}
        for path, names in classes.items()
        for name in dict.fromkeys(names)
        if (entry := standing_in(name, library)) is not None
    ]

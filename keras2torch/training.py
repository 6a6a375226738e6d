"""How a model was trained in Keras, as far as its file says and its module does not: plain, bounded values.

They stand in the manifest and in the card, for whoever trains on. Everything here comes from a file of a stranger's:
texts are cut and made printable, what is no plain value is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from keras2torch.errors import one_line
from keras2torch.graph.model import Graph
from keras2torch.source.compiled import Compiled

_KINDS = ("_regularizer", "_constraint", "_initializer")
_LONGEST = 160
_MOST_SETTINGS = 24
_MOST_OUTPUTS = 64
_MOST_OPTIONS = 200
_DEEPEST = 3
_NO_SETTINGS = ("name", "seed")


def training_notes(compiled: Compiled, graph: Graph) -> dict[str, Any]:
    """What is known, under those of the keys `optimizer`, `loss`, `unreadable`, `frozen` and `options` that apply.

    `optimizer` has `name` and `settings`, `loss` is a text, or one for each output; `options` has an entry for each
    regularizer, constraint and initializer, with the layers that have it.
    """
    notes: dict[str, Any] = {}
    if isinstance(compiled, str):
        notes["unreadable"] = one_line(compiled, _LONGEST)
    elif compiled is not None:
        optimizer = _optimizer(compiled.get("optimizer_config") or compiled.get("optimizer"))
        if optimizer:
            notes["optimizer"] = optimizer
        loss = _loss(compiled.get("loss"))
        if loss:
            notes["loss"] = loss
    frozen = [path for path, layer in graph.layers.items() if not layer.trainable]
    if frozen:
        notes["frozen"] = frozen
    options = _options(graph)
    if options:
        notes["options"] = options
    return notes


def describe(value: Any, depth: int = 0) -> str:
    """An object of a configuration as Keras's users write it, `L2(l2=0.01)`; "" for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool | int | str):
        return one_line(str(value), _LONGEST)
    if isinstance(value, float):
        return repr(_as_typed(value))
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, list | tuple):
        return one_line(
            f"[{', '.join(describe(item, depth + 1) for item in value[:_MOST_SETTINGS])}]", _LONGEST
        )
    if isinstance(value, Mapping):
        return one_line(_object(value, depth), _LONGEST)
    return "…"


def _object(value: Mapping[str, Any], depth: int) -> str:
    name, config = value.get("class_name"), value.get("config")
    if not isinstance(name, str):
        return "…"
    if name == "function" and isinstance(config, str):
        return config
    settings = [
        f"{one_line(str(key), 40)}={describe(item, depth + 1)}"
        for key, item in (config.items() if isinstance(config, Mapping) else ())
        if item is not None and key not in _NO_SETTINGS
    ]
    return f"{_plain_name(name)}({', '.join(settings[:_MOST_SETTINGS])})"


def _plain_name(name: str) -> str:
    """tf.keras registered its own optimizers as `Custom>Adam`."""
    return one_line(name.removeprefix("Custom>"), 80)


def _as_typed(value: float) -> float:
    """0.001 for what Keras stored as the float32 nearest to it."""
    with np.errstate(over="ignore"):
        narrow = np.float32(value)
    return float(str(narrow)) if float(narrow) == value else value


def _optimizer(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": one_line(value, 80), "settings": {}}
    if not isinstance(value, Mapping) or not isinstance(value.get("class_name"), str):
        return {}
    config = value.get("config")
    settings: dict[str, Any] = {}
    for key, item in config.items() if isinstance(config, Mapping) else ():
        if item is not None and key not in _NO_SETTINGS and len(settings) < _MOST_SETTINGS:
            name = "learning_rate" if key == "lr" else one_line(str(key), 40)  # its old name
            plain = isinstance(item, bool | int)
            settings[name] = item if plain else _as_typed(item) if isinstance(item, float) else describe(item)
    return {"name": _plain_name(value["class_name"]), "settings": settings}


def _loss(value: Any) -> str | list[str] | dict[str, str]:
    if isinstance(value, Mapping) and "class_name" not in value:
        named = list(value.items())[:_MOST_OUTPUTS]
        return {one_line(str(key), 80): describe(item) for key, item in named}
    if isinstance(value, list):
        return [describe(item) for item in value[:_MOST_OUTPUTS]]
    return describe(value)


def _options(graph: Graph) -> list[dict[str, Any]]:
    """Each option at each value, with the paths of the layers that have it there; the first 200 of them."""
    found: dict[tuple[str, str], list[str]] = {}
    for path, layer in graph.layers.items():
        for option, value in _told(layer.class_name, layer.config, ""):
            if (option, value) not in found and len(found) == _MOST_OPTIONS:
                continue
            layers = found.setdefault((option, value), [])
            if path not in layers[-1:]:
                layers.append(path)
    kinds = sorted(found, key=lambda key: next(n for n, kind in enumerate(_KINDS) if key[0].endswith(kind)))
    return [{"option": option, "value": value, "layers": found[option, value]} for option, value in kinds]


def _told(class_name: str, config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """(option, value) of a layer, and of the layers in its configuration."""
    if class_name == "ActivityRegularization":
        both = ", ".join(f"{key}={describe(config[key])}" for key in ("l1", "l2") if config.get(key))
        yield f"{prefix}activity_regularizer", f"L1L2({both})"
    for key, value in config.items():
        if key.endswith(_KINDS) and not key.startswith("moving_"):
            text = describe(value)
            if text:
                yield f"{prefix}{one_line(key, 60)}", text
        elif isinstance(value, Mapping) and not prefix:
            inner, inside = value.get("class_name"), value.get("config")
            if isinstance(inner, str) and isinstance(inside, Mapping):
                yield from _told(inner, inside, f"{one_line(key, 40)}.")

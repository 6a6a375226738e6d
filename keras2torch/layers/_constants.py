"""Numbers that stand in a layer's configuration, as buffers of the module."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras2torch.errors import UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Array
from keras2torch.weights import Weight


def constant(array: Array) -> Weight:
    return Weight.constant(np.ascontiguousarray(array), "from the layer's configuration")


def numbers(layer: LayerCall, option: str, **default: Any) -> Array:
    """An option that is a number or nested lists of numbers, in Keras 3 perhaps as a serialised array."""
    value = layer.options.take(option, **default)
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        value = config.get("value") if isinstance(config, dict) else None
    if not _is_nested_numbers(value):
        raise UnsupportedOption(f"option {option} is neither a number nor a list of numbers", option)
    try:
        array = np.asarray(value, np.float64)
    except ValueError as error:
        raise UnsupportedOption(f"option {option} is a ragged list", option) from error
    if not np.isfinite(array).all() or not array.size:
        raise UnsupportedOption(f"option {option} holds what is no finite number", option)
    return array


def _is_nested_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_nested_numbers(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)

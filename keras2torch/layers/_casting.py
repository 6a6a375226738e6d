"""Integers to floating point, for layers that Keras lets compute on either."""

from __future__ import annotations

import numpy as np

from keras2torch.emit.code import Value
from keras2torch.layers._call import LayerCall
from keras2torch.weights import Weight


def is_float(value: Value) -> bool:
    return value.dtype.startswith(("float", "bfloat"))


def as_float(layer: LayerCall, value: Value) -> Value:
    """`value` in the type the model computes in, which is known only when the model is loaded."""
    if is_float(value):
        return value
    unit = Weight.constant(np.ones((), np.float32), "a one, whose type is the model's")
    cast = layer.module(layer.part("AsFloat"), state={"unit": unit}, suffix="as_float")
    return layer.like(value, cast(value), dtype="float32")

"""Operations in the form in which the layers are listed, for whoever reads both."""

from __future__ import annotations

from typing import Any

from keras2torch.operations._registry import Dialect, Operation, operations
from keras2torch.source.model import Generation

_PREFIX = {Dialect.TF: "tf.", Dialect.KERAS3: "keras.ops.", Dialect.NODE: "node "}
_GENERATION = {
    Dialect.TF: Generation.TF_KERAS,
    Dialect.KERAS3: Generation.KERAS3,
    Dialect.NODE: Generation.TF_KERAS,
}


def rows() -> list[dict[str, Any]]:
    """Every operation, by family, then by name: `classes` are its names, "tf.math.add" or "keras.ops.numpy.Add", and
    "node AddV2" for one of a TensorFlow graph.
    """
    return [_row(each) for each in operations()]


def _row(operation: Operation) -> dict[str, Any]:
    known = {_GENERATION[dialect] for dialect, each in operation.names.items() if each}
    return {
        "kind": "operation",
        "classes": [
            f"{_PREFIX[dialect]}{spelling.name}"
            for dialect, each in operation.names.items()
            for spelling in each
        ],
        "family": operation.family,
        "generations": [each.value for each in Generation if each in known],
        "status": "converted",
        "torch": operation.torch,
        "reason": None,
        "masks": "stop",
        "examples": len(operation.examples),
    }

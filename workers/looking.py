"""What runs in the engine's sandbox to look at a model that mostly stays where it is.

The caller fills in the stretches that are asked for by `progress`, and lets the file `arrived` grow by a byte for each.
"""

import os
import time
from pathlib import Path
from typing import Any

import keras2torch
from keras2torch import errors
from keras2torch.layers import _registry
from keras2torch.sandbox import progress
from keras2torch.source.arriving import bringing

#: Loading the rules takes longer than looking at a small model.
PRELOADED = _registry.rules()

BLOCK = 8 << 10
"""Bytes that are asked for at least, and where requests begin and end."""
_AHEAD = 8
_LONGEST_PAUSE = 0.005


def look(payload: dict[str, Any]) -> dict[str, Any]:
    """Inspect `source`, of which the blocks `there` have come already; `name` is what it is called in messages.

    Returns the layer classes and reasons of an inspection, or `{"refused": {...}}`.
    """
    source = Path(payload["source"])
    blocks = _Blocks(source.stat().st_size, set(payload["there"]), Path(payload["arrived"]))
    try:
        with bringing(blocks.need):
            found = keras2torch.inspect(source, **payload["options"])
    except errors.Keras2TorchError as error:
        error.file = payload["name"]
        return {"refused": {"kind": error.kind, "message": str(error)}}
    return {
        "layers": dict(found.layers),
        "reasons": [[reason.kind, reason.class_name] for reason in found.reasons],
    }


class _Blocks:
    def __init__(self, size: int, there: set[int], arrived: Path) -> None:
        self._last = (size - 1) // BLOCK
        self._there = there
        self._arrived = arrived
        self._asked = 0
        self._behind = -1

    def need(self, start: int, stop: int) -> None:
        if stop <= start:
            return
        wanted = [n for n in range(start // BLOCK, (stop - 1) // BLOCK + 1) if n not in self._there]
        if not wanted:
            return
        first, last = wanted[0], wanted[-1]
        if first == self._behind:
            # Whoever reads on will read on.
            last = min(max(last, first + _AHEAD), self._last)
        self._behind = last + 1
        progress(need=[first * BLOCK, (last + 1) * BLOCK])
        self._asked += 1
        pause = 0.0002
        while os.stat(self._arrived).st_size < self._asked:  # noqa: PTH116
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._there.update(range(first, last + 1))

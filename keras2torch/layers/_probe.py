"""Runs a torch class of the caller's on empty tensors, to learn the shapes of what it yields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from keras2torch.errors import UsageError

Port = tuple[tuple[int | None, ...], str]
"""A Keras shape, batch axis first, None where it is open, and a dtype."""

_EXTENTS = ((2, 16, 24, 32), (3, 20, 28, 36))
"""Of the batch, and of the first, second, third open axis, in two runs."""


class Probe:
    """One class. `file` is named in errors."""

    def __init__(self, kind: Any, file: str):
        self._file = file
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise UsageError(f"{getattr(kind, '__name__', kind)!r} is no class of torch.nn.Module", file=file)
        self._kind = kind
        try:
            self._module = kind().eval()
        except Exception as error:
            raise UsageError(
                f"{kind.__name__}() cannot be constructed without arguments ({type(error).__name__}: {error})",
                file=file,
            ) from error

    def check_state(self, stored: Mapping[str, tuple[int, ...]]) -> None:
        """Raises `UsageError` unless parameters and buffers are exactly the `stored` weights."""
        own = {name: tuple(tensor.shape) for name, tensor in self._module.state_dict().items()}
        if own != dict(stored):
            raise UsageError(
                f"{self._kind.__name__} has the tensors {_listed(own)}, the Keras layer {_listed(stored)}",
                file=self._file,
            )

    def outputs(self, inputs: Sequence[Port]) -> list[Port]:
        """Shape and dtype of each output. Raises `UsageError` where the module does not run."""
        first, second = (self._run(inputs, extents) for extents in _EXTENTS)
        return [
            (
                tuple(m if m == n else None for m, n in zip(a.shape, b.shape, strict=True)),
                str(a.dtype).removeprefix("torch."),
            )
            for a, b in zip(first, second, strict=True)
        ]

    def _run(self, inputs: Sequence[Port], extents: tuple[int, ...]) -> list[torch.Tensor]:
        tensors = []
        for shape, dtype in inputs:
            choice = iter(extents[1:])
            sizes = [extents[0], *(next(choice) if n is None else n for n in shape[1:])]
            tensors.append(torch.zeros(sizes, dtype=getattr(torch, dtype)))
        try:
            with torch.inference_mode():
                result = self._module(*tensors)
        except Exception as error:
            shown = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            raise UsageError(
                f"{self._kind.__name__} does not run on {shown} ({type(error).__name__}: {error})",
                file=self._file,
            ) from error
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        if not outputs or any(not isinstance(each, torch.Tensor) or each.ndim == 0 for each in outputs):
            raise UsageError(
                f"{self._kind.__name__} does not yield tensors with a batch axis", file=self._file
            )
        return outputs


def _listed(tensors: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in tensors.items()) or "none"

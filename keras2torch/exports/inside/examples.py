"""Inputs for a module that is to be exported, and for comparing what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

SIZES: tuple[tuple[int, ...], ...] = (
    (64, 96, 16),
    (37, 45, 11),
    (96, 64, 32),
    (128, 160, 64),
    (224, 192, 32),
    (7, 9, 5),
)
"""What to try for the first, second, third open extent of an input: not every model takes every size."""

BATCHES = (3, 1)
"""How many samples the two comparisons have. Exporting sees the first: torch takes a one for a constant."""

_KEEPING_VALUES = frozenset(
    {
        "aten.alias.default", "aten.clone.default", "aten.contiguous.default", "aten.flatten.using_ints",
        "aten.permute.default", "aten.reshape.default", "aten.select.int", "aten.slice.Tensor", "aten.squeeze.dim",
        "aten.to.dtype", "aten._to_copy.default", "aten.transpose.int", "aten.unsqueeze.default", "aten.view.default",
    }
)  # fmt: skip
"""What may stand between an input and the table that its numbers are looked up in."""


@dataclass(frozen=True)
class Port:
    """An input as the manifest has it: what `forward` calls it, dtype, and shape in torch's axes (None: open)."""

    name: str
    dtype: torch.dtype
    shape: tuple[int | None, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any], name: str) -> Port:
        return cls(name, getattr(torch, entry["dtype"]), tuple(entry["torch_shape"]))

    @property
    def open_extents(self) -> list[int]:
        """The axes behind the batch that are open."""
        return [axis for axis, extent in enumerate(self.shape) if axis and extent is None]

    def extents(self, batch: int, sizes: Sequence[int]) -> list[int]:
        """A shape of numbers only. The first open extents of all inputs are equal: models join what comes of them."""
        rest = iter(sizes)
        whole = [next(rest) if axis and extent is None else extent for axis, extent in enumerate(self.shape)]
        return [extent or batch for extent in whole]


def zeros(ports: Sequence[Port], batch: int, sizes: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """What every model takes, of any meaning: an id of zero is in any table."""
    return tuple(torch.zeros(port.extents(batch, sizes), dtype=port.dtype) for port in ports)


def accepted_sizes(model: nn.Module, ports: Sequence[Port]) -> list[tuple[int, ...]]:
    """The first two sizes of open extents that the module itself can run, all the same one if nothing is open.

    Raises what the module raises where it can run none.
    """
    if not any(port.open_extents for port in ports):
        return [(), ()]
    found: list[tuple[int, ...]] = []
    problem: Exception | None = None
    for sizes in SIZES:
        try:
            model(*zeros(ports, BATCHES[0], sizes))
            found.append(sizes)
        except (RuntimeError, ValueError, IndexError) as error:
            problem = problem or error
        if len(found) == 2:
            return found
    if not found and problem is not None:
        raise problem
    return found * 2


def vocabularies(program: torch.export.ExportedProgram, count: int) -> list[int | None]:
    """How many rows the table has in which an input's numbers are looked up, if they are, for each of `count`
    inputs.
    """
    users = set(program.graph_signature.user_inputs)
    placeholders = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in users]
    return [min(_rows_read_with(node), default=None) for node in placeholders[:count]]


def _rows_read_with(node: torch.fx.Node) -> Iterator[int]:
    waiting = [node]
    while waiting:
        values = waiting.pop()
        for user in values.users:
            if str(user.target) == "aten.embedding.default":
                table, ids = user.args[:2]
                # Not where steps are picked out of a sequence: that is a look-up too, by numbers that were computed.
                rows = table.meta["val"].shape[0] if isinstance(table, torch.fx.Node) else None
                if ids is values and isinstance(rows, int):
                    yield rows
            elif str(user.target) in _KEEPING_VALUES:
                waiting.append(user)


def drawn(
    ports: Sequence[Port], rows: Sequence[int | None], batch: int, sizes: Sequence[int], *, most: int = 10
) -> tuple[torch.Tensor, ...]:
    """Random inputs, the same every time: normal numbers, ids below `rows`, integers below `most`.

    The last steps of the first of several samples are zeros, which is what masks mostly look for.
    """
    rng = np.random.default_rng([batch, *sizes])
    tensors = []
    for port, below in zip(ports, rows, strict=True):
        shape = port.extents(batch, sizes)
        array: np.ndarray[Any, Any]
        if port.dtype == torch.bool:
            array = rng.random(shape) < 0.5
        elif below is None and port.dtype.is_floating_point:
            array = rng.standard_normal(shape)
        else:
            array = rng.integers(0, below or most, shape)
        if batch > 1 and len(shape) > 1:
            array[0, -max(shape[1] // 3, 1) :] = 0
        tensors.append(torch.from_numpy(np.asarray(array)).to(port.dtype))
    return tuple(tensors)

"""The loops over steps that a `model.py` may hold (`parts/recurrent.py`), kept as loops while they are exported.

In Python they run over a number of steps that is known, and torch.export would write each step out: a graph for one
length, and minutes of work for a thousand steps. `scan` is the loop that a graph can hold, of any length.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch._higher_order_ops.scan import scan

States = tuple[torch.Tensor, ...]


@contextmanager
def rolled(module: ModuleType) -> Iterator[None]:
    """While it lasts, the `StepByStep` of a loaded `model.py` loops by `scan`, if there is one."""
    part: Any = getattr(module, "StepByStep", None)
    if part is None:
        yield
        return
    own = part.forward
    part.forward = _forward
    try:
        yield
    finally:
        part.forward = own


def _forward(
    self: Any,
    x: torch.Tensor,
    start: torch.Tensor | States | None = None,
    *,
    mask: torch.Tensor | None = None,
    zero_masked: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | States]:
    """What `StepByStep.forward` computes; of the tensors that `scan` carries along, no two may be one."""
    inputs = self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    zeros = inputs.new_zeros(inputs.shape[0], self.hidden_size, *inputs.shape[3:])
    state: States = (zeros,) * self.states
    if start is not None:
        state = tuple(part[0] for part in (start if isinstance(start, tuple) else (start,)))

    def step(carried: States, now: torch.Tensor) -> tuple[States, torch.Tensor]:
        new = self.step(now, carried)
        return tuple(part.clone() for part in new), new[0].clone()

    def masked_step(carried: States, now: tuple[torch.Tensor, torch.Tensor]) -> tuple[States, torch.Tensor]:
        (output, *before), (own, valid) = carried, now
        valid = valid.unsqueeze(1)
        new = self.step(own, tuple(before))
        output = torch.where(valid, new[0], torch.zeros_like(output) if zero_masked else output)
        kept = (torch.where(valid, a, b) for a, b in zip(new, before, strict=True))
        return (output, *kept), output.clone()

    begun = tuple(part.clone() for part in state)
    if mask is None:
        last, outputs = scan(step, begun, inputs, dim=1)
    else:
        (_, *last), outputs = scan(masked_step, (zeros.clone(), *begun), (inputs, mask), dim=1)
    states = tuple(part[None] for part in last)
    return outputs, states if self.states > 1 else states[0]

"""Activations with weights or shapes that `torch.nn` has no module for."""

from __future__ import annotations

import torch
from torch import nn


class ElementwisePReLU(nn.Module):
    """PReLU with a slope for every element, or shared along the axes where `shape` is 1 (batch axis excluded)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full(shape, 0.25))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(x >= 0, x, self.weight * x)


def sparsemax(logits: torch.Tensor) -> torch.Tensor:
    """Sparsemax along the last axis as Keras computes it.

    The projection onto the simplex (Martins and Astudillo, 2016) takes its threshold from the sum of the support. Keras
    takes the sum of all its partial sums, so that what is left over need not sum to one.
    """
    ranked, _ = torch.sort(logits, dim=-1, descending=True)
    steps = torch.arange(1, logits.shape[-1] + 1, dtype=logits.dtype, device=logits.device)
    running = torch.cumsum(ranked, dim=-1)
    support = ranked - (running - 1) / steps > 0
    total = torch.where(support, running, 0).sum(dim=-1, keepdim=True)
    threshold = (total - 1) / support.sum(dim=-1, keepdim=True)
    return torch.clamp(logits - threshold, min=0)

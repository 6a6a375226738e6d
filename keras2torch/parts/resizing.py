"""Pictures resized on a grid that PyTorch has no mode for."""

from __future__ import annotations

import torch


def resize_from_corner(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear, (N, C, H, W) to `size`, with the first pixel of both grids in one place, as TensorFlow 1 had it."""
    for dim, new in zip((-2, -1), size, strict=True):
        old = x.shape[dim]
        place = torch.arange(new, device=x.device, dtype=x.dtype) * old / new
        lower = place.long()
        upper = (lower + 1).clamp(max=old - 1)
        share = (place - lower).view((-1, 1) if dim == -2 else (-1,))
        x = torch.lerp(x.index_select(dim, lower), x.index_select(dim, upper), share)
    return x

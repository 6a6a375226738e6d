"""Crops that depend on the size of the picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def crop_and_resize(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The largest centred crop of (N, C, H, W) with the aspect ratio of (height, width), resized bilinearly."""
    rows = min(x.shape[2], x.shape[3] * height // width)
    columns = min(x.shape[3], x.shape[2] * width // height)
    top, left = (x.shape[2] - rows) // 2, (x.shape[3] - columns) // 2
    crop = x[:, :, top : top + rows, left : left + columns]
    return F.interpolate(crop, (height, width), mode="bilinear", align_corners=False)

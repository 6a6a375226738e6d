"""Resizing of images (N, C, H, W): the sampling kernels that `F.interpolate` lacks, and other aspect ratios."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def resample(x: torch.Tensor, size: tuple[int, int], kernel: str, antialias: bool = False) -> torch.Tensor:
    """Resize to `size` with one of the kernels of `tf.image.resize`, see `sampling_matrix`."""
    rows = sampling_matrix(x.shape[2], size[0], kernel, antialias).to(x)
    columns = sampling_matrix(x.shape[3], size[1], kernel, antialias).to(x)
    return rows @ x @ columns.T


def sampling_matrix(old: int, new: int, kernel: str, antialias: bool) -> torch.Tensor:
    """(new, old): what each of the `old` pixels of a line weighs in each of its `new` ones.

    Pixels beyond the edge do not count; the weights of the others add up to one. Positions are rounded to float32,
    as TensorFlow rounds them: at the rim of a kernel the last bit decides.
    """
    pixels = torch.arange(old, dtype=torch.float32)
    scale = torch.tensor(float(new)) / torch.tensor(float(old))
    if kernel == "area":
        edges = torch.arange(new + 1, dtype=torch.float64)[:, None] * (old / new)
        overlap = torch.minimum(edges[1:], pixels + 1) - torch.maximum(edges[:-1], pixels)
        weights = overlap.clamp(min=0)
    elif kernel == "bicubic" and not antialias:
        # TensorFlow looks these weights up, in a table of 1024 steps a pixel.
        centre = (torch.arange(new) + 0.5) * (torch.tensor(float(old)) / new) - 0.5
        whole = centre.floor()
        centre = whole + torch.round((centre - whole) * 1024) / 1024
        weights = sampling_kernel((pixels - centre[:, None]).double(), kernel)
    else:
        centre = (torch.arange(new) + 0.5) * (1 / scale)
        stretch = torch.clamp(1 / scale, min=1) if antialias else torch.tensor(1.0)
        distance = (pixels + 0.5 - centre[:, None]) * (1 / stretch)
        weights = sampling_kernel(distance.double(), kernel)
    return weights / weights.sum(dim=1, keepdim=True)


def sampling_kernel(distance: torch.Tensor, kernel: str) -> torch.Tensor:
    """Weight of a pixel that lies `distance` pixels from where the line is sampled."""
    x = distance.abs()
    if kernel in ("lanczos3", "lanczos5"):
        radius = int(kernel[-1])
        weights = torch.where(x <= 1e-3, 1.0, torch.sinc(x) * torch.sinc(x / radius))
        return torch.where(x > radius, 0.0, weights)
    if kernel == "gaussian":
        return torch.where(x >= 1.5, 0.0, torch.exp(-2 * x**2))
    if kernel == "bicubic":  # Keys (1981), a = -1/2
        near, far = (1.5 * x - 2.5) * x**2 + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    elif kernel == "mitchellcubic":  # Mitchell and Netravali (1988), B = C = 1/3
        near, far = (7 * x / 6 - 2) * x**2 + 8 / 9, ((2 - 7 * x / 18) * x - 10 / 3) * x + 16 / 9
    else:
        raise ValueError(f"no such kernel: {kernel}")
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def crop_to_ratio(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The largest crop from the centre with the aspect ratio of `size`."""
    height, width = x.shape[2:]
    rows = max(min(height, width * size[0] // size[1]), 1)
    columns = max(min(width, height * size[1] // size[0]), 1)
    top, left = (height - rows) // 2, (width - columns) // 2
    return x[:, :, top : top + rows, left : left + columns]


def pad_to_ratio(x: torch.Tensor, size: tuple[int, int], value: float = 0.0) -> torch.Tensor:
    """Pad both sides alike, so far that the aspect ratio is that of `size` (give or take a pixel)."""
    height, width = x.shape[2:]
    top = max(width * size[0] // size[1] - height, 0) // 2
    left = max(height * size[1] // size[0] - width, 0) // 2
    return F.pad(x, (left, left, top, top), value=value)


def crop_to_size(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The centre, `size` large; of images that are smaller, the largest crop of that shape, enlarged."""
    height, width = x.shape[2:]
    if height < size[0] or width < size[1]:
        return F.interpolate(crop_to_ratio(x, size), size, mode="bilinear")
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return x[:, :, top : top + size[0], left : left + size[1]]

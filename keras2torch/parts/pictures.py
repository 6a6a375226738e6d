"""Changes to whole pictures that depend on what they show."""

from __future__ import annotations

import torch


def auto_contrast(x: torch.Tensor, dims: tuple[int, int], low: float, high: float) -> torch.Tensor:
    """Every channel of every picture stretched to reach from `low` to `high`; `dims` are its rows and columns.

    A channel of a single value stays as it is.
    """
    darkest, brightest = x.amin(dim=dims, keepdim=True), x.amax(dim=dims, keepdim=True)
    stretched = (x - darkest) / (brightest - darkest) * (high - low) + low
    return torch.where(brightest > darkest, stretched, x)


def equalize_by_tiles(
    x: torch.Tensor, tiles: tuple[int, int], clip_limit: float, low: float, high: float
) -> torch.Tensor:
    """Contrast limited adaptive histogram equalization (Zuiderveld, 1994) of pictures (N, C, H, W) of `low` to `high`.

    Each of `tiles`, so many down and so many across, spreads its 256 levels evenly, but no level by more than
    `clip_limit` times what is even (0: by any); a pixel is between what its four nearest tiles make of it.
    """
    height, width = x.shape[2:]
    rows, columns = tiles
    tall, wide = -(-height // rows), -(-width // columns)
    pixels = x
    if (low, high) != (0, 255):
        pixels = (x.float() - low) / (high - low) * 255  # in float32 always: a rounding is a level up or down
    down, across = torch.arange(rows * tall, device=x.device), torch.arange(columns * wide, device=x.device)
    # What the last tiles lack is mirrored.
    pixels = pixels[:, :, torch.where(down < height, down, 2 * height - 1 - down)]
    pixels = pixels[:, :, :, torch.where(across < width, across, 2 * width - 1 - across)]
    levels = pixels.clamp(0, 255).long()

    inside = levels.reshape(*levels.shape[:2], rows, tall, columns, wide).transpose(3, 4).flatten(4)
    counts = x.new_zeros(*inside.shape[:-1], 256)
    counts = counts.scatter_add(-1, inside, torch.ones_like(inside, dtype=x.dtype))
    if clip_limit > 0:
        clipped = counts.clamp(max=clip_limit * tall * wide / 256)
        counts = clipped + (counts - clipped).sum(-1, keepdim=True) / 256
    rising = counts.cumsum(-1)
    others = tall * wide - rising[..., :1]
    spread = (rising - rising[..., :1]) * 255 / torch.where(others == 0, 1, others)
    spread = spread.clamp(0, 255).flatten(2)

    def seen_from(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        """What the tiles at these places make of every pixel."""
        tile = row.clamp(0, rows - 1)[:, None] * columns + column.clamp(0, columns - 1)
        return spread.gather(2, (tile * 256 + levels).flatten(2)).reshape(levels.shape)

    y, z = (down - tall / 2).to(x.dtype) / tall, (across - wide / 2).to(x.dtype) / wide
    row, column = y.floor().long(), z.floor().long()
    below, beside = (y - row)[:, None], z - column
    above = seen_from(row, column) * (1 - beside) + seen_from(row, column + 1) * beside
    under = seen_from(row + 1, column) * (1 - beside) + seen_from(row + 1, column + 1) * beside
    result = (above * (1 - below) + under * below)[:, :, :height, :width]
    return result if (low, high) == (0, 255) else result / 255 * (high - low) + low


def standardize_each(x: torch.Tensor) -> torch.Tensor:
    """Every picture of (N, ...) less its mean, divided by its deviation: of a uniform one by that of a single pixel."""
    dims = tuple(range(1, x.ndim))
    least = (x.shape[1] * x.shape[2] * x.shape[3]) ** -0.5
    deviation = x.std(dim=dims, correction=0, keepdim=True).clamp(min=least)
    return (x - x.mean(dim=dims, keepdim=True)) / deviation

"""Stand-ins for layers of Keras 3 that spread the levels of pictures: one it cannot read back, one it rounds."""

import math
from typing import Any

import numpy as np

from keras2torch.parity.arrays import Array
from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import stand_in


@stand_in(
    "Equalization",
    why="Keras's own yields, when a graph is built, the very tensor that goes in; it acts in training only",
    libraries=("keras",),
)
def _equalization(library: Library) -> Any:
    class Equalization(library.keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, bins: int = 256, value_range: Any = (0, 255), **kwargs: Any) -> None:
            for option in ("data_format", "bounding_box_format", "factor"):
                kwargs.pop(option, None)
            super().__init__(**kwargs)
            self.options = {"bins": bins, "value_range": value_range}

        def call(self, inputs: Any) -> Any:
            return library.tf.identity(inputs)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), **self.options}

    return Equalization


@stand_in(
    "ContrastLimitedAdaptiveHistogramEqualization",
    why="Keras computes it in float32 whatever the model says",
    libraries=("keras",),
)
def _by_tiles(library: Library) -> Any:
    tf = library.tf

    class ContrastLimitedAdaptiveHistogramEqualization(library.keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(
            self,
            value_range: Any = (0, 255),
            clip_limit: float = 4.0,
            tile_grid_size: Any = (8, 8),
            data_format: str | None = None,
            **kwargs: Any,
        ) -> None:
            for option in ("bounding_box_format", "factor"):
                kwargs.pop(option, None)
            super().__init__(**kwargs)
            self.options = {
                "value_range": value_range,
                "clip_limit": clip_limit,
                "tile_grid_size": tile_grid_size,
                "data_format": data_format or "channels_last",
            }

        def call(self, inputs: Any) -> Any:
            first = self.options["data_format"] == "channels_first"
            images = tf.transpose(inputs, [0, 2, 3, 1]) if first else inputs
            grid, clip, ends = (self.options[key] for key in ("tile_grid_size", "clip_limit", "value_range"))
            result = tf.numpy_function(
                lambda x: equalized_by_tiles(x, grid, clip, *ends), [images], images.dtype
            )
            result = tf.ensure_shape(result, images.shape)
            return tf.transpose(result, [0, 3, 1, 2]) if first else result

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), **self.options}

    return ContrastLimitedAdaptiveHistogramEqualization


def equalized_by_tiles(images: Array, grid: tuple[int, int], clip: float, low: float, high: float) -> Array:
    """Contrast limited adaptive histogram equalization of (N, H, W, C), tile by tile and pixel by pixel."""
    count, height, width, channels = images.shape
    sizes = [-(-height // grid[0]), -(-width // grid[1])]
    lacking = [(0, 0), (0, sizes[0] * grid[0] - height), (0, sizes[1] * grid[1] - width), (0, 0)]
    plain = (low, high) == (0, 255)
    scaled = (
        images
        if plain
        else (images.astype(np.float32) - np.float32(low)) / np.float32(high - low) * np.float32(255)
    )
    levels = np.clip(np.pad(scaled, lacking, mode="symmetric"), 0, 255).astype(int)
    tables = np.zeros((count, *grid, channels, 256), images.dtype)
    for n, i, j, c in np.ndindex(tables.shape[:-1]):
        tile = levels[n, i * sizes[0] : (i + 1) * sizes[0], j * sizes[1] : (j + 1) * sizes[1], c]
        counts = np.bincount(tile.reshape(-1), minlength=256).astype(images.dtype)
        if clip > 0:
            clipped = np.minimum(counts, clip * tile.size / 256)
            counts = clipped + (counts - clipped).sum() / 256
        rising = np.cumsum(counts)
        tables[n, i, j, c] = np.clip((rising - rising[0]) * 255 / ((tile.size - rising[0]) or 1), 0, 255)
    result = np.zeros_like(images)
    for n, y, x, c in np.ndindex(images.shape):
        for i, down in _nearest((y - sizes[0] / 2) / sizes[0], grid[0]):
            for j, across in _nearest((x - sizes[1] / 2) / sizes[1], grid[1]):
                result[n, y, x, c] += down * across * tables[n, i, j, c, levels[n, y, x, c]]
    return result if plain else result / 255 * (high - low) + low


def _nearest(place: float, count: int) -> list[tuple[int, float]]:
    """The two tiles whose middles lie round a place, counted in tiles from the first middle, and their shares."""
    before = math.floor(place)
    ends = (before, 1 - (place - before)), (before + 1, place - before)
    return [(min(max(tile, 0), count - 1), share) for tile, share in ends]

"""Stand-ins for what Keras computes too, but rounds: they must not drift from it."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch.parity.stand_ins.equalization import equalized_by_tiles
from keras2torch.sandbox import Sandbox


def equalized_by_keras(payload: dict[str, Any]) -> list[Any]:
    """Run in a child: pictures by Keras's own layer."""
    keras = importlib.import_module("keras")
    layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(**payload["config"])
    found: list[Any] = np.asarray(layer(np.asarray(payload["images"], "float32"), training=False)).tolist()
    return found


@pytest.mark.parametrize("ends", [(0, 255), (-2, 3)])
@pytest.mark.parametrize(("tiles", "clip"), [((2, 3), 4.0), ((4, 4), 0.0), ((3, 1), 1.2)])
def test_equalized_tiles_are_those_of_keras(
    tiles: tuple[int, int],
    clip: float,
    ends: tuple[int, int],
    sandboxes: Mapping[str, Sandbox],
    tmp_path: Path,
) -> None:
    low, high = ends
    images = (
        np.random.default_rng(3).normal((low + high) / 2, (high - low) / 4, (2, 11, 10, 2)).astype("float32")
    )
    config = {"tile_grid_size": list(tiles), "clip_limit": clip, "value_range": list(ends)}
    outcome = sandboxes["keras"].run(
        "tests.parity.test_stand_ins:equalized_by_keras",
        {"images": images.tolist(), "config": config},
        workdir=tmp_path,
    )
    assert outcome.ok, outcome.log_tail
    expected = np.asarray(outcome.result)
    found = equalized_by_tiles(images, tiles, clip, low, high)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * (high - low))

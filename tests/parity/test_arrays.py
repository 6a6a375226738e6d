"""Arrays on their way between the steps."""

from pathlib import Path

import numpy as np
import pytest

from keras2torch.parity.arrays import SAMPLE, ArrayWriter, write_arrays, write_sample


def sample(
    array: np.ndarray[tuple[int, ...], np.dtype[np.float64]], folder: Path
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with ArrayWriter(folder / "a.npz") as writer:
        written = write_sample(writer, "x", array)
    with np.load(folder / "a.npz") as arrays:
        assert tuple(arrays["x@shape"]) == array.shape
        assert arrays["x"].nbytes == written
        return arrays["x"]  # type: ignore[no-any-return]


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "a/b": np.arange(6.0).reshape(2, 3).T,
        "c": np.float32(1.5) * np.ones(()),
        "d": np.zeros((0, 3), "int32"),
    }
    write_arrays(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz") as found:
        for key, array in arrays.items():
            assert found[key].dtype == array.dtype
            np.testing.assert_array_equal(found[key], array)


def test_small_arrays_are_kept_whole(tmp_path: Path) -> None:
    array = np.arange(float(SAMPLE)).reshape(4, -1).T
    np.testing.assert_array_equal(sample(array, tmp_path), array.reshape(-1))


@pytest.mark.parametrize("shape", [(3, 512, 512), (2, 1024, 1024, 8), (1, SAMPLE + 1), (7, 999, 101)])
def test_of_large_arrays_every_region_is_sampled(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Each position along each axis, borders above all, must be there about as often as any other."""
    size = int(np.prod(shape))
    kept = sample(np.arange(float(size)).reshape(shape), tmp_path).astype(int)
    assert len(set(kept.tolist())) == SAMPLE
    for axis, positions in enumerate(np.unravel_index(kept, shape)):
        if shape[axis] < 2000:
            counts = np.bincount(positions, minlength=shape[axis])
            assert counts.min() > 0.5 * SAMPLE / shape[axis]
            assert counts.max() < 2 * SAMPLE / shape[axis]

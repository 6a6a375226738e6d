"""Recipes for weights do what numpy does, whole or in blocks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keras2torch.emit.order import FeatureOrder, Segment, plain
from keras2torch.weights import Weight, WeightKey, stacked, sum_of
from tests.crafted import numbers

Array = NDArray[Any]
FLOAT32 = np.dtype(np.float32)


def key(*shape: int, role: str = "kernel") -> WeightKey:
    return WeightKey("layer", role, shape)


def stored(*shape: int, role: str = "kernel") -> Weight:
    return Weight.stored(key(*shape, role=role))


ORDER = FeatureOrder((Segment((2, 3, 4), (2, 0, 1)), plain(5), Segment((3, 2), (1, 0))))
"""Images of 2 by 3 by 4, five plain features, and three steps of two features, concatenated."""
COLUMNS = np.concatenate(
    [
        np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1).ravel(),
        24 + np.arange(5),
        29 + np.arange(6).reshape(3, 2).T.ravel(),
    ]
)
"""The same, as a permutation of the 35 columns."""

CASES: list[tuple[Weight, Callable[[Array], Array]]] = [
    (stored(7), lambda a: a),
    (stored(4, 3), lambda a: a),
    (stored(), lambda a: a),
    (stored(4, 3).transpose(1, 0), lambda a: a.T),
    (stored(3, 3, 2, 5).transpose(3, 2, 0, 1), lambda a: a.transpose(3, 2, 0, 1)),
    (stored(2, 3, 2, 4, 5).transpose(4, 3, 0, 1, 2), lambda a: a.transpose(4, 3, 0, 1, 2)),
    (stored(4, 6).reshape(8, 3), lambda a: a.reshape(8, 3)),
    (stored(4, 6).transpose(1, 0).reshape(3, 8), lambda a: a.T.reshape(3, 8)),
    (stored(3, 3, 4, 2).transpose(2, 3, 0, 1).as_shape(8, 1, 3, 3),
     lambda a: a.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3)),
    (stored(6, 4).take(2, 5), lambda a: a[2:5]),
    (stored(6, 4).take(1, 3, axis=1), lambda a: a[:, 1:3]),
    (stored(6, 4).take(1, 3, axis=-1).transpose(1, 0), lambda a: a[:, 1:3].T),
    (stored(8, 3).reorder_gates((0, 1, 3, 2)), lambda a: a.reshape(4, 2, 3)[[0, 1, 3, 2]].reshape(8, 3)),
    (stored(3, 6).reorder_gates((1, 0, 2), axis=1), lambda a: a.reshape(3, 3, 2)[:, [1, 0, 2]].reshape(3, 6)),
    (stored(3, 4).flip(0), lambda a: a[::-1]),
    (stored(3, 4, 2).flip(0, 1), lambda a: a[::-1, ::-1]),
    (stored(35, 3).transpose(1, 0).in_order(ORDER), lambda a: a.T[:, COLUMNS]),
    (stored(35).in_order(ORDER), lambda a: a[COLUMNS]),
    (stored(35, 3).in_order(None), lambda a: a),
]  # fmt: skip


@pytest.mark.parametrize(("weight", "expected"), CASES, ids=lambda case: getattr(case, "steps", None) or "")
@pytest.mark.parametrize("block_bytes", [1, 20, 64, 1 << 20])
def test_blocks_make_up_what_numpy_makes(
    weight: Weight, expected: Callable[[Array], Array], block_bytes: int
) -> None:
    [source] = weight.sources
    array = numbers(*source.shape, seed=3)
    blocks = list(weight.blocks({source: array}, FLOAT32, block_bytes))
    assert all(block.flags.c_contiguous and block.dtype == FLOAT32 for block in blocks)
    whole = np.concatenate([block.reshape(-1) for block in blocks])
    wanted = expected(array)
    assert weight.shape == wanted.shape
    assert np.array_equal(whole, wanted.ravel())
    pieces = weight.evaluate({source: array})
    row = sum(piece[:1].nbytes if piece.ndim else piece.nbytes for piece in pieces)
    assert max(block.nbytes for block in blocks) <= max(block_bytes, row)
    rows = len(pieces[0]) if pieces[0].ndim else 1
    assert len(blocks) == math.ceil(rows / max(1, block_bytes // row))


@pytest.mark.parametrize("block_bytes", [1, 64, 1 << 20])
def test_several_sources_in_one_tensor(block_bytes: int) -> None:
    first, second = stored(3, 4, role="a"), stored(2, 4, role="b").flip(1)
    arrays = {first.sources[0]: numbers(3, 4), second.sources[0]: numbers(2, 4, seed=1)}
    a, b = arrays.values()

    def whole(weight: Weight) -> Array:
        return np.concatenate(list(weight.blocks(arrays, FLOAT32, block_bytes))).reshape(weight.shape)

    both = stacked([first, second], (5, 4), "side by side")
    assert np.array_equal(whole(both), np.concatenate([a, b[:, ::-1]]))
    assert both.sources == (*first.sources, *second.sources)
    total = sum_of(first, first)
    assert np.array_equal(whole(total), a + a)


def test_constants_have_no_source() -> None:
    weight = Weight.constant(np.full(3, 2.0, np.float32), "twos")
    assert (weight.sources, weight.shape, weight.fixed_dtype) == ((), (3,), "float32")
    assert np.array_equal(np.concatenate(list(weight.blocks({}, FLOAT32, 4))), [2, 2, 2])


def test_steps_say_what_was_done() -> None:
    weight = stored(3, 3, 4, 2).transpose(2, 3, 0, 1).as_shape(8, 1, 3, 3)
    assert weight.steps == ("transpose(2, 3, 0, 1)", "reshape(8, 1, 3, 3)")
    assert stored(4).steps == ()
    assert stored(35).in_order(ORDER).steps[0].startswith("features (2, 3, 4) -> transpose(2, 0, 1) | (5)")


@pytest.mark.parametrize("change", [lambda w: w.reshape(5, 5), lambda w: w.as_shape(13)])
def test_a_shape_of_another_size_is_an_error(change: Callable[[Weight], Weight]) -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        change(stored(4, 3))


@pytest.mark.parametrize(
    ("source", "wanted"), [("<f2", "<f4"), (">f4", "<f4"), ("<f8", "<f8"), ("<i4", "<f4")]
)
def test_blocks_convert(source: str, wanted: str) -> None:
    array = (numbers(5, 3) * 8).astype(source)
    weight = stored(5, 3).transpose(1, 0)
    blocks = np.concatenate(list(weight.blocks({weight.sources[0]: array}, np.dtype(wanted), 16)))
    assert blocks.dtype == np.dtype(wanted)
    assert np.array_equal(blocks, array.T.astype(wanted))


def test_blocks_of_a_transposed_view_copy_one_block_only() -> None:
    array = numbers(64, 32)
    weight = stored(64, 32).transpose(1, 0)
    pieces = weight.evaluate({weight.sources[0]: array})
    assert np.shares_memory(pieces[0], array)
    ordered = stored(24, 8).transpose(1, 0).in_order(FeatureOrder((Segment((2, 3, 4), (2, 0, 1)),)))
    kernel = numbers(24, 8)
    assert all(np.shares_memory(piece, kernel) for piece in ordered.evaluate({ordered.sources[0]: kernel}))


# ------------------------------------------------------------------------------------------------- feature order


@pytest.mark.parametrize(("height", "width", "channels"), [(2, 3, 4), (1, 5, 3), (4, 1, 1)])
def test_a_kernel_in_torchs_order_gives_what_keras_gives(height: int, width: int, channels: int) -> None:
    images = numbers(6, height, width, channels)
    kernel = numbers(height * width * channels, 7, seed=1)
    keras = images.reshape(6, -1) @ kernel
    order = FeatureOrder((Segment((height, width, channels), (2, 0, 1)),))
    weight = stored(*kernel.shape).transpose(1, 0).in_order(order)
    blocks = list(weight.blocks({weight.sources[0]: kernel}, FLOAT32, 100))
    linear = np.concatenate([block.reshape(-1) for block in blocks]).reshape(7, -1)
    torch = images.transpose(0, 3, 1, 2).reshape(6, -1) @ linear.T
    assert np.allclose(torch, keras, atol=1e-5)
    assert order.size == height * width * channels


def test_vectors_follow_the_same_order() -> None:
    vector = numbers(35)
    [piece] = stored(35).in_order(ORDER).evaluate({key(35): vector})
    assert np.array_equal(piece, vector[COLUMNS])

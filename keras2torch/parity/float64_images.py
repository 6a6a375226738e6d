"""Exact stand-ins for TensorFlow's operations that resize images; its kernels compute in float32 whatever they get.

Each is a matrix for the rows and one for the columns, made anew here from the definition of the operation and not
from what is emitted. Where a kernel has a rim or a table, positions are rounded to float32 as TensorFlow's are: there
the last bit decides. The kernels that PyTorch has too are taken at exact positions.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil, exp, floor, pi, sin
from typing import Any

import numpy as np

from keras2torch.parity.arrays import Array

Matrix = Callable[[int, int], Array]
"""(old, new) -> the matrix that makes a line of `new` pixels of one of `old`."""

HALF_PIXEL, CORNERS, FIRST_PIXEL = (False, True), (True, False), (False, False)
"""How the old and the new grid lie on one another, as (align_corners, half_pixel_centers)."""

Number = type[np.floating[Any]]


def image_stand_ins(tf: Any, image_ops: Any) -> dict[str, Callable[..., Any]]:
    """Stand-ins by the name of the operation in `image_ops`."""
    return {
        "resize_bilinear": _on_grids(
            tf,
            image_ops.resize_bilinear,
            {HALF_PIXEL: _linear, CORNERS: _linear_between_corners, FIRST_PIXEL: _linear_from_first},
        ),
        "resize_bicubic": _on_grids(tf, image_ops.resize_bicubic, {HALF_PIXEL: _cubic}),
        "resize_nearest_neighbor": _on_grids(
            tf, image_ops.resize_nearest_neighbor, {HALF_PIXEL: _nearest, FIRST_PIXEL: _nearest_from_first}
        ),
        "resize_area": _area_operation(tf, image_ops.resize_area),
        "scale_and_translate": _sampled(tf, image_ops.scale_and_translate),
    }


def _apply(tf: Any, images: Any, size: Any, matrix: Matrix) -> Any:
    rows, columns = (
        matrix(int(old), int(new)) for old, new in zip(images.shape[1:3], np.asarray(size), strict=True)
    )
    return tf.einsum("yh,bhwc,xw->byxc", tf.constant(rows), images, tf.constant(columns))


def _on_grids(
    tf: Any, original: Callable[..., Any], matrices: Mapping[tuple[bool, bool], Matrix]
) -> Callable[..., Any]:
    def resize(
        images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False, **_: Any
    ) -> Any:
        if not tf.executing_eagerly():
            # Keras builds; nothing is computed.
            return tf.cast(original(images, size, align_corners, half_pixel_centers), images.dtype)
        grid = (bool(align_corners), bool(half_pixel_centers))
        if grid not in matrices:
            raise ValueError(f"no matrix is known for align_corners, half_pixel_centers = {grid}")
        return _apply(tf, images, size, matrices[grid])

    return resize


def _area_operation(tf: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def resize_area(images: Any, size: Any, align_corners: bool = False, **_: Any) -> Any:
        if not tf.executing_eagerly():
            return tf.cast(original(images, size, align_corners), images.dtype)
        return _apply(tf, images, size, _area)

    return resize_area


def _sampled(tf: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    def scale_and_translate(
        images: Any,
        size: Any,
        scale: Any,
        translation: Any,
        kernel_type: str = "lanczos3",
        antialias: bool = True,
        **_: Any,
    ) -> Any:
        if not tf.executing_eagerly():
            drawn = original(images, size, scale, translation, kernel_type, antialias)
            return tf.cast(drawn, images.dtype)
        if np.any(np.asarray(translation)):
            raise ValueError("no translation is known here")
        kernel, radius, number = KERNELS[kernel_type]
        return _apply(tf, images, size, partial(_spans, kernel, radius, number, antialias))

    return scale_and_translate


# ------------------------------------------------------------------------------------------------------ the matrices


def _linear(old: int, new: int) -> Array:
    return _linear_at((np.arange(new) + 0.5) * old / new - 0.5, old)


def _linear_between_corners(old: int, new: int) -> Array:
    return _linear_at(np.arange(new) * ((old - 1) / max(new - 1, 1)), old)


def _linear_from_first(old: int, new: int) -> Array:
    return _linear_at(np.arange(new) * (old / new), old)


def _linear_at(at: Array, old: int) -> Array:
    matrix = np.zeros((len(at), old))
    lower = np.floor(at).astype(int)
    for step, share in ((0, 1 - (at - lower)), (1, at - lower)):
        np.add.at(matrix, (np.arange(len(at)), np.clip(lower + step, 0, old - 1)), share)
    return matrix


def _nearest_from_first(old: int, new: int) -> Array:
    matrix = np.zeros((new, old))
    matrix[np.arange(new), np.arange(new) * old // new] = 1
    return matrix


def _nearest(old: int, new: int) -> Array:
    matrix = np.zeros((new, old))
    chosen = np.floor((np.arange(new) + 0.5) * (old / new)).astype(int)
    matrix[np.arange(new), np.minimum(chosen, old - 1)] = 1
    return matrix


def _area(old: int, new: int) -> Array:
    """Each new pixel is the mean of what it covers of the old ones."""
    matrix = np.zeros((new, old))
    for i in range(new):
        start, stop = i * old / new, (i + 1) * old / new
        for j in range(floor(start), min(ceil(stop), old)):
            matrix[i, j] = max(min(j + 1, stop) - max(j, start), 0) * new / old
    return matrix


def _cubic(old: int, new: int) -> Array:
    """Four neighbours, weighted from a table of 1024 steps; those beyond the edge left out."""
    matrix = np.zeros((new, old))
    scale = np.float32(old) / np.float32(new)
    for i in range(new):
        at = (np.float32(i) + np.float32(0.5)) * scale - np.float32(0.5)
        first = floor(at)
        table = float(np.rint((at - np.float32(first)) * np.float32(1024))) / 1024
        for j in range(max(first - 1, 0), min(first + 3, old)):
            matrix[i, j] = _keys_cubic(abs(j - first - table))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def _spans(
    kernel: Callable[[float], float], radius: float, number: Number, antialias: bool, old: int, new: int
) -> Array:
    matrix = np.zeros((new, old))
    one, half = number(1), number(0.5)
    inverse = one / (number(new) / number(old))
    stretch = max(inverse, one) if antialias else one
    for i in range(new):
        sample = (number(i) + half) * inverse
        first = ceil(sample - number(radius) * stretch - half)
        last = floor(sample + number(radius) * stretch - half)
        for j in range(max(first, 0), min(last, old - 1) + 1):
            distance = (number(j) + half - sample) * (one / stretch)
            matrix[i, j] = kernel(abs(float(distance)))
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


# ------------------------------------------------------------------------------------------------------- the kernels


def _keys_cubic(x: float) -> float:
    if x >= 2:
        return 0.0
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x >= 1 else (1.5 * x - 2.5) * x * x + 1


def _mitchell_cubic(x: float) -> float:
    if x >= 2:
        return 0.0
    if x >= 1:
        return ((-7 / 18 * x + 2) * x - 10 / 3) * x + 16 / 9
    return (7 / 6 * x - 2) * x * x + 8 / 9


def _triangle(x: float) -> float:
    return max(1 - x, 0.0)


def _gaussian(x: float) -> float:
    return exp(-(x**2) / (2 * 0.5**2)) if x < 1.5 else 0.0


def _lanczos(radius: int, x: float) -> float:
    if x > radius:
        return 0.0
    if x <= 1e-3:
        return 1.0
    return radius * sin(pi * x) * sin(pi * x / radius) / (pi * x) ** 2


KERNELS: dict[str, tuple[Callable[[float], float], float, Number]] = {
    "triangle": (_triangle, 1, np.float64),
    "keyscubic": (_keys_cubic, 2, np.float64),
    "mitchellcubic": (_mitchell_cubic, 2, np.float32),
    "gaussian": (_gaussian, 1.5, np.float32),
    "lanczos3": (partial(_lanczos, 3), 3, np.float32),
    "lanczos5": (partial(_lanczos, 5), 5, np.float32),
}
"""Kernel, radius, and the type in which positions are computed."""

"""In which order a flattened axis holds its elements.

Keras flattens channels-last; a module that works channels-first flattens (C, H, W). Rather than permuting the tensor at
run time, the order is remembered and the weights of the layers behind are permuted once, when they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from keras2torch.source.model import Array


@dataclass(frozen=True)
class Segment:
    """A stretch of the axis: Keras flattened an array of `shape`, torch the same array transposed by `axes`."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class FeatureOrder:
    """The whole axis, segment after segment (concatenation of flattened tensors makes several)."""

    segments: tuple[Segment, ...]

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)

    @property
    def steps(self) -> str:
        """The permutation in words, for the weight map."""
        parts = [
            f"({', '.join(map(str, s.shape))}) -> transpose({', '.join(map(str, s.axes))})"
            for s in self.segments
        ]
        return "features " + " | ".join(parts)

    def columns(self, matrix: Array) -> list[Array]:
        """Views of `matrix` (..., features), one a segment, whose trailing axes, flattened, stand in torch's order.

        Leading axes are kept, so that each piece can be read in blocks along the first, without a copy of the whole.
        """
        pieces, start, lead = [], 0, matrix.ndim - 1
        for segment in self.segments:
            part = matrix[..., start : start + segment.size]
            part = (
                part.reshape(*matrix.shape[:-1], *segment.shape)
                if part.flags.c_contiguous
                else _split_last(part, segment)
            )
            pieces.append(part.transpose(*range(lead), *(lead + axis for axis in segment.axes)))
            start += segment.size
        return pieces


def _split_last(part: Array, segment: Segment) -> Array:
    # Splitting one axis into several is always possible as a view, whatever its stride.
    view = part.view()
    view.shape = (*part.shape[:-1], *segment.shape)
    return view


def plain(size: int) -> Segment:
    """A stretch that stands as Keras has it."""
    return Segment((size,), (0,))

"""What to feed both sides: a few cases that between them reach what models do differently.

Random numbers alone pass many a wrong model. So: three samples and one; numbers round zero, in 0..1 and in
0..255; nothing but zeros; ids that reach both ends of the vocabulary; masks at the end, in front, in the
middle and over everything, and steps of which one number alone looks masked; extents that Keras leaves
open once odd (where "same" padding is lopsided) and once even.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from keras2torch.parity.arrays import Array

SIZES: tuple[tuple[int, ...], ...] = ((37, 45, 11), (64, 96, 16), (12, 20, 6), (224, 160, 32))
"""What to try for the first, second, third open extent of an input, in turn. Some models refuse most sizes:
the ones that join branches of different stride want multiples, the ones with many poolings want large
ones."""

MOST_OPERATIONS = 4e10
"""Multiply-adds a bundle may cost over all cases, in one precision; on one core, some twenty seconds on
either side."""

MOST_TRACED = 1 << 30
"""Bytes of layer outputs that may be recorded, over all cases; half of them go to the first."""


@dataclass(frozen=True)
class InputSpec:
    """What the graph says of one input. `shape` is Keras's, batch axis first, None where it is open."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    vocabulary: int | None = None
    """For ids that select rows of an Embedding: how many rows there are."""
    masked_value: float | None = None
    """What marks a step as masked, if anything does: 0 for `mask_zero`, the `mask_value` of Masking."""

    @property
    def open_extents(self) -> int:
        return sum(extent is None for extent in self.shape[1:])

    @property
    def scalable(self) -> bool:
        """Whether its numbers may be any in 0..255: pictures, sequences, vectors, but no ids."""
        return self.vocabulary is None and self.dtype.startswith(("float", "bfloat", "uint8"))


@dataclass(frozen=True)
class Case:
    """One set of inputs, in Keras's order and axes. Floats are float32 values, exact in either precision."""

    name: str
    description: str
    arrays: tuple[Array, ...]
    may_be_refused: bool
    """Whether Keras may turn out to be unable to run it: only where the size is our choice."""
    last_resort: bool = False
    """Whether to run it only if Keras has refused all cases before it."""
    trace_bytes: int = 0


def make_cases(specs: Sequence[InputSpec], operations: float) -> list[Case]:
    """The cases for a model whose single sample costs `operations` multiply-adds (at its smallest open
    sizes).

    The more a sample costs, the fewer cases: the first two (several samples, one sample) are always there.
    """
    spent = 0.0
    cases: list[Case] = []
    for case in _all_cases(specs, several=3 if 4 * operations <= MOST_OPERATIONS else 2):
        spent += 0.0 if case.last_resort else operations * _batch(case)
        if len(cases) < 2 or case.last_resort or spent <= MOST_OPERATIONS:
            cases.append(case)
    rest = MOST_TRACED // 2 // max(len(cases) - 1, 1)
    return [
        replace(case, trace_bytes=rest if number else MOST_TRACED // 2) for number, case in enumerate(cases)
    ]


def _batch(case: Case) -> int:
    return max(len(array) for array in case.arrays)


def _all_cases(specs: Sequence[InputSpec], several: int) -> Iterator[Case]:
    """In order of importance."""
    open_extents = max(spec.open_extents for spec in specs)
    odd, even, *others = SIZES if open_extents else [()] * 2

    def case(kind: str, what: str, batch: int, sizes: tuple[int, ...]) -> Case:
        # The first open extents of all inputs are equal: models add and join what comes from them.
        size = "x".join(map(str, sizes[:open_extents]))
        name, what = (f"{kind}-{size}", f"{what} at {size}") if size else (kind, what)
        rng = np.random.default_rng(list(name.encode()))
        arrays = tuple(_array(rng, spec, batch, kind, sizes) for spec in specs)
        return Case(name, what, arrays, may_be_refused=bool(open_extents))

    normal = f"{several} samples of N(0, 1)"
    yield case("normal", normal, several, odd)
    yield case("unit", "1 sample in 0..1", 1, even)
    if open_extents:
        yield case("normal", normal, several, even)
    if any(spec.masked_value is not None for spec in specs):
        yield case("masks", "masked at the end, in front, in the middle, everywhere", 4, even)
    yield case("zeros", "1 sample of zeros", 1, even)
    if any(spec.scalable for spec in specs):
        yield case("bytes", "1 sample in 0..255", 1, even)
    for sizes in others:
        yield replace(case("normal", normal, several, sizes), last_resort=True)


def _array(rng: np.random.Generator, spec: InputSpec, batch: int, kind: str, sizes: tuple[int, ...]) -> Array:
    choice = iter(sizes)
    shape = (
        spec.shape[0] or batch,
        *(next(choice) if extent is None else extent for extent in spec.shape[1:]),
    )
    array = _values(rng, spec, shape, kind)
    if kind == "masks" and spec.masked_value is not None and len(shape) > 1:
        if len(shape) > 2 and shape[-1] > 1:
            # A step is masked if all of its numbers say so; here one does.
            array[:, 0, ..., 0] = array[:, -1, ..., 0] = spec.masked_value
        for sample, steps in zip(array, islice(_masked_steps(shape[1]), shape[0]), strict=False):
            sample[steps] = spec.masked_value
    return array


def _values(rng: np.random.Generator, spec: InputSpec, shape: tuple[int, ...], kind: str) -> Array:
    dtype = np.dtype(np.float32 if spec.dtype.startswith(("float", "bfloat")) else spec.dtype)
    if kind == "bytes" and spec.scalable:
        return rng.integers(0, 256, shape).astype(dtype)
    if spec.vocabulary is not None or dtype.kind in "iu":
        below = spec.vocabulary or 10
        first = 1 if kind == "masks" and below > 1 else 0  # id 0 only where the mask shall be
        ids = rng.integers(first, below, shape)
        if kind == "zeros":
            ids[...] = 0
        elif ids.size > 1:
            ids.flat[0], ids.flat[-1] = first, below - 1
        return ids.astype(dtype)
    if dtype.kind == "b":
        return np.zeros(shape, dtype) if kind == "zeros" else rng.random(shape) < 0.5
    if kind == "zeros":
        return np.zeros(shape, dtype)
    if kind == "unit":
        return rng.random(shape, np.float32)
    return rng.standard_normal(shape, np.float32)


def _masked_steps(steps: int) -> Iterator[slice]:
    third = max(steps // 3, 1)
    yield slice(steps - third, None)
    yield slice(0, third)
    yield slice(third, 2 * third)
    yield slice(0, None)

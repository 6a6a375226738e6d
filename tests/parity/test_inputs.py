"""What is fed to both sides."""

import numpy as np
import pytest

from keras2torch.parity.inputs import MOST_OPERATIONS, MOST_TRACED, SIZES, Case, InputSpec, make_cases

PICTURE = InputSpec("picture", (None, 8, 8, 3), "float32")
WORDS = InputSpec("words", (None, 9), "int32", vocabulary=20, masked_value=0.0)
SERIES = InputSpec("series", (None, None, 4), "float32", masked_value=-1.0)
OPEN = InputSpec("open", (None, None, None, 3), "float32")


def by_name(*specs: InputSpec, operations: float = 0.0) -> dict[str, Case]:
    return {case.name: case for case in make_cases(specs, operations)}


@pytest.mark.parametrize("own", [(8, 8, 3), (9, 30), (240,)])
def test_pictures_sequences_and_vectors_are_shown_in_every_scale(own: tuple[int, ...]) -> None:
    cases = by_name(InputSpec("x", (None, *own), "float32"))
    assert list(cases) == ["normal", "unit", "zeros", "bytes"]
    (normal,), (unit,), (zeros,), (bytes_,) = (case.arrays for case in cases.values())
    assert [a.shape for a in (normal, unit, zeros, bytes_)] == [(3, *own), *[(1, *own)] * 3]
    assert normal.min() < -2
    assert 0 <= unit.min() < unit.max() <= 1
    assert not zeros.any()
    assert bytes_.max() > 200
    assert all(array.dtype == np.float32 for array in (normal, unit, zeros, bytes_))
    assert not any(case.may_be_refused for case in cases.values())


def test_ids_reach_both_ends_of_the_vocabulary() -> None:
    cases = by_name(WORDS)
    (ids,) = cases["normal"].arrays
    assert ids.dtype == np.int32
    assert (ids.min(), ids.max()) == (0, 19)
    assert not cases["zeros"].arrays[0].any()


def test_ids_and_flags_have_one_scale() -> None:
    assert "bytes" not in by_name(WORDS)
    assert "bytes" not in by_name(InputSpec("flags", (None, 9), "bool"))
    words, numbers = by_name(WORDS, InputSpec("x", (None, 240), "float32"))["bytes"].arrays
    assert words.max() == 19
    assert numbers.max() > 200
    (colours,) = by_name(InputSpec("picture", (None, 8, 8, 3), "uint8"))["bytes"].arrays
    assert colours.dtype == np.uint8
    assert colours.max() > 200


def test_ids_in_a_float_input_stay_whole() -> None:
    assert "bytes" not in by_name(InputSpec("words", (None, 9), "float32", vocabulary=20))
    (ids,) = by_name(InputSpec("words", (None, 9), "float32", vocabulary=20))["normal"].arrays
    assert ids.dtype == np.float32
    assert np.array_equal(ids, ids.round())
    assert ids.max() == 19


@pytest.mark.parametrize("spec", [WORDS, SERIES])
def test_masks_stand_at_the_end_in_front_in_the_middle_and_everywhere(spec: InputSpec) -> None:
    (case,) = [case for case in make_cases([spec], 0.0) if case.name.startswith("masks")]
    (array,) = case.arrays
    masked = array == spec.masked_value
    steps = masked if masked.ndim == 2 else masked.all(axis=-1)
    assert [list(np.flatnonzero(np.diff(row.astype(int)))) for row in steps] == {
        9: [[5], [2], [2, 5], []],
        SIZES[1][0]: [[42], [20], [20, 41], []],
    }[steps.shape[1]]
    assert [row[0] for row in steps] == [False, True, False, True]
    assert steps[3].all()


def test_a_step_of_which_one_number_looks_masked_is_not() -> None:
    (case,) = [case for case in make_cases([SERIES], 0.0) if case.name.startswith("masks")]
    masked = case.arrays[0] == SERIES.masked_value
    assert (masked.any(axis=-1) & ~masked.all(axis=-1)).any(axis=1).tolist() == [True, True, True, False]


def test_open_extents_are_tried_odd_and_even_and_may_be_refused() -> None:
    cases = by_name(OPEN)
    sizes = [case.arrays[0].shape[1:3] for case in cases.values()]
    assert sizes[0] == (37, 45)
    assert {extent % 32 for extent in sizes[1]} == {0}
    assert len(set(sizes)) == len(SIZES)
    assert [case.last_resort for case in cases.values()] == [size not in sizes[:2] for size in sizes]
    assert all(case.may_be_refused for case in cases.values())
    assert "normal-37x45" in cases


def test_open_extents_of_several_inputs_agree() -> None:
    (case, *_) = make_cases([OPEN, SERIES], 0.0)
    assert case.arrays[0].shape[1] == case.arrays[1].shape[1]


def test_a_fixed_batch_is_kept() -> None:
    for case in make_cases([InputSpec("x", (2, 5), "float32")], 0.0):
        assert case.arrays[0].shape == (2, 5)


def test_the_dearer_a_sample_the_fewer_cases() -> None:
    cheap, dear = make_cases([PICTURE], 1.0), make_cases([PICTURE], MOST_OPERATIONS)
    assert [len(case.arrays[0]) for case in dear] == [2, 1]
    assert len(cheap) > len(dear)


def test_traces_keep_within_their_bytes() -> None:
    cases = make_cases([OPEN], 0.0)
    assert sum(case.trace_bytes for case in cases) <= MOST_TRACED
    assert all(case.trace_bytes > 0 for case in cases)


def test_cases_are_the_same_every_time() -> None:
    for first, second in zip(
        make_cases([PICTURE, WORDS], 0.0), make_cases([PICTURE, WORDS], 0.0), strict=True
    ):
        assert first.name == second.name
        assert all(np.array_equal(a, b) for a, b in zip(first.arrays, second.arrays, strict=True))

"""What counts as the same, when an export is compared with its module."""

import pytest
import torch

from keras2torch.exports.inside.comparing import LIMIT, Departs, error_between, flat, rounding

X = torch.tensor([[1.0, -4.0], [0.5, 2.0]])


def test_the_error_is_relative_to_the_scale_of_its_output() -> None:
    assert error_between([X, X * 1000], [X, X * 1000 + 0.004]) == pytest.approx(1e-6, rel=0.1)
    assert error_between([X], [X]) == 0.0
    assert error_between([torch.zeros(2)], [torch.zeros(2)]) == 0.0


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (X * (1 + 2 * LIMIT), "off by"),
        (X[:1], r"float32 \(1, 2\), where the module yields float32 \(2, 2\)"),
        (X.double(), "float64"),
        (torch.where(X > 1, torch.nan, X), "NaN"),
        (torch.where(X > 1, torch.inf, X), "NaN or infinity"),
    ],
)
def test_what_is_not_the_same(other: torch.Tensor, why: str) -> None:
    with pytest.raises(Departs, match=why):
        error_between([X], [other])


def test_outputs_are_counted() -> None:
    with pytest.raises(Departs, match="1 outputs in place of 2"):
        error_between([X, X], [X])


def test_nan_and_infinity_in_the_same_places_are_the_same() -> None:
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, 1.0])
    assert error_between([odd], [odd.clone()]) == 0.0
    with pytest.raises(Departs):
        error_between([odd], [odd.abs()])


def test_nested_outputs_are_flat() -> None:
    assert len(flat((X, [X, (X,)]))) == 3


def test_a_wider_limit_is_for_degrees_only() -> None:
    off = X * (1 + 2 * LIMIT)
    assert error_between([X], [off], 3 * LIMIT) == pytest.approx(2 * LIMIT, rel=1e-2)
    with pytest.raises(Departs, match="off by"):
        error_between([X], [off], 1.5 * LIMIT)
    with pytest.raises(Departs, match="NaN"):
        error_between([X], [torch.where(X > 1, torch.nan, X)], 3 * LIMIT)


def test_what_is_lost_to_rounding() -> None:
    exact = torch.tensor([1.0, 1 / 3], dtype=torch.float64)
    assert rounding([exact.float()], [exact]) == pytest.approx(9.9e-9, rel=0.01)

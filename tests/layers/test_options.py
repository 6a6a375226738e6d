"""A layer's configuration as rules read it: every value of the type and in the range that a rule asked for."""

from collections.abc import Callable
from typing import Any

import pytest

from keras2torch.errors import UnsupportedOption
from keras2torch.layers._options import Options

Read = Callable[[Options], Any]


def test_spellings_defaults_and_what_is_missing() -> None:
    options = Options({"old": 1, "none": None})
    assert options.take("new", "old") == 1
    assert options.take("none", default=3) is None
    assert options.take("absent", default=3) == 3
    with pytest.raises(UnsupportedOption, match="option absent is missing"):
        options.take("absent")


def test_what_was_read_is_remembered() -> None:
    options = Options({"a": 1, "b": 2, "c": 3, "name": "x", "kernel_initializer": {}, "lora_rank": None})
    assert options.unread() == ["a", "b", "c"]
    options.integer("a")
    options.ignore("b")
    assert options.unread() == ["c"]
    assert options.read == {"a", "b"}


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda o: o.flag("x"), False, False),
        (lambda o: o.integer("x"), 3, 3),
        (lambda o: o.integer("x"), 3.0, 3),
        (lambda o: o.integer("x", minimum=0), 0, 0),
        (lambda o: o.number("x"), 2, 2.0),
        (lambda o: o.number("x"), -0.5, -0.5),
        (lambda o: o.integers("x", count=2), 3, (3, 3)),
        (lambda o: o.integers("x", count=2), [3, 4], (3, 4)),
        (lambda o: o.choice("x", among=("a", "b")), "b", "b"),
        (lambda o: o.must_be("x", False, None), None, None),
    ],
)
def test_values_that_can_be_read(read: Read, value: Any, expected: Any) -> None:
    found = read(Options({"x": value}))
    assert found == expected
    assert type(found) is type(expected)


INTEGERS: list[Any] = [None, True, "8", 1.5, -1, 0, 1 << 40, [1], {}, float("nan"), float("inf")]
BAD_VALUES: list[tuple[Read, list[Any]]] = [
    (lambda o: o.flag("x"), [None, 0, 1, "true", []]),
    (lambda o: o.integer("x"), INTEGERS),
    (lambda o: o.integers("x", count=2), [*INTEGERS, [1, 2, 3], [1, -2], []]),
    (lambda o: o.number("x", minimum=0.0), [None, True, "1", -0.1, [], float("nan"), 1e999]),
    (lambda o: o.choice("x", among=("a", "b")), [None, "c", 1, ["a"], {}]),
    (lambda o: o.must_be("x", False, None), [0, True, "", []]),
]


@pytest.mark.parametrize(("read", "values"), BAD_VALUES)
def test_values_that_cannot(read: Read, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(UnsupportedOption) as caught:
            read(Options({"x": value}))
        assert caught.value.option == "x"

"""Pieces of source: literals that cannot become code, and parentheses only where they are needed."""

import ast
import math
from typing import Any

import numpy as np
import pytest

from keras2torch.emit.code import (
    Code,
    Raw,
    Value,
    call,
    index,
    literal,
    method,
    render,
    template,
    values_in,
)


def value(code: Code | None = None) -> Value:
    return Value((None, 3), "float32", (0, 1), code)


@pytest.mark.parametrize(
    "constant",
    [
        None,
        True,
        0,
        -7,
        10**15,
        0.1,
        1e-5,
        1e300,
        -0.0,
        0.0010000000474974513,
        "same",
        "",
        'quote " and \' and \\ and """',
        "line\nbreak\rand\ttab\0",
        "é ü \u202e \ud800 \U0001f600 \x1b[31m",
        '"); import os; ("',
        (),
        (1,),
        (1, 2.5, "x"),
        [1, [2, (3,)]],
    ],
    ids=ascii,
)
def test_a_literal_reads_back_as_the_constant(constant: Any) -> None:
    text = literal(constant)
    assert ast.literal_eval(text) == constant
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("constant", "text"), [(1e-5, "1e-5"), (1e-10, "1e-10"), (0.5, "0.5"), (1e20, "1e20")]
)
def test_floats_are_written_as_people_write_them(constant: float, text: str) -> None:
    assert literal(constant) == text


def test_what_has_no_literal_is_written_as_a_call() -> None:
    assert literal(math.inf) == 'float("inf")'
    assert literal(-math.inf) == 'float("-inf")'
    assert literal(math.nan) == 'float("nan")'


@pytest.mark.parametrize("thing", [{}, {1}, b"x", object(), np.arange(3), 1j, value()])
def test_nothing_else_becomes_a_literal(thing: Any) -> None:
    with pytest.raises(TypeError):
        literal(thing)


def test_raw_text_stands_as_it_is() -> None:
    assert literal(Raw("torch.float32")) == "torch.float32"
    assert render(call("f", Raw("x.dtype")), lambda _: None) == "f(x.dtype)"


def test_calls_methods_and_indices() -> None:
    x = value()
    named = {id(x): "x"}

    def text(code: Code) -> str:
        return render(code, lambda each: named.get(id(each)))

    assert text(call("F.pad", x, (0, 1), value=0.5)) == "F.pad(x, (0, 1), value=0.5)"
    assert text(call("f")) == "f()"
    assert text(method(x, "transpose", 1, 2)) == "x.transpose(1, 2)"
    assert text(method(template("{} + 1", x), "sum")) == "(x + 1).sum()"
    assert text(index(x, ":, 0")) == "x[:, 0]"
    assert text(index(template("{} + 1", x), ":, 0")) == "(x + 1)[:, 0]"
    assert text(call("f", template("{} + 1", x))) == "f(x + 1)"
    assert text(template("{} * {}", template("{} + 1", x), x)) == "(x + 1) * x"
    assert text(call("f", template("-{}", 2), key=call("g", x))) == "f(-2, key=g(x))"


def test_a_value_in_place_has_parentheses_where_an_operator_is_next_to_it() -> None:
    x = value()
    total = value(template("{} + 1", x))

    def text(code: Code) -> str:
        return render(code, lambda each: "x" if each is x else None)

    assert text(call("f", total)) == "f(x + 1)"
    assert text(call("f", total, key=total)) == "f(x + 1, key=x + 1)"
    assert text(method(total, "sum")) == "(x + 1).sum()"
    assert text(template("{} * 2", total)) == "(x + 1) * 2"
    assert text(template("2 * {}", total)) == "2 * (x + 1)"
    assert text(Code((total,))) == "x + 1"
    atomic = value(call("g", x))
    assert text(template("{} * 2", atomic)) == "g(x) * 2"


def test_templates_take_as_many_values_as_they_have_places() -> None:
    with pytest.raises(ValueError, match="1 places for 2 values"):
        template("{} + 1", value(), value())


def test_a_value_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(AssertionError):
        render(call("f", value()), lambda _: None)


def test_values_are_found_through_those_written_in_place() -> None:
    x, y = value(), value()
    inner = value(template("{} + {}", x, y))
    code = call("f", inner, x)
    assert list(values_in(code, lambda each: each is not inner)) == [x, y, x]
    assert list(values_in(code, lambda _: True)) == [inner, x]

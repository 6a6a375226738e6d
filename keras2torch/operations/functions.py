"""Functions of each element alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, template
from keras2torch.operations._arguments import number
from keras2torch.operations._registry import POSITIVE, UNIT, Example, X, example, operation
from keras2torch.operations._tensors import elementwise, floating, scalar, tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Formula = Callable[[Value], Code]

_ANY = [example((4, 3), x=X)]
_POSITIVE = [example((4, 3), x=POSITIVE)]


def _function(
    name: str,
    formula: str | Formula,
    *,
    tf: str | None = None,
    keras3: str = "",
    node: str = "",
    examples: Sequence[Example] = _ANY,
    floats: bool = True,
    dtype: str | None = None,
    summary: str = "",
) -> None:
    """Register a function of one tensor. `floats`: whether integers become floats first, as Keras 3 has it."""
    write: Formula = (lambda x: call(formula, x)) if isinstance(formula, str) else formula
    shown = f"`{formula}`." if isinstance(formula, str) else ""

    def function(layer: LayerCall, x: Any) -> Value:
        source = tensor(layer, x)
        source = floating(layer, source) if floats else source
        return layer.like(source, write(source), dtype=dtype)

    function.__doc__ = shown
    operation(
        tf=(f"math.{name}|{name}(x)" if tf is None else tf) or (),
        keras3=f"{keras3}(x)" if keras3 else (),
        node=f"{node}(x)" if node else (),
        examples=examples,
        name=name,
        summary=summary or shown,
    )(function)


_function("abs", "torch.abs", keras3="numpy.Abs|numpy.Absolute", node="Abs", floats=False)
_function(
    "negative",
    lambda x: template("-{}", x),
    summary="`-x`.",
    tf="math.negative|negative(x)",
    keras3="numpy.Negative",
    node="Neg",
    floats=False,
)
_function("sign", "torch.sign", keras3="numpy.Sign", node="Sign", floats=False)
_function(
    "square",
    lambda x: template("{} ** 2", x),
    summary="`x ** 2`.",
    keras3="numpy.Square",
    node="Square",
    floats=False,
)
_function("sqrt", "torch.sqrt", keras3="numpy.Sqrt", node="Sqrt", examples=_POSITIVE)
_function("rsqrt", "torch.rsqrt", tf="math.rsqrt(x)", keras3="math.Rsqrt", node="Rsqrt", examples=_POSITIVE)
_function(
    "reciprocal",
    "torch.reciprocal",
    tf="math.reciprocal(x)",
    keras3="numpy.Reciprocal",
    node="Reciprocal",
    examples=_POSITIVE,
)
_function("exp", "torch.exp", keras3="numpy.Exp", node="Exp")
_function("expm1", "torch.expm1", tf="math.expm1(x)", keras3="numpy.Expm1", node="Expm1")
_function("exp2", "torch.exp2", tf="", keras3="numpy.Exp2")
_function("log", "torch.log", tf="math.log(x)", keras3="numpy.Log", node="Log", examples=_POSITIVE)
_function("log1p", "torch.log1p", tf="math.log1p(x)", keras3="numpy.Log1p", node="Log1p", examples=_POSITIVE)
_function("log2", "torch.log2", tf="", keras3="numpy.Log2", examples=_POSITIVE)
_function("log10", "torch.log10", tf="", keras3="numpy.Log10", examples=_POSITIVE)
_function("sin", "torch.sin", keras3="numpy.Sin", node="Sin")
_function("cos", "torch.cos", keras3="numpy.Cos", node="Cos")
_function("tan", "torch.tan", keras3="numpy.Tan", node="Tan")
_function("asin", "torch.asin", keras3="numpy.Arcsin", node="Asin", examples=[example((4, 3), x=UNIT)])
_function("acos", "torch.acos", keras3="numpy.Arccos", node="Acos", examples=[example((4, 3), x=UNIT)])
_function("atan", "torch.atan", keras3="numpy.Arctan", node="Atan")
_function("sinh", "torch.sinh", keras3="numpy.Sinh", node="Sinh")
_function("cosh", "torch.cosh", keras3="numpy.Cosh", node="Cosh")
_function("asinh", "torch.asinh", keras3="numpy.Arcsinh", node="Asinh")
_function("atanh", "torch.atanh", keras3="numpy.Arctanh", node="Atanh", examples=[example((4, 3), x=UNIT)])
_function("erf", "torch.erf", tf="math.erf(x)", keras3="math.Erf", node="Erf")
_function("erfc", "torch.erfc", tf="math.erfc(x)", keras3="math.Erfc", node="Erfc")
_function(
    "erfinv",
    "torch.erfinv",
    tf="math.erfinv(x)",
    keras3="math.Erfinv",
    node="Erfinv",
    examples=[example((4, 3), x=UNIT)],
)
_function("lgamma", "torch.lgamma", tf="math.lgamma(x)", node="Lgamma", examples=_POSITIVE)
_function("digamma", "torch.digamma", tf="math.digamma(x)", node="Digamma", examples=_POSITIVE)
_function("floor", "torch.floor", keras3="numpy.Floor", node="Floor")
_function("ceil", "torch.ceil", tf="math.ceil(x)", keras3="numpy.Ceil", node="Ceil")
_function("round", "torch.round", tf="math.round|round(x)", node="Round")
_function("rint", "torch.round", tf="math.rint(x)", node="Rint")
_function("trunc", "torch.trunc", tf="", keras3="numpy.Trunc")
_function("is_inf", "torch.isinf", tf="math.is_inf(x)", keras3="numpy.Isinf", node="IsInf", dtype="bool")
_function("is_nan", "torch.isnan", tf="math.is_nan(x)", keras3="numpy.Isnan", node="IsNan", dtype="bool")
_function(
    "is_finite",
    "torch.isfinite",
    tf="math.is_finite(x)",
    keras3="numpy.Isfinite",
    node="IsFinite",
    dtype="bool",
)


@operation(
    tf="clip_by_value(t: x, clip_value_min: lowest, clip_value_max: highest)",
    keras3="numpy.Clip(x, *, x_min: lowest, x_max: highest)",
    node="ClipByValue(x, lowest, highest)",
    examples=[example((4, 3), x=X, lowest=-0.5, highest=1.25)],
)
def clip(layer: LayerCall, x: Any, lowest: Any, highest: Any) -> Value:
    """`torch.clamp`."""
    source = tensor(layer, x)
    if scalar(lowest) is not None and scalar(highest) is not None:
        low, high = number(lowest, "minimum"), number(highest, "maximum")
        return elementwise(layer, [source], lambda x: call("torch.clamp", x, low, high))
    return elementwise(
        layer,
        [source, lowest, highest],
        lambda x, low, high: call("torch.minimum", call("torch.maximum", x, low), high),
    )

"""Operations of torch that the ONNX exporter has no translation for, as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import opset20
from onnxscript.function_libs.torch_lib.ops.nn import aten_scaled_dot_product_attention

# A value of the ONNX graph in the making, and what makes more of them: onnxscript's types are of its own language.
Node = Any
op: Any = opset20
_BOOL, _INT32, _INT64 = 9, 6, 7
"""ONNX's numbers for these types."""


def _sort(
    x: Node,
    *,
    stable: bool | None = None,  # noqa: ARG001  TopK takes the first of equal elements first, so that it always is
    dim: int = -1,
    descending: bool = False,
) -> tuple[Node, Node]:
    """TopK of all elements along `dim`, of booleans as numbers."""
    length = op.Reshape(op.Gather(op.Shape(x), dim, axis=0), op.Constant(value_ints=[1]))
    if x.dtype is not None and x.dtype.name == "BOOL":
        values, order = op.TopK(op.Cast(x, to=_INT32), length, axis=dim, largest=int(descending))
        return op.Cast(values, to=_BOOL), order
    values, order = op.TopK(x, length, axis=dim, largest=int(descending))
    return values, order


def _rnn(activation: str) -> Callable[..., tuple[Node, Node]]:
    def translate(
        x: Node,
        start: Node,
        params: Sequence[Node],
        has_biases: bool,
        num_layers: int,
        _dropout: float,
        _train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Node, Node]:
        """One layer in one direction, which is all that a converted model holds."""
        if num_layers != 1 or bidirectional:
            raise NotImplementedError("an nn.RNN of several layers or directions")
        weights = [op.Unsqueeze(weight, [0]) for weight in params[:2]]
        bias = op.Unsqueeze(op.Concat(*params[2:], axis=0), [0]) if has_biases else None
        steps = op.Transpose(x, perm=[1, 0, 2]) if batch_first else x
        y, last = op.RNN(
            steps,
            *weights,
            bias,
            None,
            start,
            activations=[activation],
            hidden_size=params[1].shape[1],
        )
        y = op.Squeeze(y, [1])
        return (op.Transpose(y, perm=[1, 0, 2]) if batch_first else y), last

    return translate


def _attention(
    query: Node,
    key: Node,
    value: Node,
    mask: Node | None = None,
    dropout: float = 0.0,
    causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Node:
    """The exporter's own, which takes four axes, (N, heads, T, width); where there are three, written out."""
    if len(query.shape) == 4:
        return aten_scaled_dot_product_attention(
            query, key, value, mask, dropout, causal, scale=scale, enable_gqa=enable_gqa
        )
    if len(query.shape) != 3 or causal or (mask is not None and len(mask.shape) > 3):
        raise NotImplementedError("attention over other than three or four axes")
    scores = op.MatMul(query, op.Transpose(key, perm=[0, 2, 1]))
    scores = op.Mul(scores, op.CastLike(op.Constant(value_float=scale or query.shape[-1] ** -0.5), query))
    if mask is not None and mask.dtype.name == "BOOL":
        scores = op.Where(mask, scores, op.CastLike(op.Constant(value_float=float("-inf")), query))
    elif mask is not None:
        scores = op.Add(scores, mask)
    return op.MatMul(op.Softmax(scores, axis=-1), value)


def _searchsorted(
    boundaries: Node,
    x: Node,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Node | None = None,
) -> Node:
    """How many of the boundaries, on one axis, lie below each element (or at it)."""
    if len(boundaries.shape) != 1 or sorter is not None:
        raise NotImplementedError("a search in more than one row of boundaries")
    each = op.Unsqueeze(x, op.Constant(value_ints=[-1]))
    below = op.LessOrEqual if right or side == "right" else op.Less
    kind = _INT32 if out_int32 else _INT64
    return op.ReduceSum(op.Cast(below(boundaries, each), to=kind), op.Constant(value_ints=[-1]), keepdims=0)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten.sort.stable: _sort,
    torch.ops.aten.rnn_tanh.input: _rnn("Tanh"),
    torch.ops.aten.rnn_relu.input: _rnn("Relu"),
    torch.ops.aten.searchsorted.Tensor: _searchsorted,
    torch.ops.aten.scaled_dot_product_attention.default: _attention,
}

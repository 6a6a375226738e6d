"""`nn.LSTM`, `nn.GRU` and `nn.RNN` over sequences of any length, which torch.export would unroll.

The exported graph holds each as one operation in any case. To know the shape of what it yields, though, torch follows a
decomposition that loops over the steps in Python, and so fixes their number. Here the shapes are said outright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch._decomp import global_decomposition_table


def _outputs(x: torch.Tensor, h: torch.Tensor, bidirectional: bool) -> torch.Tensor:
    """The outputs of all steps; `h` is (layers * directions, N, units)."""
    return x.new_empty([*x.shape[:2], h.shape[2] * (2 if bidirectional else 1)])


def _lstm_shapes(
    x: torch.Tensor,
    start: Sequence[torch.Tensor],
    _params: Sequence[torch.Tensor],
    _has_biases: bool,
    _num_layers: int,
    _dropout: float,
    _train: bool,
    bidirectional: bool,
    _batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    h, c = start
    return _outputs(x, h, bidirectional), torch.empty_like(h), torch.empty_like(c)


def _rnn_shapes(
    x: torch.Tensor,
    start: torch.Tensor,
    _params: Sequence[torch.Tensor],
    _has_biases: bool,
    _num_layers: int,
    _dropout: float,
    _train: bool,
    bidirectional: bool,
    _batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    return _outputs(x, start, bidirectional), torch.empty_like(start)


_SHAPES: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.lstm.input: _lstm_shapes,
    torch.ops.aten.gru.input: _rnn_shapes,
    torch.ops.aten.rnn_tanh.input: _rnn_shapes,
    torch.ops.aten.rnn_relu.input: _rnn_shapes,
}


@contextmanager
def of_any_length() -> Iterator[None]:
    """While it lasts, exporting takes the shapes of recurrent operations from here.

    For exporting only: a tensor with numbers in it gets none from these.
    """
    registry = global_decomposition_table["post_autograd"]
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    before = {op: (registry[op], op.py_kernels[key]) for op in _SHAPES}
    try:
        for op, shapes in _SHAPES.items():
            registry[op] = op.py_kernels[key] = shapes
            op._dispatch_cache.clear()
        yield
    finally:
        for op, (decomposition, kernel) in before.items():
            registry[op], op.py_kernels[key] = decomposition, kernel
            op._dispatch_cache.clear()

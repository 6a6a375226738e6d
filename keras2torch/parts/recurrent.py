"""Recurrent layers: masked steps and other activations, which `nn.RNN`, `nn.LSTM` and `nn.GRU` do not have."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn


def valid_first(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The steps of `x` (N, T, ...) where `mask` (N, T) is true, each in its turn, and behind them the others.

    A recurrent layer of Keras skips masked steps: it computes what `nn.LSTM` computes in the first steps of the result.
    """
    return take_steps(x, mask.argsort(dim=1, descending=True, stable=True))


def reverse_valid(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`x` (N, T, ...), which has its valid steps first, with these in reversed order. Undoes itself."""
    steps = torch.arange(x.shape[1], device=x.device)
    return take_steps(x, (mask.sum(dim=1, keepdim=True) - 1 - steps) % x.shape[1])


def spread_valid(x: torch.Tensor, mask: torch.Tensor, *, zero_masked: bool = False) -> torch.Tensor:
    """`x` (N, T, ...), which has its valid steps first, with these where `mask` (N, T) is true.

    A masked step repeats the one before it, zeros if there is none; with `zero_masked` it holds zeros.
    """
    number = mask.cumsum(dim=1)  # of valid steps so far
    return take_steps(F.pad(x, (0, 0, 1, 0)), number * mask if zero_masked else number)


def last_valid(x: torch.Tensor, mask: torch.Tensor, start: torch.Tensor | None = None) -> torch.Tensor:
    """The last valid step of `x` (N, T, C), which has these first; `start` (default: zeros) where there is none."""
    count = mask.sum(dim=1)
    last = x[torch.arange(x.shape[0], device=x.device), count - 1]
    return torch.where(count[:, None] > 0, last, 0.0 if start is None else start)


def take_steps(x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The steps of each row of `x` (N, T, C) that `numbers` (N, S) says; (N, S, C)."""
    rows = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    return F.embedding(rows + numbers, x.flatten(0, 1))  # several times as fast as gather


def last_cell_state(
    lstm: nn.LSTM,
    x: torch.Tensor,
    outputs: torch.Tensor,
    mask: torch.Tensor,
    start: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """The cell state (N, units) behind the last valid step of `x` (N, T, C), which has these first.

    `lstm`, run on `x` from `start` (default: zeros; (N, units) each), yields `outputs` and the state behind all steps.
    The outputs tell the gates of every step, and with these `c = f * c_before + i * g` is a sum over the steps, each
    term shrunk by the forget gates of all later ones.
    """
    if start is None:
        before = F.pad(outputs[:, :-1], (0, 0, 1, 0))
    else:
        before = torch.cat([start[0][:, None], outputs[:, :-1]], dim=1)
    of_input, of_state, *biases = lstm.all_weights[0]
    bias, state_bias = biases or (None, None)
    gates = F.linear(x, of_input, bias) + F.linear(before, of_state, state_bias)
    i, f, g, _ = gates.chunk(4, dim=2)
    valid = (torch.arange(x.shape[1], device=x.device) < mask.sum(dim=1, keepdim=True))[:, :, None]
    forgotten = (
        torch.where(valid, F.logsigmoid(f), 0.0).flip(1).cumsum(dim=1).flip(1)
    )  # from each step on, as logarithm
    added = torch.where(valid, torch.sigmoid(i) * torch.tanh(g), 0.0)
    c = (added * F.pad(forgotten[:, 1:], (0, 0, 0, 1)).exp()).sum(dim=1)
    if start is None:
        return c
    return c + start[1] * forgotten[:, 0].exp()


class StepByStep(nn.Module):
    """A recurrent layer as a loop over (N, T, C), called as `nn.RNN(batch_first=True)` is, or with a mask.

    Subclasses say what a step does. `of_input` and `of_state` make all gates, side by side along axis 1, of a step's
    input and of the state before.
    """

    states = 1

    def __init__(self, hidden_size: int, of_input: nn.Module, of_state: nn.Module):
        super().__init__()
        self.hidden_size = hidden_size
        self.input = of_input
        self.recurrent = of_state

    def forward(
        self,
        x: torch.Tensor,
        start: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
        *,
        mask: torch.Tensor | None = None,
        zero_masked: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, ...]]:
        """Outputs (N, T, units) and the last state, each part of it (1, N, units).

        Where `mask` (N, T) is false the state stays as it is and the output before is repeated, zeros if there
        is none; with `zero_masked` such a step yields zeros.
        """
        inputs = self.input(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # of all steps at once
        zeros = inputs.new_zeros(inputs.shape[0], self.hidden_size, *inputs.shape[3:])
        state = (zeros,) * self.states
        if start is not None:
            state = tuple(part[0] for part in (start if isinstance(start, tuple) else (start,)))
        output, outputs = zeros, []
        for t in range(x.shape[1]):
            new = self.step(inputs[:, t], state)
            if mask is None:
                output, state = new[0], new
            else:
                valid = mask[:, t].unsqueeze(1)
                output = torch.where(valid, new[0], zeros if zero_masked else output)
                state = tuple(torch.where(valid, a, b) for a, b in zip(new, state, strict=True))
            outputs.append(output)
        last = tuple(part[None] for part in state)
        return torch.stack(outputs, dim=1), last if self.states > 1 else last[0]

    def step(self, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """The next state, whose first part is the output, from what `input` made of one step."""
        raise NotImplementedError


class StepByStepRNN(StepByStep):
    """`nn.RNN` with any activation."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh,
        *,
        bias: bool = True,
    ):
        super().__init__(
            hidden_size,
            nn.Linear(input_size, hidden_size, bias=bias),
            nn.Linear(hidden_size, hidden_size, bias=False),
        )
        self.activation = activation

    def step(self, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (self.activation(inputs + self.recurrent(state[0])),)


class StepByStepLSTM(StepByStep):
    """`nn.LSTM` with any activations; the gates stand in the same order."""

    states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh,
        recurrent_activation: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid,
        *,
        bias: bool = True,
    ):
        super().__init__(
            hidden_size,
            nn.Linear(input_size, 4 * hidden_size, bias=bias),
            nn.Linear(hidden_size, 4 * hidden_size, bias=False),
        )
        self.activation = activation
        self.recurrent_activation = recurrent_activation

    def step(self, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        h, c = state
        i, f, g, o = (inputs + self.recurrent(h)).chunk(4, dim=1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return self.recurrent_activation(o) * self.activation(c), c


class StepByStepGRU(StepByStep):
    """`nn.GRU` with any activations; the gates stand in the same order.

    With `reset_after=False` the reset gate acts on the state before the weights do, as in the original paper.
    """

    input: nn.Linear
    recurrent: nn.Linear

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh,
        recurrent_activation: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid,
        *,
        reset_after: bool = True,
        bias: bool = True,
    ):
        super().__init__(
            hidden_size,
            nn.Linear(input_size, 3 * hidden_size, bias=bias),
            nn.Linear(hidden_size, 3 * hidden_size, bias=bias and reset_after),
        )
        self.activation = activation
        self.recurrent_activation = recurrent_activation
        self.reset_after = reset_after

    def step(self, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        (h,) = state
        x_r, x_z, x_n = inputs.chunk(3, dim=1)
        if self.reset_after:
            h_r, h_z, h_n = self.recurrent(h).chunk(3, dim=1)
            h_n = self.recurrent_activation(x_r + h_r) * h_n
        else:
            weight_r, weight_z, weight_n = self.recurrent.weight.chunk(3)
            h_z = F.linear(h, weight_z)
            h_n = F.linear(self.recurrent_activation(x_r + F.linear(h, weight_r)) * h, weight_n)
        z = self.recurrent_activation(x_z + h_z)
        return (z * h + (1 - z) * self.activation(x_n + h_n),)


class StepByStepConvLSTM(StepByStep):
    """An LSTM over pictures, (N, T, C, spatial...) to (N, T, F, spatial...), with convolutions in place of products.

    `of_input` may change the size of the pictures, `of_state` may not; both yield 4 F channels, the gates i, f, g, o.
    """

    states = 2

    def __init__(
        self,
        of_input: nn.Module,
        of_state: nn.Conv1d | nn.Conv2d | nn.Conv3d,
        activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh,
        recurrent_activation: Callable[[torch.Tensor], torch.Tensor] = torch.sigmoid,
    ):
        super().__init__(of_state.in_channels, of_input, of_state)
        self.activation = activation
        self.recurrent_activation = recurrent_activation

    def step(self, inputs: torch.Tensor, state: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        h, c = state
        i, f, g, o = (inputs + self.recurrent(h)).chunk(4, dim=1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        return self.recurrent_activation(o) * self.activation(c), c


class RecurrentDropout(nn.Module):
    """An `nn.RNN`, `nn.LSTM` or `nn.GRU` of one layer and direction that drops parts of its state while training.

    Each gate sees the state before with a draw of its own, which stays for all steps of a sample; what the state
    becomes of itself is not dropped.
    """

    def __init__(self, rnn: nn.RNNBase, rate: float) -> None:
        super().__init__()
        self.rnn = rnn
        self.rate = rate

    def forward(
        self, x: torch.Tensor, start: torch.Tensor | tuple[torch.Tensor, ...] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, ...]]:
        if not self.training:
            outputs, last = self.rnn(x, start)
            return outputs, last
        cell = self.rnn
        weights = cell.all_weights[0]
        bias, state_bias = weights[2:] or (None, 0.0)
        gates = weights[1].reshape(-1, cell.hidden_size, cell.hidden_size)
        h = c = x.new_zeros(x.shape[0], cell.hidden_size)
        if start is not None:
            h, c = (start[0][0], start[1][0]) if isinstance(start, tuple) else (start[0], c)
        kept = F.dropout(x.new_ones(len(gates), *h.shape), self.rate)
        inputs = F.linear(x, weights[0], bias)
        outputs = []
        for t in range(x.shape[1]):
            of_state = torch.einsum("gnk,ghk->ngh", h * kept, gates).flatten(1) + state_bias
            if cell.mode == "GRU":
                r, z, n = inputs[:, t].chunk(3, dim=1)
                of_r, of_z, of_n = of_state.chunk(3, dim=1)
                new = torch.tanh(n + torch.sigmoid(r + of_r) * of_n)
                h = torch.lerp(new, h, torch.sigmoid(z + of_z))
            elif cell.mode == "LSTM":
                i, f, g, o = (inputs[:, t] + of_state).chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            else:
                h = inputs[:, t] + of_state
                h = torch.relu(h) if cell.mode == "RNN_RELU" else torch.tanh(h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h[None], c[None]) if cell.mode == "LSTM" else h[None]


class Stateful(nn.Module):
    """A recurrent layer that starts each call in the state in which the last one ended, the first one in zeros.

    `rnn` is called as `nn.LSTM` is; `shape` is that of each part of its state, (1, N, units). Gradients do not reach
    back into earlier calls. A call may say another state to start in; with `resumes`, only one before which all of the
    state is zeros heeds that.
    """

    h: torch.Tensor
    c: torch.Tensor | None

    def __init__(
        self, rnn: nn.Module, shape: tuple[int, ...], *, cell_state: bool = False, resumes: bool = False
    ):
        super().__init__()
        self.rnn = rnn
        self.resumes = resumes
        self.register_buffer("h", torch.zeros(shape))
        self.register_buffer("c", torch.zeros(shape) if cell_state else None)

    def forward(
        self,
        x: torch.Tensor,
        start: torch.Tensor | tuple[torch.Tensor, ...] | None = None,
        **options: torch.Tensor | bool,
    ) -> tuple[torch.Tensor, torch.Tensor | tuple[torch.Tensor, ...]]:
        kept = (self.h,) if self.c is None else (self.h, self.c)
        given = kept if start is None else start if isinstance(start, tuple) else (start,)
        if start is not None and self.resumes:
            begun = torch.cat([part.flatten() for part in kept]).any()
            given = tuple(torch.where(begun, a, b) for a, b in zip(kept, given, strict=True))
        outputs, state = self.rnn(x, given if len(given) > 1 else given[0], **options)
        if self.c is None:
            self.h = state.detach()
        else:
            self.h, self.c = (part.detach() for part in state)
        return outputs, state

    def reset_states(self, batch_size: int | None = None) -> None:
        """Start the next call in zeros, for `batch_size` sequences from then on if it is given."""
        shape = (self.h.shape[0], batch_size or self.h.shape[1], *self.h.shape[2:])
        self.h = self.h.new_zeros(shape)
        self.c = None if self.c is None else self.h.clone()


def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """The hard sigmoid of Keras before version 3: slope 1/5, where `F.hardsigmoid` has 1/6."""
    return torch.clamp(0.2 * x + 0.5, 0, 1)

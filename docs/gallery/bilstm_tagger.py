"""bilstm_tagger, converted from bilstm_tagger.h5 (Keras 3.15.1).

Inputs:
    words: int32 (N, ?)
Outputs:
    float32 (N, ?, 17)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


def take_steps(x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The steps of each row of `x` (N, T, C) that `numbers` (N, S) says; (N, S, C)."""
    rows = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    return F.embedding(rows + numbers, x.flatten(0, 1))  # several times as fast as gather


def valid_first(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The steps of `x` (N, T, ...) where `mask` (N, T) is true, each in its turn, and behind them the others.

    A recurrent layer of Keras skips masked steps: it computes what `nn.LSTM` computes in the first steps of the result.
    """
    return take_steps(x, mask.argsort(dim=1, descending=True, stable=True))


def spread_valid(x: torch.Tensor, mask: torch.Tensor, *, zero_masked: bool = False) -> torch.Tensor:
    """`x` (N, T, ...), which has its valid steps first, with these where `mask` (N, T) is true.

    A masked step repeats the one before it, zeros if there is none; with `zero_masked` it holds zeros.
    """
    number = mask.cumsum(dim=1)  # of valid steps so far
    return take_steps(F.pad(x, (0, 0, 1, 0)), number * mask if zero_masked else number)


def reverse_valid(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`x` (N, T, ...), which has its valid steps first, with these in reversed order. Undoes itself."""
    steps = torch.arange(x.shape[1], device=x.device)
    return take_steps(x, (mask.sum(dim=1, keepdim=True) - 1 - steps) % x.shape[1])


class BiLSTMTagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20000, 128)
        self.bilstm1_forward = nn.LSTM(128, 128, batch_first=True)
        self.bilstm1_backward = nn.LSTM(128, 128, batch_first=True)
        self.bilstm2_forward = nn.LSTM(256, 128, batch_first=True)
        self.bilstm2_backward = nn.LSTM(256, 128, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.tags = nn.Linear(256, 17)
        # Keras has one bias where torch adds two: the second stays zero.
        self.bilstm1_forward.bias_hh_l0.requires_grad_(False)
        self.bilstm1_backward.bias_hh_l0.requires_grad_(False)
        self.bilstm2_forward.bias_hh_l0.requires_grad_(False)
        self.bilstm2_backward.bias_hh_l0.requires_grad_(False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        mask = words != 0
        x = self.embedding(words)  # (?, 128)
        x = valid_first(x, mask)
        y, _ = self.bilstm1_forward(x)
        x = reverse_valid(x, mask)
        x, _ = self.bilstm1_backward(x)
        x = reverse_valid(x, mask)
        y = torch.cat([y, x], dim=-1)  # (?, 256)
        x, _ = self.bilstm2_forward(y)  # (?, 128)
        y = reverse_valid(y, mask)  # (?, 256)
        y, _ = self.bilstm2_backward(y)  # (?, 128)
        y = reverse_valid(y, mask)
        x = torch.cat([x, y], dim=-1)  # (?, 256)
        x = spread_valid(x, mask, zero_masked=True)
        x = self.dropout(x)
        return torch.softmax(self.tags(x), dim=-1)  # (?, 17)


Model = BiLSTMTagger


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

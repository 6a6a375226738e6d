"""transformer_encoder, converted from transformer_encoder.h5 (Keras 3.15.1).

Inputs:
    words: int32 (N, 128)
Outputs:
    float32 (N, 2)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class EncoderBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(256, 8, batch_first=True, dropout=0.1)
        self.norm1 = nn.LayerNorm(256, eps=1e-6)
        self.expand = nn.Linear(256, 1024)
        self.project = nn.Linear(1024, 256)
        self.dropout = nn.Dropout(0.1)
        self.norm2 = nn.LayerNorm(256, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.attention(x, x, x, need_weights=False)[0]
        x = x + y
        x = self.norm1(x)
        y = F.gelu(self.expand(x))
        y = self.project(y)
        y = self.dropout(y)
        x = x + y
        return self.norm2(x)


class TransformerEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20000, 256)
        self.blocks = nn.Sequential(*[EncoderBlock() for _ in range(4)])
        self.label = nn.Linear(256, 2)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.embedding(words)  # (128, 256)
        x = self.blocks(x)
        x = x.mean(dim=1)  # (256,)
        return torch.softmax(self.label(x), dim=-1)  # (2,)


Model = TransformerEncoder


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

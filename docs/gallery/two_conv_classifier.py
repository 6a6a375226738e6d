"""digits, converted from two_conv_classifier.h5 (Keras 3.15.1).

Inputs:
    x: float32 (N, 1, 28, 28), in Keras (N, 28, 28, 1)
Outputs:
    float32 (N, 10)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Digits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.pool2 = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(1600, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1(x), inplace=True)  # (32, 26, 26)
        x = self.pool1(x)  # (32, 13, 13)
        x = F.relu(self.conv2(x), inplace=True)  # (64, 11, 11)
        x = self.pool2(x)  # (64, 5, 5)
        x = x.flatten(1)  # (1600,)
        x = self.dropout(x)
        return torch.softmax(self.linear(x), dim=-1)  # (10,)


Model = Digits


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

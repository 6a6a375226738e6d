"""recommender, converted from recommender.h5 (Keras 3.15.1).

Inputs:
    user: int32 (N, 1)
    item: int32 (N, 1)
    features: float32 (N, 12)
Outputs:
    float32 (N, 1)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class Recommender(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.user_embedding = nn.Embedding(10000, 64)
        self.item_embedding = nn.Embedding(5000, 64)
        self.dense1 = nn.Linear(141, 128)
        self.dropout1 = nn.Dropout(0.2)
        self.dense2 = nn.Linear(128, 64)
        self.dropout2 = nn.Dropout(0.2)
        self.score = nn.Linear(64, 1)

    def forward(
        self, user: torch.Tensor, item: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        x = self.user_embedding(user)  # (1, 64)
        x = x.flatten(1)  # (64,)
        y = self.item_embedding(item)  # (1, 64)
        y = y.flatten(1)  # (64,)
        z = (x * y).sum(dim=1, keepdim=True)  # (1,)
        x = torch.cat([x, y, features, z], dim=1)  # (141,)
        x = F.relu(self.dense1(x))  # (128,)
        x = self.dropout1(x)
        x = F.relu(self.dense2(x))  # (64,)
        x = self.dropout2(x)
        return torch.sigmoid(self.score(x))  # (1,)


Model = Recommender


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

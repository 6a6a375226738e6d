"""vae, converted from vae.h5 (Keras 3.15.1).

Inputs:
    image: float32 (N, 1, 28, 28), in Keras (N, 28, 28, 1)
Outputs:
    float32 (N, 1, 28, 28), in Keras (N, 28, 28, 1)
    float32 (N, 2)
    float32 (N, 2)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class GaussianNoise(nn.Module):
    """Adds normal noise of mean zero."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x + self.stddev * torch.randn_like(x)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, stride=2)
        self.conv2 = nn.Conv2d(32, 64, 3, stride=2)
        self.linear = nn.Linear(3136, 16)
        self.z_mean = nn.Linear(16, 2)
        self.z_log_var = nn.Linear(16, 2)
        self.noise = GaussianNoise(1.0)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = F.relu(self.conv1(F.pad(x, (0, 1, 0, 1))), inplace=True)
        x = F.relu(self.conv2(F.pad(x, (0, 1, 0, 1))), inplace=True)
        x = x.flatten(1)
        x = F.relu(self.linear(x))
        z_mean = self.z_mean(x)
        z_log_var = self.z_log_var(x)
        x = 0.5 * z_log_var
        x = torch.exp(x)
        y = torch.zeros_like(z_mean)
        y = self.noise(y)
        x = x * y
        z = z_mean + x
        return z_mean, z_log_var, z


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3136)
        self.conv_transpose1 = nn.ConvTranspose2d(64, 64, 3, stride=2)
        self.conv_transpose2 = nn.ConvTranspose2d(64, 32, 3, stride=2)
        self.conv_transpose3 = nn.ConvTranspose2d(32, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.linear(x))
        x = x.reshape(-1, 7, 7, 64)
        x = F.relu(self.conv_transpose1(x.permute(0, 3, 1, 2))[:, :, :-1, :-1], inplace=True)
        x = F.relu(self.conv_transpose2(x)[:, :, :-1, :-1], inplace=True)
        return torch.sigmoid(self.conv_transpose3(x))


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        z_mean, z_log_var, x = self.encoder(image)  # (2,)
        x = self.decoder(x)  # (1, 28, 28)
        return x, z_mean, z_log_var


Model = VAE


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

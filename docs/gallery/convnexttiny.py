"""convnext_tiny, converted from ConvNeXtTiny.h5 (Keras 3.15.1).

Inputs:
    x: float32 (N, 3, 224, 224), in Keras (N, 224, 224, 3)
Outputs:
    float32 (N, 1000)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

LN_EPS = 1e-6


class Normalization(nn.Module):
    """Numbers of known mean and variance to mean 0 and variance 1, or back if `invert`; `shape` broadcasts."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, shape: tuple[int, ...], invert: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("variance", torch.ones(shape))
        self.invert = invert

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deviation = torch.clamp(torch.sqrt(self.variance), min=1e-7)
        return x * deviation + self.mean if self.invert else (x - self.mean) / deviation


class LayerScale(nn.Module):
    """Multiplies by learned factors of the given shape, which broadcasts (Touvron et al., 2021)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.layernorm = nn.LayerNorm(channels, eps=LN_EPS)
        self.pointwise_conv_1 = nn.Linear(channels, 4 * channels)
        self.pointwise_conv_2 = nn.Linear(4 * channels, channels)
        self.layer_scale = LayerScale((channels,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.depthwise_conv(x)
        y = self.layernorm(y.permute(0, 2, 3, 1))
        y = F.gelu(self.pointwise_conv_1(y))
        y = self.pointwise_conv_2(y)
        y = self.layer_scale(y)
        return x + y.permute(0, 3, 1, 2)


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 96, 4, stride=4)
        self.layernorm = nn.LayerNorm(96, eps=LN_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.layernorm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class DownsamplingBlock(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels, eps=LN_EPS)
        self.conv = nn.Conv2d(in_channels, 2 * in_channels, 2, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.conv(x)


class ConvNeXtTiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.prestem_normalization = Normalization((3, 1, 1))
        self.stage1 = nn.Sequential(
            Stem(),
            *[ResidualBlock(96) for _ in range(3)],
        )
        self.stage2 = nn.Sequential(
            DownsamplingBlock(96),
            *[ResidualBlock(192) for _ in range(3)],
        )
        self.stage3 = nn.Sequential(
            DownsamplingBlock(192),
            *[ResidualBlock(384) for _ in range(9)],
        )
        self.stage4 = nn.Sequential(
            DownsamplingBlock(384),
            *[ResidualBlock(768) for _ in range(3)],
        )
        self.head_layernorm = nn.LayerNorm(768, eps=LN_EPS)
        self.head_dense = nn.Linear(768, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.prestem_normalization(x)
        x = self.stage1(x)  # (96, 56, 56)
        x = self.stage2(x)  # (192, 28, 28)
        x = self.stage3(x)  # (384, 14, 14)
        x = self.stage4(x)  # (768, 7, 7)
        x = x.mean(dim=(2, 3))  # (768,)
        x = self.head_layernorm(x)
        return torch.softmax(self.head_dense(x), dim=-1)  # (1000,)


Model = ConvNeXtTiny


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

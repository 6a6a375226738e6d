"""unet, converted from unet.h5 (Keras 3.15.1).

Inputs:
    image: float32 (N, 3, 128, 128), in Keras (N, 128, 128, 3)
Outputs:
    float32 (N, 1, 128, 128), in Keras (N, 128, 128, 1)
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn


class ConvNormAct(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001, momentum=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class UpBlock(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        out_channels = in_channels // 2
        self.conv_transpose = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.blocks = nn.Sequential(
            ConvNormAct(in_channels, out_channels),
            ConvNormAct(out_channels, out_channels),
        )

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x = self.conv_transpose(x)
        x = torch.cat([x, y], dim=1)
        return self.blocks(x)


class DownBlock(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        out_channels = 2 * in_channels
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.Sequential(
            ConvNormAct(in_channels, out_channels),
            ConvNormAct(out_channels, out_channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x)
        return self.blocks(x)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            ConvNormAct(3, 32),
            ConvNormAct(32, 32),
        )
        self.down_block1 = DownBlock(32)
        self.down_block2 = DownBlock(64)
        self.down_block3 = DownBlock(128)
        self.down_block4 = DownBlock(256)
        self.up_block1 = UpBlock(512)
        self.up_block2 = UpBlock(256)
        self.up_block3 = UpBlock(128)
        self.up_block4 = UpBlock(64)
        self.mask = nn.Conv2d(32, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        skip1 = self.blocks(image)  # (32, 128, 128)
        skip2 = self.down_block1(skip1)  # (64, 64, 64)
        skip3 = self.down_block2(skip2)  # (128, 32, 32)
        skip4 = self.down_block3(skip3)  # (256, 16, 16)
        x = self.down_block4(skip4)  # (512, 8, 8)
        x = self.up_block1(x, skip4)  # (256, 16, 16)
        x = self.up_block2(x, skip3)  # (128, 32, 32)
        x = self.up_block3(x, skip2)  # (64, 64, 64)
        x = self.up_block4(x, skip1)  # (32, 128, 128)
        return torch.sigmoid(self.mask(x))  # (1, 128, 128)


Model = UNet


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

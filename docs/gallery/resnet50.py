"""resnet50, converted from ResNet50.h5 (Keras 3.15.1).

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

BN_EPS = 1.001e-5
BN_MOMENTUM = 0.01


class Bottleneck(nn.Module):
    def __init__(
        self, in_channels: int, hidden: int, stride: int = 1, project: bool = False
    ) -> None:
        super().__init__()
        out_channels = 4 * hidden
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, stride=stride)
        self.bn1 = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.conv3 = nn.Conv2d(hidden, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.shortcut = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride),
                nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM),
            )
            if project
            else nn.Identity()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = self.shortcut(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu(self.bn2(self.conv2(x)), inplace=True)
        x = self.bn3(self.conv3(x))
        x += shortcut
        return F.relu(x, inplace=True)


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.conv1_bn = nn.BatchNorm2d(64, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.pool1_pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage1 = nn.Sequential(
            Bottleneck(64, 64, project=True),
            Bottleneck(256, 64),
            Bottleneck(256, 64),
        )
        self.stage2 = nn.Sequential(
            Bottleneck(256, 128, stride=2, project=True),
            *[Bottleneck(512, 128) for _ in range(3)],
        )
        self.stage3 = nn.Sequential(
            Bottleneck(512, 256, stride=2, project=True),
            *[Bottleneck(1024, 256) for _ in range(5)],
        )
        self.stage4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2, project=True),
            Bottleneck(2048, 512),
            Bottleneck(2048, 512),
        )
        self.predictions = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1_bn(self.conv1_conv(x)), inplace=True)  # (64, 112, 112)
        x = self.pool1_pool(x)  # (64, 56, 56)
        x = self.stage1(x)  # (256, 56, 56)
        x = self.stage2(x)  # (512, 28, 28)
        x = self.stage3(x)  # (1024, 14, 14)
        x = self.stage4(x)  # (2048, 7, 7)
        x = x.mean(dim=(2, 3))  # (2048,)
        return torch.softmax(self.predictions(x), dim=-1)  # (1000,)


Model = ResNet50


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

"""densenet121, converted from DenseNet121.h5 (Keras 3.15.1).

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


class DenseLayer(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(in_channels, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.conv1 = nn.Conv2d(in_channels, 128, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(128, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.conv2 = nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn0(x), inplace=True)
        y = F.relu(self.bn1(self.conv1(y)), inplace=True)
        y = self.conv2(y)
        return torch.cat([x, y], dim=1)


class DenseNet121(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_conv = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.conv1_bn = nn.BatchNorm2d(64, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage1 = nn.Sequential(*[DenseLayer(64 + 32 * i) for i in range(6)])
        self.pool2_bn = nn.BatchNorm2d(256, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.pool2_conv = nn.Conv2d(256, 128, 1, bias=False)
        self.pool2_pool = nn.AvgPool2d(2)
        self.stage2 = nn.Sequential(*[DenseLayer(128 + 32 * i) for i in range(12)])
        self.pool3_bn = nn.BatchNorm2d(512, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.pool3_conv = nn.Conv2d(512, 256, 1, bias=False)
        self.pool3_pool = nn.AvgPool2d(2)
        self.stage3 = nn.Sequential(*[DenseLayer(256 + 32 * i) for i in range(24)])
        self.pool4_bn = nn.BatchNorm2d(1024, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.pool4_conv = nn.Conv2d(1024, 512, 1, bias=False)
        self.pool4_pool = nn.AvgPool2d(2)
        self.stage4 = nn.Sequential(*[DenseLayer(512 + 32 * i) for i in range(16)])
        self.bn = nn.BatchNorm2d(1024, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.predictions = nn.Linear(1024, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv1_bn(self.conv1_conv(x)), inplace=True)  # (64, 112, 112)
        x = self.pool1(x)  # (64, 56, 56)
        x = self.stage1(x)  # (256, 56, 56)
        x = F.relu(self.pool2_bn(x), inplace=True)
        x = self.pool2_conv(x)  # (128, 56, 56)
        x = self.pool2_pool(x)  # (128, 28, 28)
        x = self.stage2(x)  # (512, 28, 28)
        x = F.relu(self.pool3_bn(x), inplace=True)
        x = self.pool3_conv(x)  # (256, 28, 28)
        x = self.pool3_pool(x)  # (256, 14, 14)
        x = self.stage3(x)  # (1024, 14, 14)
        x = F.relu(self.pool4_bn(x), inplace=True)
        x = self.pool4_conv(x)  # (512, 14, 14)
        x = self.pool4_pool(x)  # (512, 7, 7)
        x = self.stage4(x)  # (1024, 7, 7)
        x = F.relu(self.bn(x), inplace=True)
        x = x.mean(dim=(2, 3))  # (1024,)
        return torch.softmax(self.predictions(x), dim=-1)  # (1000,)


Model = DenseNet121


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

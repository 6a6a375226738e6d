"""mobilenetv2_1.00_224, converted from MobileNetV2.h5 (Keras 3.15.1).

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

BN_EPS = 0.001
BN_MOMENTUM = 0.001


class InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, residual: bool = True) -> None:
        super().__init__()
        hidden = 6 * in_channels
        self.residual = residual
        self.expand = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self.expand_bn(self.expand(x)), inplace=True)
        y = F.relu6(self.depthwise_bn(self.depthwise(y)), inplace=True)
        y = self.project_bn(self.project(y))
        return x + y if self.residual else y


class InvertedBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = 6 * in_channels
        self.expand = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.expand_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride=2, groups=hidden, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(hidden, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_bn = nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self.expand_bn(self.expand(x)), inplace=True)
        x = F.pad(x, (0, 1, 0, 1))
        x = F.relu6(self.depthwise_bn(self.depthwise(x)), inplace=True)
        return self.project_bn(self.project(x))


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn_conv1 = nn.BatchNorm2d(32, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.expanded_conv_depthwise = nn.Conv2d(32, 32, 3, padding=1, groups=32, bias=False)
        self.expanded_conv_depthwise_bn = nn.BatchNorm2d(32, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.expanded_conv_project = nn.Conv2d(32, 16, 1, bias=False)
        self.expanded_conv_project_bn = nn.BatchNorm2d(16, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.stage1 = nn.Sequential(
            InvertedBlock(16, 24),
            InvertedResidual(24, 24),
        )
        self.stage2 = nn.Sequential(
            InvertedBlock(24, 32),
            InvertedResidual(32, 32),
            InvertedResidual(32, 32),
        )
        self.stage3 = nn.Sequential(
            InvertedBlock(32, 64),
            *[InvertedResidual(64, 64) for _ in range(3)],
            InvertedResidual(64, 96, residual=False),
            InvertedResidual(96, 96),
            InvertedResidual(96, 96),
        )
        self.stage4 = nn.Sequential(
            InvertedBlock(96, 160),
            InvertedResidual(160, 160),
            InvertedResidual(160, 160),
            InvertedResidual(160, 320, residual=False),
        )
        self.conv_1 = nn.Conv2d(320, 1280, 1, bias=False)
        self.conv_1_bn = nn.BatchNorm2d(1280, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.predictions = nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(F.pad(x, (0, 1, 0, 1)))  # (32, 112, 112)
        x = F.relu6(self.bn_conv1(x), inplace=True)
        x = F.relu6(self.expanded_conv_depthwise_bn(self.expanded_conv_depthwise(x)), inplace=True)
        x = self.expanded_conv_project_bn(self.expanded_conv_project(x))  # (16, 112, 112)
        x = self.stage1(x)  # (24, 56, 56)
        x = self.stage2(x)  # (32, 28, 28)
        x = self.stage3(x)  # (96, 14, 14)
        x = self.stage4(x)  # (320, 7, 7)
        x = F.relu6(self.conv_1_bn(self.conv_1(x)), inplace=True)  # (1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (1280,)
        return torch.softmax(self.predictions(x), dim=-1)  # (1000,)


Model = MobileNetV2


def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()

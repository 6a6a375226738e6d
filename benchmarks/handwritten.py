"""The nets of `benchmarks.forward` as one writes them in PyTorch by hand, and the weights of Keras put into them.

`layers()` of each says which of its modules is which layer of Keras, by name, so that nothing depends on how the
converter wires or names things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

Named = Iterator[tuple[str, nn.Module]]


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions; as in Keras, the stride is on the first and convolutions have biases."""

    def __init__(self, inputs: int, width: int, stride: int, *, project: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, stride=stride)
        self.bn1 = nn.BatchNorm2d(width, eps=1.001e-5)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width, eps=1.001e-5)
        self.conv3 = nn.Conv2d(width, 4 * width, 1)
        self.bn3 = nn.BatchNorm2d(4 * width, eps=1.001e-5)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Sequential | None = None
        if project:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride=stride), nn.BatchNorm2d(4 * width, eps=1.001e-5)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        result: torch.Tensor = self.relu(x)
        return result


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            nn.BatchNorm2d(64, eps=1.001e-5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        stages, inputs = [], 64
        for width, depth, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            blocks = [Bottleneck(inputs, width, stride, project=True)]
            blocks += [Bottleneck(4 * width, width, 1, project=False) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            inputs = 4 * width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stages(self.stem(x)).mean(dim=(2, 3))
        return F.softmax(self.head(x), dim=-1)

    def layers(self) -> Named:
        yield from zip(("conv1_conv", "conv1_bn"), self.stem, strict=False)
        blocks = iter([module for module in self.modules() if isinstance(module, Bottleneck)])
        for stage, depth in enumerate((3, 4, 6, 3), start=2):
            for number, block in zip(range(1, depth + 1), blocks, strict=False):
                prefix = f"conv{stage}_block{number}"
                if block.shortcut is not None:
                    yield from zip((f"{prefix}_0_conv", f"{prefix}_0_bn"), block.shortcut, strict=True)
                for place in (1, 2, 3):
                    yield f"{prefix}_{place}_conv", getattr(block, f"conv{place}")
                    yield f"{prefix}_{place}_bn", getattr(block, f"bn{place}")
        yield "predictions", self.head


def _normalized(conv: nn.Conv2d, *, activated: bool = True) -> list[nn.Module]:
    norm = nn.BatchNorm2d(conv.out_channels, eps=1e-3)
    return [conv, norm, nn.ReLU6(inplace=True)] if activated else [conv, norm]


class InvertedResidual(nn.Module):
    """MobileNetV2's block; Keras pads a stride of two behind only."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        hidden = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        expand = _normalized(nn.Conv2d(inputs, hidden, 1, bias=False)) if expansion > 1 else []
        pad: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
        depthwise = nn.Conv2d(hidden, hidden, 3, stride=stride, padding=2 - stride, groups=hidden, bias=False)
        project = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.body = nn.Sequential(
            *expand, *pad, *_normalized(depthwise), *_normalized(project, activated=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.body(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = [nn.ZeroPad2d((0, 1, 0, 1))]
        features += _normalized(nn.Conv2d(3, 32, 3, stride=2, bias=False))
        inputs = 32
        for expansion, outputs, depth, stride in (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):
            for block in range(depth):
                features.append(InvertedResidual(inputs, outputs, stride if block == 0 else 1, expansion))
                inputs = outputs
        features += _normalized(nn.Conv2d(320, 1280, 1, bias=False))
        self.features = nn.Sequential(*features)
        self.head = nn.Linear(1280, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x).mean(dim=(2, 3))
        return F.softmax(self.head(x), dim=-1)

    def layers(self) -> Named:
        weighted = iter([m for m in self.features.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)])
        names = ["Conv1", "bn_Conv1"]
        for block in range(17):
            prefix = f"block_{block}" if block else "expanded_conv"
            for step in ("expand", "depthwise", "project")[block == 0 :]:
                names += [f"{prefix}_{step}", f"{prefix}_{step}_BN"]
        yield from zip([*names, "Conv_1", "Conv_1_bn"], weighted, strict=True)
        yield "predictions", self.head


class LinearOfImages(nn.Linear):
    """Of flattened images, which Keras flattens with the channels last."""

    def __init__(self, channels: int, pixels: int, outputs: int) -> None:
        super().__init__(channels * pixels, outputs)
        self.channels = channels


class VGG16(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        features: list[nn.Module] = []
        channels = 3
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                features += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
            features.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            LinearOfImages(512, (size // 32) ** 2, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, 1000),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(self.classifier(self.features(x)), dim=-1)

    def layers(self) -> Named:
        convolutions = iter([module for module in self.features if isinstance(module, nn.Conv2d)])
        for block, depth in enumerate((2, 2, 3, 3, 3), start=1):
            for place in range(1, depth + 1):
                yield f"block{block}_conv{place}", next(convolutions)
        dense = [module for module in self.classifier if isinstance(module, nn.Linear)]
        yield from zip(("fc1", "fc2", "predictions"), dense, strict=True)


class TextLSTM(nn.Module):
    """Two LSTMs over sentences padded behind: no step before the padding sees it, so only the last one is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.lstm1 = nn.LSTM(128, 128, batch_first=True)
        self.lstm2 = nn.LSTM(128, 64, batch_first=True)
        self.head = nn.Linear(64, 1)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        last = (words != 0).sum(dim=1) - 1
        x, _ = self.lstm1(self.embedding(words))
        x, _ = self.lstm2(x)
        x = x[torch.arange(len(x)), last]
        return torch.sigmoid(self.head(x))

    def layers(self) -> Named:
        yield from (("embedding", self.embedding), ("lstm1", self.lstm1), ("lstm2", self.lstm2))
        yield "head", self.head


class TextBiLSTM(nn.Module):
    """A tag for every word; the direction that begins at the end must not see the padding, so the batch is packed."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5000, 128)
        self.lstm = nn.LSTM(128, 64, batch_first=True, bidirectional=True)
        self.head = nn.Linear(128, 17)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        lengths = (words != 0).sum(dim=1)
        packed, _ = self.lstm(
            pack_padded_sequence(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
        )
        x, _ = pad_packed_sequence(packed, batch_first=True, total_length=words.shape[1])
        return F.softmax(self.head(x), dim=-1)

    def layers(self) -> Named:
        yield from (("embedding", self.embedding), ("bilstm", self.lstm), ("head", self.head))


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, hidden)
        self.reduce = nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        attended, _ = self.attention(x, x, x, need_weights=False)
        x = self.norm1(x + attended)
        result: torch.Tensor = self.norm2(x + self.reduce(F.gelu(self.expand(x))))
        return result


class TransformerEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Embedding(5000, 256)
        self.position = nn.Embedding(128, 256)
        self.blocks = nn.Sequential(*(EncoderBlock(256, 8, 1024) for _ in range(4)))
        self.head = nn.Linear(256, 10)

    def forward(self, words: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        x = self.token(words) + self.position(steps)
        x = self.blocks(x).mean(dim=1)
        return F.softmax(self.head(x), dim=-1)

    def layers(self) -> Named:
        yield from (("token", self.token), ("position", self.position), ("head", self.head))
        for number, block in enumerate(self.blocks):
            for name in ("attention", "norm1", "expand", "reduce", "norm2"):
                yield f"{name}_{number}", getattr(block, name)


def load(model: nn.Module, layers: Named, weights: Mapping[str, Sequence[torch.Tensor]]) -> None:
    """Copy the weights of Keras, by layer and in its order. Raises if a shape differs or a layer has no module."""
    left = set(weights)
    for name, module in layers:
        left.remove(name)
        module.load_state_dict(_converted(module, list(weights[name])), strict=False)
    if left:
        raise ValueError(f"{type(model).__name__} has no module for {', '.join(sorted(left))}")


def _converted(module: nn.Module, arrays: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    if isinstance(module, nn.Conv2d):
        axes = (2, 3, 0, 1) if module.groups > 1 else (3, 2, 0, 1)
        return dict(zip(("weight", "bias"), [arrays[0].permute(axes), *arrays[1:]], strict=False))
    if isinstance(module, LinearOfImages):
        kernel = arrays[0].reshape(-1, module.channels, module.out_features).transpose(0, 1).flatten(0, 1)
        return {"weight": kernel.T, "bias": arrays[1]}
    if isinstance(module, nn.Linear):
        return {"weight": arrays[0].T, "bias": arrays[1]}
    if isinstance(module, nn.LSTM):
        state: dict[str, torch.Tensor] = {}
        for suffix in ("", "_reverse")[: len(arrays) // 3]:
            kernel, recurrent, bias, *arrays = arrays
            state |= {f"weight_ih_l0{suffix}": kernel.T, f"weight_hh_l0{suffix}": recurrent.T}
            state |= {f"bias_ih_l0{suffix}": bias, f"bias_hh_l0{suffix}": torch.zeros_like(bias)}
        return state
    if isinstance(module, nn.MultiheadAttention):
        kernels = [kernel.flatten(1).T for kernel in arrays[0:6:2]]
        biases = [bias.flatten() for bias in arrays[1:6:2]]
        return {
            "in_proj_weight": torch.cat(kernels),
            "in_proj_bias": torch.cat(biases),
            "out_proj.weight": arrays[6].flatten(0, 1).T,
            "out_proj.bias": arrays[7],
        }
    return dict(zip(("weight", "bias", "running_mean", "running_var"), arrays, strict=False))

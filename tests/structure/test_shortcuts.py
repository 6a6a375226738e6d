"""Residual blocks with and without layers in their shortcut are one class, as people write them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crafted import Config, call, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, classes_in, text_in_blocks
from tests.structure.test_styles import conv, model


def norm(name: str, before: str) -> Config:
    return layer("BatchNormalization", name, call(before))


def relu(name: str, before: str) -> Config:
    return layer("Activation", name, call(before), activation="relu")


def resnet(
    *,
    normalized: bool = True,
    project: Sequence[int] = (1, 2),
    kernels: Sequence[int] = (1, 1, 1),
    **shortcut: Any,
) -> Config:
    """Three stages of three blocks; the first of the stages in `project` has a convolution in its shortcut."""
    layers, before = [source("image", 9, 9, 4), conv("stem", "image", 4, 3)], "stem"
    width = 4
    for stage in range(3):
        width = 2 * width if stage in project else width
        for number in range(3):
            prefix = f"s{stage}b{number}"
            projects = number == 0 and stage in project
            stride = 2 if projects else 1
            added = before
            if projects:
                kernel = kernels[stage]
                layers.append(conv(f"{prefix}_0", before, width, kernel, strides=stride, **shortcut))
                added = f"{prefix}_0"
                if normalized:
                    layers.append(norm(f"{prefix}_0_bn", added))
                    added = f"{prefix}_0_bn"
            layers += [
                conv(f"{prefix}_1", before, width, 3, strides=stride),
                norm(f"{prefix}_1_bn", f"{prefix}_1"),
                relu(f"{prefix}_1_relu", f"{prefix}_1_bn"),
                conv(f"{prefix}_2", f"{prefix}_1_relu", width, 3),
                norm(f"{prefix}_2_bn", f"{prefix}_2"),
                layer("Add", f"{prefix}_add", call(added, f"{prefix}_2_bn")),
                relu(f"{prefix}_out", f"{prefix}_add"),
            ]
            before = f"{prefix}_out"
    return model(layers, ["image"], [before])


SHORTCUT = """
        self.shortcut = (
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride),
                nn.BatchNorm2d(out_channels, eps=BN_EPS, momentum=BN_MOMENTUM),
            )
            if project
            else nn.Identity()
        )
"""


def test_one_class_is_told_whether_to_project(tmp_path: Path) -> None:
    text = assert_same(resnet(), tmp_path / "m")
    assert classes_in(text) == ["ResidualBlock", "Net"]
    assert SHORTCUT in text
    assert "shortcut = self.shortcut(x)" in text
    assert "in_channels: int, out_channels: int, stride: int = 1, project: bool = False" in text
    assert re.findall(r"ResidualBlock\((.*?)\)", text.partition("class Net")[2]) == [
        "4, 4",
        "4, 8, stride=2, project=True",
        "8, 8",
        "8, 8",
        "8, 16, stride=2, project=True",
        "16, 16",
        "16, 16",
    ]


def test_a_shortcut_of_one_layer_is_that_layer(tmp_path: Path) -> None:
    text = assert_same(resnet(normalized=False), tmp_path / "m")
    assert classes_in(text) == ["ResidualBlock", "Net"]
    assert "nn.Conv2d(in_channels, out_channels, 1, stride=stride) if project else nn.Identity()" in text


def test_a_shortcut_with_an_activation_is_another_class(tmp_path: Path) -> None:
    text = assert_same(resnet(normalized=False, activation="tanh"), tmp_path / "m")
    assert "nn.Identity" not in text
    assert "torch.tanh(" in text


def test_a_number_that_a_block_without_shortcut_does_not_tell_is_no_parameter() -> None:
    """Kernels of 1 and 3 in shortcuts: what would they be where there is none?"""
    text = text_in_blocks(resnet(kernels=(1, 3, 5)))
    assert "nn.Identity" not in text


def test_a_shortcut_from_within_a_block_is_another_class() -> None:
    """With the activation first, the shortcut takes what is activated."""
    layers, before = [source("image", 9, 9, 4)], "image"
    for number in range(8):
        prefix, projects = f"b{number}", number % 4 == 0
        added = before
        layers += [norm(f"{prefix}_bn", before), relu(f"{prefix}_relu", f"{prefix}_bn")]
        if projects:
            added = f"{prefix}_0"
            layers.append(conv(added, f"{prefix}_relu", 4, 1))
        layers += [
            conv(f"{prefix}_1", f"{prefix}_relu", 4, 3, activation="relu"),
            conv(f"{prefix}_2", f"{prefix}_1", 4, 3),
            layer("Add", f"{prefix}_add", call(added, f"{prefix}_2")),
        ]
        before = f"{prefix}_add"
    text = text_in_blocks(model(layers, ["image"], [before]))
    assert "nn.Identity" not in text


def test_one_projection_is_enough_and_none_changes_nothing(tmp_path: Path) -> None:
    assert "project=True" in assert_same(resnet(project=(1,)), tmp_path / "one")
    assert "project" not in text_in_blocks(resnet(project=()))

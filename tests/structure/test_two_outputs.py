"""Blocks that yield two tensors, as those of WaveNet: one for the next block, one for the sum at the end."""

import re
from pathlib import Path
from typing import Any

from tests.crafted import Config, call, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, classes_in, text_in_blocks
from tests.structure.test_styles import model


def wavenet(blocks: int = 6, joined: str = "Add") -> Config:
    """Gated convolutions whose output goes on to the next block and, through another convolution, to the end."""

    def conv(name: str, before: str, **config: Any) -> Config:
        return layer("Conv1D", name, call(before), filters=4, **{"kernel_size": 1} | config)

    layers, before, skips = [source("sound", None, 4)], "sound", []
    for number in range(blocks):
        dilated = {"kernel_size": 2, "padding": "causal", "dilation_rate": 2 ** (number % 3)}
        layers += [
            conv(f"filter_{number}", before, activation="tanh", **dilated),
            conv(f"gate_{number}", before, activation="sigmoid", **dilated),
            layer("Multiply", f"gated_{number}", call(f"filter_{number}", f"gate_{number}")),
            conv(f"skip_{number}", f"gated_{number}"),
        ]
        skips.append(f"skip_{number}")
        if number + 1 < blocks:
            layers += [
                conv(f"residual_{number}", f"gated_{number}"),
                layer("Add", f"sum_{number}", call(before, f"residual_{number}")),
            ]
        before = f"sum_{number}"
    layers += [
        layer(joined, "skips", call(*skips), **({"axis": -1} if joined == "Concatenate" else {})),
        layer("Activation", "relu", call("skips"), activation="relu"),
    ]
    return model(layers, ["sound"], ["relu"])


def test_a_block_returns_what_goes_on_and_what_is_put_aside(tmp_path: Path) -> None:
    text = assert_same(wavenet(), tmp_path / "m")
    # The last block yields no more than its skip: it is not one of them.
    assert classes_in(text) == ["GatedConv", "GatedResidualBlock", "Net"]
    assert "def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:" in text
    given = ["", "dilation=2", "dilation=4", "", "dilation=2"]
    assert re.findall(r"GatedResidualBlock\((.*)\),", text) == given


def two_states(steps: int = 5) -> Config:
    """Two values that go from block to block, each made of both."""
    layers, state, memory = [source("state", 6), source("memory", 6)], "state", "memory"
    for number in range(steps):
        layers += [
            layer("Dense", f"forget_{number}", call(state), units=6, activation="sigmoid"),
            layer("Dense", f"new_{number}", call(state), units=6, activation="tanh"),
            layer("Multiply", f"memory_{number}", call(f"forget_{number}", memory)),
            layer("Add", f"state_{number}", call(f"new_{number}", memory)),
        ]
        state, memory = f"state_{number}", f"memory_{number}"
    layers.append(layer("Subtract", "both", call(state, memory)))
    return model(layers, ["state", "memory"], ["both"])


def test_two_states_go_through_every_block(tmp_path: Path) -> None:
    text = assert_same(two_states(), tmp_path / "m")
    assert classes_in(text) == ["MLP", "Net"]
    assert "return x, y" in text or "return y, x" in text


def test_three_outputs_make_no_class() -> None:
    """What is read of each block in two places beside the next block."""
    layers, before, aside = [source("x", 6)], "x", []
    for number in range(5):
        layers += [
            layer("Dense", f"a_{number}", call(before), units=6, activation="relu"),
            layer("Dense", f"b_{number}", call(f"a_{number}"), units=6, activation="tanh"),
            layer("Multiply", f"c_{number}", call(f"a_{number}", f"b_{number}")),
            layer("Add", f"d_{number}", call(f"c_{number}", before)),
        ]
        aside += [f"{letter}_{number}" for letter in "abc"]
        before = f"d_{number}"
    layers.append(layer("Concatenate", "all", call(*aside, before), axis=-1))
    text = text_in_blocks(model(layers, ["x"], ["all"]))
    assert "tuple[" not in text

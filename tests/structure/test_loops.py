"""Runs of blocks that take a mask, a context or a memory beside the running value: loops over `nn.ModuleList`."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keras2torch.emit.allowed import ForbiddenSource, check_source
from tests.crafted import Config, call, layer
from tests.emit.golden_models import source
from tests.structure.styles import assert_same, classes_in, text_in_blocks
from tests.structure.test_styles import model
from tests.structure.test_two_outputs import wavenet


def with_context(blocks: int = 4, **other: Any) -> Config:
    """Residual blocks, each with the embedding of a time added within."""
    layers = [source("image", 6), source("time", 3), layer("Dense", "embed", call("time"), units=5)]
    before = "image"
    for number in range(blocks):
        layers += [
            layer("Dense", f"in_{number}", call(before), units=8, activation="relu"),
            layer("Dense", f"shift_{number}", call("embed"), units=8),
            layer("Add", f"shifted_{number}", call(f"in_{number}", f"shift_{number}")),
            layer("Dense", f"out_{number}", call(f"shifted_{number}"), units=6),
            layer("Add", f"sum_{number}", call(before, f"out_{number}")),
        ]
        before = f"sum_{number}"
    layers.append(layer("Dense", "label", call(before), units=2))
    return model(layers, ["image", "time"], ["label"])


def with_memory() -> Config:
    """A decoder: every block attends to what an encoder has made."""
    layers = [
        source("words", 5, 8),
        source("seen", 7, 8),
        layer("Dense", "memory", call("seen"), units=8, activation="relu"),
    ]
    before = "words"
    for number in range(3):
        layers += [
            layer(
                "MultiHeadAttention", f"attention_{number}", [[before, 0, 0, {"value": ["memory", 0, 0]}]],
                num_heads=2, key_dim=4,
            ),
            layer("Add", f"attended_{number}", call(before, f"attention_{number}")),
            layer("LayerNormalization", f"first_norm_{number}", call(f"attended_{number}")),
            layer("Dense", f"expand_{number}", call(f"first_norm_{number}"), units=16, activation="relu"),
            layer("Dense", f"project_{number}", call(f"expand_{number}"), units=8),
            layer("Add", f"sum_{number}", call(f"first_norm_{number}", f"project_{number}")),
            layer("LayerNormalization", f"norm_{number}", call(f"sum_{number}")),
        ]  # fmt: skip
        before = f"norm_{number}"
    return model(layers, ["words", "seen"], [before])


def with_mask() -> Config:
    layers = [
        source("ids", 6, dtype="int32"),
        layer("Embedding", "embed", call("ids"), input_dim=5, output_dim=4, mask_zero=True),
    ]
    before = "embed"
    for number in range(3):
        layers += [
            layer("LSTM", f"lstm_{number}", call(before), units=4, return_sequences=True,
                  activation="tanh", recurrent_activation="sigmoid"),
            layer("Dense", f"dense_{number}", call(f"lstm_{number}"), units=4, activation="tanh"),
            layer("Add", f"add_{number}", call(before, f"dense_{number}")),
        ]  # fmt: skip
        before = f"add_{number}"
    return model(layers, ["ids"], [before])


LOOPS: dict[str, tuple[Callable[[], Config], str]] = {
    # The running value starts in a variable of its own, since an input keeps its name.
    "context": (with_context, "        y = image\n{}            y = block(y, x)"),
    "memory": (with_memory, "        y = words\n{}            y = block(y, x)"),
    "mask": (with_mask, "        x = self.embed(ids)  # (6, 4)\n{}            x = block(x, mask)"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_blocks_with_an_argument_more_are_called_in_a_loop(name: str, tmp_path: Path) -> None:
    made, called = LOOPS[name]
    text = assert_same(made(), tmp_path / name)
    assert called.format("        for block in self.blocks:\n") in text
    assert re.search(r"self\.blocks = nn\.ModuleList\(\[\w+\(\) for _ in range\(\d\)\]\)", text)


def test_a_block_that_looks_into_a_memory_is_one_of_a_decoder() -> None:
    text = text_in_blocks(with_memory())
    assert classes_in(text) == ["DecoderBlock", "Net"]
    assert "self.attention(x, y, y, need_weights=False)" in text


def test_two_calls_are_no_loop() -> None:
    text = text_in_blocks(with_context(2))
    assert "for block in" not in text


def test_another_argument_each_time_is_no_loop() -> None:
    """The shift of the third block is that of another time."""
    config = with_context(4)
    layers = config["config"]["layers"]
    layers.append(layer("Dense", "later", call("time"), units=5))
    (third,) = (each for each in layers if each["name"] == "shift_2")
    third["inbound_nodes"] = [call("later")]
    text = text_in_blocks(config)
    assert "for block in" not in text


def test_what_a_loop_starts_from_is_kept_where_it_is_read_later(tmp_path: Path) -> None:
    config = with_context(4)
    layers = config["config"]["layers"]
    layers[0]["name"] = layers[0]["config"]["name"] = "block"
    config["config"]["input_layers"][0][0] = "block"
    for each in layers:
        each["inbound_nodes"] = [
            [["block" if name == "image" else name, *rest] for name, *rest in node]
            for node in each["inbound_nodes"]
        ]
    layers[-1]["inbound_nodes"] = [call("whole")]
    layers.insert(-1, layer("Multiply", "whole", call("block", "sum_3")))
    text = assert_same(config, tmp_path / "m")
    assert "        y = block\n        for block_2 in self.blocks:\n            y = block_2(y, x)" in text
    assert "block * y" in text


@pytest.mark.parametrize(
    ("joined", "written"), [("Add", "sum(skips) + x"), ("Concatenate", "torch.cat([*skips, x], dim=1)")]
)
def test_what_blocks_put_aside_is_kept_in_a_list(joined: str, written: str, tmp_path: Path) -> None:
    text = assert_same(wavenet(joined=joined), tmp_path / "m")
    assert (
        "        skips = []\n"
        "        for block in self.blocks:\n"
        "            x, skip = block(x)\n"
        "            skips.append(skip)\n"
    ) in text
    assert f"        x = {written}" in text


@pytest.mark.parametrize(
    "body",
    [
        "x = x(x)",
        "x = self.other(x)",
        "x = block(x)\n            print(x)",
        "x = block(x)\n            skips.extend(x)",
        "pass",
    ],
)
def test_no_other_loop_may_stand_in_a_file(body: str) -> None:
    def check(inner: str) -> None:
        source = MODULE.replace("INNER", inner)
        check_source(source, parts=[], own_parts=[], class_name="Net")

    check("x = block(x)")
    with pytest.raises(ForbiddenSource):
        check(body)


MODULE = """
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for block in self.blocks:
            INNER
        return x


Model = Net


def load_model() -> nn.Module:
    return Model()
"""

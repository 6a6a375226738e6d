"""What a file says of its training reaches manifest and card, whatever it says, and is never a reason to refuse it."""

import json
from pathlib import Path
from typing import Any

import h5py
import pytest

from keras2torch import convert
from keras2torch.training import describe
from tests.crafted import Config, layer, numbers, sequential, write_model

ADAM = {
    "class_name": "Custom>Adam",
    "config": {"name": "Adam", "learning_rate": 0.0010000000474974513, "beta_1": 0.9},
}


def model(**config: Any) -> Config:
    entry = {**config, "kernel_initializer": {"class_name": "HeNormal", "config": {"seed": 3}}}
    return sequential(
        layer("InputLayer", "x", batch_input_shape=[None, 3]), layer("Dense", "d", units=2, **entry)
    )


def manifest(folder: Path, compiled: Any, **config: Any) -> dict[str, Any]:
    def compile_(file: h5py.File) -> None:
        file.attrs["training_config"] = compiled

    weights = {"d": {"d/kernel:0": numbers(3, 2), "d/bias:0": numbers(2)}}
    path = write_model(folder / "m.h5", model(**config), weights, edit=compile_)
    return dict(convert(path, folder / "bundle").manifest)


def test_optimizer_loss_and_options_are_told(tmp_path: Path) -> None:
    compiled = json.dumps({"optimizer_config": ADAM, "loss": "mse", "metrics": None})
    found = manifest(
        tmp_path,
        compiled,
        trainable=False,
        kernel_regularizer={"class_name": "L2", "config": {"l2": 0.009999999776482582}},
        bias_constraint={"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
        bias_regularizer=None,
    )["training"]
    assert found == {
        "optimizer": {"name": "Adam", "settings": {"learning_rate": 0.001, "beta_1": 0.9}},
        "loss": "mse",
        "frozen": ["d"],
        "options": [
            {"option": "kernel_regularizer", "value": "L2(l2=0.01)", "layers": ["d"]},
            {"option": "bias_constraint", "value": "MaxNorm(max_value=2, axis=0)", "layers": ["d"]},
            {"option": "kernel_initializer", "value": "HeNormal()", "layers": ["d"]},
        ],
    }
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "the optimizer `Adam`: `learning_rate=0.001, beta_1=0.9`." in card
    assert "| `kernel_regularizer` | `L2(l2=0.01)` | `d` |" in card
    assert "without gradients here: `d`." in card


SCHEDULE = {"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1, "decay_steps": 100}}
FUNCTION = {
    "module": "builtins",
    "class_name": "function",
    "config": "my_loss",
    "registered_name": "function",
}


@pytest.mark.parametrize(
    ("compiled", "expected"),
    [
        ({"optimizer": "rmsprop", "loss": ["mse", "mae"]}, {"name": "rmsprop", "settings": {}}),
        (
            {"optimizer_config": {"class_name": "SGD", "config": {"lr": SCHEDULE}}, "loss": {"a": FUNCTION}},
            {
                "name": "SGD",
                "settings": {"learning_rate": "ExponentialDecay(initial_learning_rate=0.1, decay_steps=100)"},
            },
        ),
        ({"optimizer_config": [1], "loss": 3}, None),
    ],
)
def test_every_form_of_it_is_read(compiled: Config, expected: Config | None, tmp_path: Path) -> None:
    found = manifest(tmp_path, json.dumps(compiled))["training"]
    assert found.get("optimizer") == expected
    assert found["loss"] in (["mse", "mae"], {"a": "my_loss"}, "3")


@pytest.mark.parametrize(
    ("compiled", "why"),
    [
        ("{", "training_config is not JSON"),
        ("[" * 100, "training_config is nested deeper than 64"),
        ('{"loss": NaN}', "training_config contains NaN"),
        (" " * (1 << 20) + "{}", "training_config is 1048578 bytes, more than 1048576"),
        (3, "training_config is no text"),
    ],
)
def test_what_cannot_be_read_is_said(compiled: Any, why: str, tmp_path: Path) -> None:
    notes = manifest(tmp_path, compiled)["training"]
    assert notes["unreadable"].startswith(why)


def test_no_text_of_a_file_leaves_its_code_span(tmp_path: Path) -> None:
    evil = "`</code><script>|\n# x\x1b[31m" + "y" * 5000
    compiled = {
        "optimizer_config": {
            "class_name": evil,
            "config": {evil: evil, "a": {"class_name": evil, "config": {}}},
        },
        "loss": {evil: evil},
    }
    manifest(
        tmp_path, json.dumps(compiled), kernel_regularizer={"class_name": evil, "config": {evil: [evil] * 99}}
    )
    card = (tmp_path / "bundle" / "README.md").read_text()
    section = card[card.index("## Training") : card.index("## Weights")]
    outside = "".join(section.split("`")[::2])
    assert "script" not in outside
    assert "\x1b" not in section
    assert all(len(line) < 2000 for line in section.splitlines())
    assert not any(line.startswith("# ") for line in section.splitlines())


def test_objects_are_cut_where_they_have_no_end() -> None:
    endless: Any = {"class_name": "A", "config": {}}
    for _ in range(50):
        endless = {"class_name": "A", "config": {"a": endless}}
    assert describe(endless) == "A(a=A(a=A(a=…)))"
    assert describe({"class_name": "L1", "config": {"l1": 0.5, "name": "x"}}) == "L1(l1=0.5)"
    assert describe({"no": "class"}) == "…"
    assert describe(None) == ""


def test_a_layer_with_options_without_end_is_cut(tmp_path: Path) -> None:
    many = {f"{number}_regularizer": "l2" for number in range(1000)}
    assert len(manifest(tmp_path, "{}", **many)["training"]["options"]) == 200

"""What Keras does not train has no gradient, and a frozen normalization keeps its statistics."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from keras2torch import convert, load
from keras2torch.emit.freezing import freezing_lines
from tests.crafted import Config, layer, sequential, write_model
from tests.emit.golden_models import source, weights_for


@pytest.mark.parametrize(
    ("trained", "lines"),
    [
        ({"a.weight": True, "b.weight": True}, []),
        ({"a.weight": False, "a.bias": False, "b.weight": True}, ["self.a.requires_grad_(False)"]),
        ({"a.weight": False, "b.weight": False}, ["self.requires_grad_(False)"]),
        ({"a.weight": True, "a.bias": False}, ["self.a.bias.requires_grad_(False)"]),
        (
            # A backbone that is frozen, and a new head.
            {"a.0.weight": False, "b.weight": False, "c.weight": False, "d.weight": True, "d.bias": True},
            ["self.requires_grad_(False)", "self.d.requires_grad_(True)"],
        ),
        ({"stages.0.a.weight": True, "stages.1.a.weight": False}, ["self.stages[1].requires_grad_(False)"]),
    ],
)
def test_it_is_said_in_as_few_statements_as_there_can_be(
    trained: Mapping[str, bool], lines: list[str]
) -> None:
    assert freezing_lines(trained)[1:] == lines


def test_what_a_class_freezes_itself_stays_so() -> None:
    norm = {"norm.weight": None, "norm.bias": True}
    assert freezing_lines(norm) == []
    backbone = {"a.weight": False, "b.weight": False, "c.weight": False}
    assert freezing_lines(backbone | norm)[1:] == [
        "self.requires_grad_(False)",
        "self.norm.bias.requires_grad_(True)",
    ]


def loaded(folder: Path, config: Config) -> torch.nn.Module:
    path = write_model(folder / "m.h5", config, weights_for(config, "2.15.0"))
    return load(convert(path, folder / "bundle").path)


def test_frozen_layers_have_no_gradients_and_keep_their_statistics(tmp_path: Path) -> None:
    model = loaded(
        tmp_path,
        sequential(
            source("x", 6, 5, 3),
            layer("Conv2D", "conv", filters=4, kernel_size=[1, 1], trainable=False),
            layer("BatchNormalization", "frozen", trainable=False),
            layer("BatchNormalization", "shifting", scale=False, axis=-1),
            layer("Flatten", "flatten"),
            layer("Dense", "head", units=2),
        ),
    ).train()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"shifting.bias", "head.weight", "head.bias"}
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model(torch.randn(4, 3, 6, 5))
    changed = {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    assert changed == {f"shifting.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


def test_the_second_bias_of_a_recurrence_is_not_learnt(tmp_path: Path) -> None:
    """Keras has one; with two, the sum would move twice as far."""
    model = loaded(
        tmp_path,
        sequential(
            source("x", 5, 3),
            layer("LSTM", "lstm", units=4, activation="tanh", recurrent_activation="sigmoid"),
        ),
    )
    assert {name: each.requires_grad for name, each in model.named_parameters()} == {
        "lstm.weight_ih_l0": True,
        "lstm.weight_hh_l0": True,
        "lstm.bias_ih_l0": True,
        "lstm.bias_hh_l0": False,
    }

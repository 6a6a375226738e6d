"""The weight map of a bundle's README: what it explains, and that it stays readable whatever a model has."""

import re
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert
from tests.crafted import Config, functional, layer, numbers, sequential, write_model
from tests.emit.golden_models import weights_for

LSTM = {"activation": "tanh", "recurrent_activation": "sigmoid"}
ATTENTION = {"num_heads": 2, "key_dim": 3}


def card_of(folder: Path, config: Config, **options: Any) -> str:
    source = write_model(folder / "m.h5", config, weights_for(config, "2.15.0"))
    return (convert(source, folder / "b", **options).path / "README.md").read_text()


def explained(card: str) -> list[str]:
    section = card.partition("## Weights\n")[2].partition("|")[0]
    return re.findall(r"^- \*\*([^*]+?)\.?\*\*", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("class_name", "shape", "options", "kinds"),
    [
        ("Dense", [4], {"units": 2}, ["Dense"]),
        ("Conv1D", [9, 3], {"filters": 2, "kernel_size": 3}, ["Convolutions"]),
        ("Conv3DTranspose", [3, 3, 3, 2], {"filters": 2, "kernel_size": 2}, ["Transposed convolutions"]),
        (
            "SeparableConv2D", [6, 6, 3], {"filters": 2, "kernel_size": 3, "use_bias": False},
            ["Convolutions", "Depthwise convolutions"],
        ),
        ("LSTM", [5, 3], {"units": 2, **LSTM}, ["LSTM", "What Keras does not have"]),
        ("GRU", [5, 3], {"units": 2, "reset_after": True, **LSTM}, ["GRU"]),
        ("SimpleRNN", [5, 3], {"units": 2, "activation": "tanh"}, ["Simple recurrence", "What Keras does not have"]),
        ("BatchNormalization", [6, 3], {}, ["Batch normalization"]),
        ("LayerNormalization", [6, 3], {}, ["Other normalizations"]),
        ("Embedding", [6], {"input_dim": 5, "output_dim": 2}, ["Embeddings"]),
        ("LocallyConnected1D", [9, 3], {"filters": 2, "kernel_size": 3}, ["Locally connected layers"]),
        (
            "Bidirectional", [5, 3], {"layer": layer("LSTM", "inner", units=2, **LSTM)},
            ["LSTM", "What Keras does not have"],
        ),
        ("TimeDistributed", [5, 6, 6, 3], {"layer": layer("Conv2D", "c", filters=2, kernel_size=3)}, ["Convolutions"]),
        ("ReLU", [5, 3], {}, []),
    ],
)  # fmt: skip
def test_each_kind_of_weight_is_explained_where_it_occurs(
    tmp_path: Path, class_name: str, shape: list[int], options: dict[str, Any], kinds: list[str]
) -> None:
    config = sequential(layer(class_name, "l", batch_input_shape=[None, *shape], **options))
    assert explained(card_of(tmp_path, config)) == kinds


def test_attention_is_explained(tmp_path: Path) -> None:
    layers = [
        layer("InputLayer", "i", batch_input_shape=[None, 5, 6]),
        layer("MultiHeadAttention", "heads", [["i", 0, 0, {"value": ["i", 0, 0]}]], **ATTENTION),
    ]
    card = card_of(tmp_path, functional(layers, [["i", 0, 0]], [["heads", 0, 0]]))
    assert explained(card) == ["Attention"]


def test_what_an_option_did_to_weights_is_explained(tmp_path: Path) -> None:
    config = sequential(
        layer("Conv2D", "c", filters=4, kernel_size=3, batch_input_shape=[None, 6, 6, 3]),
        layer("BatchNormalization", "norm"),
        layer("Flatten", "flat"),
        layer("Dense", "d", units=2),
    )
    kinds = ["Dense", "Dense behind Flatten", "Convolutions", "Fused batch normalization"]
    assert explained(card_of(tmp_path, config, fuse_batchnorm=True)) == kinds


def test_the_recipe_is_the_one_for_what_the_file_holds(tmp_path: Path) -> None:
    config = sequential(layer("LSTM", "l", units=2, batch_input_shape=[None, 5, 3], **LSTM))
    card = card_of(tmp_path, config)
    assert "| `l/kernel` | `l.weight_ih_l0` | (8, 3) | transpose(1, 0) |\n" in card
    assert "where bias is" not in card
    # As cuDNN stored it: both biases, of which an LSTM needs the sum.
    weights = {"l": {"k:0": numbers(3, 8), "r:0": numbers(2, 8), "b:0": numbers(16)}}
    source = write_model(tmp_path / "cudnn.h5", config, weights)
    made = convert(source, tmp_path / "c", dtype="bfloat16")
    found = {entry["torch"]: (entry["transform"], entry["dtype"]) for entry in made.manifest["weights"]}
    assert found["l.bias_ih_l0"] == ("sum", "float32")
    assert found["l.weight_hh_l0"][1] == "bfloat16"
    assert (
        convert(tmp_path / "m.h5", tmp_path / "d", dtype="bfloat16").manifest["weights"][2]["dtype"]
        == "bfloat16"
    )


def test_many_tensors_are_tables_that_open(tmp_path: Path) -> None:
    first = layer("Dense", "d0", units=2, batch_input_shape=[None, 2])
    config = sequential(first, *(layer("Dense", f"d{n}", units=2) for n in range(1, 600)))
    card = card_of(tmp_path, config)
    assert "\n1,200 tensors, in the order of the module:\n" in card
    parts = re.findall(
        r"\n\n<details><summary>(.+?), (\d+) tensors</summary>\n\n(\| Keras .+?)\n\n</details>",
        card,
        re.DOTALL,
    )
    assert len(parts) == 12
    assert parts[1][0] == "<code>layers.50</code> to <code>layers.99</code>"
    rows = [row for _, count, table in parts for row in _rows(table, int(count))]
    assert [row.split("`")[1] for row in rows] == [
        f"d{n}/{role}" for n in range(600) for role in ("kernel", "bias")
    ]
    assert "<details>" not in card_of(tmp_path, sequential(first))


def _rows(table: str, count: int) -> list[str]:
    rows = table.splitlines()[2:]
    assert len(rows) == count
    return rows


def test_a_name_of_a_layer_means_nothing_in_a_heading_of_a_table(tmp_path: Path) -> None:
    names = [f"</summary><script>{n}" for n in range(60)]
    first, *rest = [layer("Dense", name, units=2) for name in names]
    first["config"]["batch_input_shape"] = [None, 2]
    card = card_of(tmp_path, sequential(first, *rest))
    assert all("<script" not in line for line in card.splitlines() if line.startswith("<details>"))

"""What the rules for attention and einsum emit and refuse; what it computes is judged against Keras elsewhere."""

from typing import Any

import pytest

from keras2torch.emit.module import write_module
from keras2torch.errors import UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import Config

HEADS = {"num_heads": 2, "key_dim": 3, "use_bias": True, "dropout": 0.0}


def model_of(
    class_name: str, config: dict[str, Any], *, masked: bool = False, shape: Any = (None, 5, 6), **kwargs: Any
) -> Config:
    """A Functional model of one layer; the layer's call has the arguments `kwargs` ("x" stands for the input)."""
    entries: list[Config] = [
        {
            "class_name": "InputLayer",
            "name": "tokens",
            "config": {"name": "tokens", "batch_input_shape": list(shape)},
            "inbound_nodes": [],
        }
    ]
    source = "tokens"
    if masked:
        source = "keep"
        entries.append(
            {
                "class_name": "Masking",
                "name": "keep",
                "config": {"name": "keep", "mask_value": 0.0},
                "inbound_nodes": [[["tokens", 0, 0, {}]]],
            }
        )
    arguments = {name: [source, 0, 0] if value == "x" else value for name, value in kwargs.items()}
    entries.append(
        {
            "class_name": class_name,
            "name": "layer",
            "config": {"name": "layer", **config},
            "inbound_nodes": [[[source, 0, 0, arguments]]],
        }
    )
    inner = {
        "name": "model",
        "layers": entries,
        "input_layers": [["tokens", 0, 0]],
        "output_layers": [["layer", 0, 0]],
    }
    return {"class_name": "Functional", "config": inner}


def text_of(model: Config) -> str:
    program = translate(build_graph(model, Generation.TF_KERAS))
    text = write_module(program, source_name="m.h5", keras_version=None).text
    return text[text.rindex("def __init__") : text.index("def load_model")]


def refusal_of(model: Config) -> str:
    with pytest.raises(UnsupportedModel) as refused:
        translate(build_graph(model, Generation.TF_KERAS))
    return str(refused.value)


def test_widths_that_torch_has_become_its_own_module() -> None:
    text = text_of(model_of("MultiHeadAttention", HEADS, value="x"))
    assert "nn.MultiheadAttention(6, 2, batch_first=True)" in text
    assert "self.layer(tokens, tokens, tokens, need_weights=False)[0]" in text


def test_other_widths_and_masks_become_a_part() -> None:
    text = text_of(model_of("MultiHeadAttention", {**HEADS, "key_dim": 4}, value="x", use_causal_mask=True))
    assert "MultiHeadAttention(6, 6, 6, num_heads=2, head_dim=4, output_dim=6)" in text
    assert "self.layer(tokens, tokens, tokens, causal=True)" in text
    text = text_of(model_of("MultiHeadAttention", HEADS, masked=True, value="x"))
    assert "mask[:, :, None] & mask[:, None]" in text


@pytest.mark.parametrize(
    ("config", "kwargs", "message"),
    [
        ({"attention_axes": [3]}, {}, "attention_axes"),
        ({"unheard_of": 1}, {}, "unheard_of"),
        ({}, {"attention_mask": True}, "attention_mask is not a tensor"),
        ({}, {"unheard_of": 1}, "call argument unheard_of"),
        ({}, {"use_causal_mask": 1}, "use_causal_mask"),
    ],
)
def test_what_is_not_understood_is_refused(
    config: dict[str, Any], kwargs: dict[str, Any], message: str
) -> None:
    model = model_of("MultiHeadAttention", {**HEADS, **config}, value="x", **kwargs)
    assert message in refusal_of(model)


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes", "message"),
    [
        ("abc,cd->abd; import os", [5, 4], None, "is not supported"),
        ("a" * 1000 + ",b->c", 4, None, "is not supported"),
        (7, 4, None, "is not supported"),
        ("abc,cd->abe", [5, 4], None, "output_shape"),
        ("aac,cd->aad", [5, 4], None, "names an axis twice"),
        ("...c,cd->d", 4, None, "of rank 3"),
        ("abcd,de->abce", [5, 6, 4], None, "of rank 3"),
        ("abc,cd->abd", [5, -4], None, "output_shape"),
        ("abc,cd->abd", [5, 4], "z", "bias_axes"),
    ],
)
def test_an_equation_that_is_none_is_refused(
    equation: Any, output_shape: Any, bias_axes: Any, message: str
) -> None:
    config = {"equation": equation, "output_shape": output_shape, "bias_axes": bias_axes}
    assert message in refusal_of(model_of("EinsumDense", config))


def test_an_equation_that_means_a_dense_layer_becomes_one() -> None:
    config = {"equation": "...x,xy->...y", "output_shape": [4], "bias_axes": "y", "activation": "linear"}
    assert "nn.Linear(6, 4)" in text_of(model_of("EinsumDense", config))

"""What a layer of a known class asks for and cannot get, each with a reason that says what stands in the way."""

from typing import Any

import pytest

from keras2torch.errors import UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import Config, call, functional, layer, sequential

K1, K2, TK, K3 = Generation.KERAS1, Generation.KERAS2, Generation.TF_KERAS, Generation.KERAS3


def reason(config: Config, generation: Generation) -> str:
    with pytest.raises(UnsupportedModel) as caught:
        translate(build_graph(config, generation))
    [found] = caught.value.reasons
    return found.message


def alone(generation: Generation, shape: list[int | None], class_name: str, **options: Any) -> str:
    key = "batch_shape" if generation is K3 else "batch_input_shape"
    return reason(
        sequential(layer("InputLayer", "in", **{key: [None, *shape]}), layer(class_name, "it", **options)),
        generation,
    )


@pytest.mark.parametrize(
    ("generation", "shape", "class_name", "options", "words"),
    [
        (K1, [4], "BatchNormalization", {"mode": 3}, "option mode=3"),
        (K1, [4, 3], "BatchNormalization", {"mode": 1, "axis": 1}, "broadcasts along the last"),
        (
            TK,
            [4],
            "BatchNormalization",
            {"virtual_batch_size": 2, "axis": -1},
            "axis -1 together with virtual_batch_size",
        ),
        (TK, [4], "BatchNormalization", {"axis": 0}, "samples of a batch would depend on each other"),
        (TK, [4, 3], "BatchNormalization", {"axis": [2, -1]}, "axis [2, -1] of a tensor of rank 3"),
        (TK, [None], "LayerNormalization", {}, "the number of features is not known"),
        (K3, [4, 3], "RMSNormalization", {"axis": 1}, "multiplies the last axes"),
        (TK, [4, 6], "GroupNormalization", {"groups": 4}, "groups=4 does not divide 6 channels"),
        (K3, [5, 5, 1], "Resizing", {"height": 2, "width": 2, "interpolation": "gaussian"}, "'gaussian'"),
        (
            K3,
            [5, 5, 1],
            "Resizing",
            {"height": 2, "width": 2, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
            "exclude each other",
        ),
        (TK, [5, 1], "CenterCrop", {"height": 2, "width": 2}, "not on a batch of images"),
        (TK, [4, 3], "Reshape", {"target_shape": [0, 3]}, "option target_shape is [0, 3]"),
        (TK, [4, 3], "Reshape", {"target_shape": [-1, -1]}, "leaves two extents open"),
        (K3, [4], "GaussianDropout", {"rate": 1.0}, "infinite variance"),
        (
            TK,
            [2, 3, 4, 5],
            "Conv2D",
            {"filters": 2, "kernel_size": 2, "data_format": "channels_first"},
            "more axes than the convolution has",
        ),
    ],
)
def test_what_cannot_be_done_exactly_is_refused_for_its_reason(
    generation: Generation, shape: list[int | None], class_name: str, options: dict[str, Any], words: str
) -> None:
    assert words in alone(generation, shape, class_name, **options)


def test_a_product_whose_meaning_changed_within_keras_2_is_refused() -> None:
    inputs = [layer("InputLayer", name, batch_input_shape=[None, 2, 3, 4]) for name in ("a", "b")]
    product = layer("Dot", "dot", call("a", "b"), axes=[3, 3])
    config = functional([*inputs, product], [["a", 0, 0], ["b", 0, 0]], [["dot", 0, 0]])
    assert "Keras 2.3 changed the product" in reason(config, K2)
    translate(build_graph(config, TK))


def test_what_is_cropped_to_nothing_may_be_a_result_but_is_not_read() -> None:
    layers = [
        layer("InputLayer", "in", batch_input_shape=[None, 2, 3]),
        layer("Cropping1D", "crop", cropping=1),
    ]
    translate(build_graph(sequential(*layers), TK))
    assert "without elements" in reason(sequential(*layers, layer("Flatten", "flat")), TK)


def test_a_mask_that_tf_keras_cannot_lay_over_groups_is_refused() -> None:
    layers = [
        layer("InputLayer", "in", batch_input_shape=[None, 5, 6]),
        layer("Masking", "mask"),
        layer("GroupNormalization", "norm", groups=2),
    ]
    assert "a mask reaches GroupNormalization" in reason(sequential(*layers), TK)


def test_masks_of_different_rank_are_not_joined() -> None:
    inputs = [
        layer("InputLayer", name, batch_input_shape=[None, *shape])
        for name, shape in (("a", [5, 3]), ("b", [4, 5, 3]))
    ]
    masks = [layer("Masking", f"mask_{name}", call(name)) for name in ("a", "b")]
    added = layer("Add", "add", call("mask_a", "mask_b"))
    config = functional([*inputs, *masks, added], [["a", 0, 0], ["b", 0, 0]], [["add", 0, 0]])
    assert "masks of different rank meet" in reason(config, TK)

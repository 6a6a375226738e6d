"""Keras family "random": layers that change pictures at random while training, and leave them alone afterwards."""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Value, call
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float
from keras2torch.layers._registry import (
    ONLY_KERAS3,
    SINCE_TF_KERAS,
    FeatureAxis,
    converts,
    example,
)
from keras2torch.source.model import Generation

_PICTURE = (9, 8, 3)

# How strongly and how the picture is changed, which matters only in training.
_ONLY_WHILE_TRAINING = (
    *("factor", "height_factor", "width_factor", "x_factor", "y_factor", "scale", "alpha"),
    *("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor"),
    *("addition_factor", "threshold_factor", "num_chains", "chain_depth", "all_ops", "num_ops", "bins"),
    *("kernel_size", "sigma", "mode", "interpolation", "fill_mode", "fill_value", "value_range"),
    *("seed", "rng_type", "data_format", "bounding_box_format"),
)


def _augmentation(layer: LayerCall) -> Value:
    """Nothing: it changes its input only while training."""
    layer.options.ignore(*_ONLY_WHILE_TRAINING)
    return _as_it_is(layer)


def _as_it_is(layer: LayerCall) -> Value:
    layer.warn(
        "augments its input while training in Keras; that is not converted, train with transforms of your own"
    )
    return as_float(layer, layer.input)


_BOTH: dict[str, dict[str, Any]] = {
    "RandomFlip": {"mode": "horizontal"},
    "RandomRotation": {"factor": 0.2},
    "RandomZoom": {"height_factor": 0.2, "width_factor": 0.1},
    "RandomTranslation": {
        "height_factor": 0.2,
        "width_factor": 0.1,
        "fill_mode": "constant",
        "fill_value": 0.5,
    },
    "RandomContrast": {"factor": 0.3},
    "RandomBrightness": {"factor": 0.3, "value_range": [0, 1]},
    "RandomHeight": {"factor": 0.3},
    "RandomWidth": {"factor": 0.3},
}
_KERAS3: dict[str, dict[str, Any]] = {
    "AugMix": {},
    "CutMix": {},
    "Equalization": {},
    "MixUp": {},
    "RandAugment": {},
    "RandomColorDegeneration": {"factor": 0.3},
    "RandomColorJitter": {"brightness_factor": 0.2, "hue_factor": 0.1},
    "RandomElasticTransform": {"factor": 0.5},
    "RandomErasing": {"factor": 0.5},
    "RandomGaussianBlur": {"factor": 0.5, "kernel_size": 3, "sigma": 1.0},
    "RandomGrayscale": {"factor": 0.5},
    "RandomHue": {"factor": 0.3},
    "RandomInvert": {"factor": 0.5},
    "RandomPerspective": {"factor": 0.5},
    "RandomPosterization": {"factor": 4},
    "RandomSaturation": {"factor": 0.3},
    "RandomSharpness": {"factor": 0.3},
    "RandomShear": {"x_factor": [0.1, 0.2], "y_factor": [0.0, 0.1]},
    "Solarization": {"addition_factor": 0.2, "threshold_factor": 0.3},
}
for _names, _generations in ((_BOTH, SINCE_TF_KERAS), (_KERAS3, ONLY_KERAS3)):
    for _name, _config in _names.items():
        converts(
            _name,
            examples=[example(_PICTURE, **_config)],
            feature_axis=FeatureAxis.KEEPS,
            generations=_generations,
        )(_augmentation)


@converts(
    "RandomCrop",
    examples=[
        example(_PICTURE, height=5, width=4, _only=Generation.TF_KERAS),
        example(_PICTURE, height=7, width=8, _only=Generation.TF_KERAS),
        example(_PICTURE, height=12, width=5, _only=Generation.TF_KERAS),
        example((None, None, 3), height=9, width=30, _only=Generation.TF_KERAS),
        example(_PICTURE, height=9, width=8, _only=Generation.KERAS3),
    ],
    generations=SINCE_TF_KERAS,
)
def random_crop(layer: LayerCall) -> Value:
    """Nothing in Keras 3; before, the largest centred crop of the wanted aspect ratio, resized bilinearly."""
    height, width = layer.options.integer("height"), layer.options.integer("width")
    layer.options.ignore("seed", "rng_type")
    if layer.generation is Generation.KERAS3:
        layer.options.ignore("data_format", "bounding_box_format")
        return _as_it_is(layer)
    x = as_float(layer, layer.input)
    if x.rank != 4:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected pictures")
    layer.warn("crops at random while training in Keras; here it always takes the centre")
    x = layer.channels_first(x, "channels_last")
    shape = (x.shape[0], height, width, x.shape[3])
    size = (height, width)
    code = call("F.interpolate", call(layer.part("crop_to_ratio"), x, size), size, mode="bilinear")
    return layer.value(code, shape, axes=x.axes)


@converts(
    "AutoContrast",
    examples=[
        example(_PICTURE),
        example(_PICTURE, value_range=[-1, 2]),
        example(_PICTURE, _integers_below=200),
    ],
    generations=ONLY_KERAS3,
)
def auto_contrast(layer: LayerCall) -> Value:
    """Stretches every channel of every picture over the whole range of values, in training or not."""
    x = as_float(layer, layer.input)
    if x.rank != 4:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected pictures")
    low, high = _value_range(layer)
    layer.options.ignore("data_format", "bounding_box_format")
    # Keras takes axes 1 and 2 for rows and columns whatever data_format says.
    rows, columns = x.torch_axis(1), x.torch_axis(2)
    return layer.like(x, call(layer.part("auto_contrast"), x, (rows, columns), low, high))


@converts(
    "ContrastLimitedAdaptiveHistogramEqualization",
    examples=[
        example((9, 8, 3), tile_grid_size=[2, 3], value_range=[-2, 2]),
        example((12, 9, 2), tile_grid_size=[4, 3], clip_limit=0.0, value_range=[-1, 3]),
        example((2, 9, 11), tile_grid_size=[2, 2], clip_limit=1.5, data_format="channels_first"),
    ],
    generations=ONLY_KERAS3,
)
def contrast_limited_adaptive_histogram_equalization(layer: LayerCall) -> Value:
    """A part that spreads the levels of each tile of a picture, in training or not."""
    options = layer.options
    if not layer.input.dtype.startswith("float") or layer.input.rank != 4:
        raise LayerRefused(
            f"called on {layer.input.dtype} of shape {layer.input.shape}, expected pictures of floats"
        )
    x = layer.channels_first(layer.input, layer.data_format())
    low, high = _value_range(layer)
    if list(options.take("value_range", default=[0, 255])) != [low, high]:
        raise UnsupportedOption("option value_range does not begin with the lower end", "value_range")
    options.ignore("bounding_box_format", "factor")
    tiles = options.integers("tile_grid_size", count=2, default=8)
    clip = options.number("clip_limit", default=4.0)
    return layer.like(x, call(layer.part("equalize_by_tiles"), x, tiles, clip, low, high))


@converts(
    "MaxNumBoundingBoxes",
    examples=[example(_PICTURE, max_number=3)],
    feature_axis=FeatureAxis.KEEPS,
    generations=ONLY_KERAS3,
)
def max_num_bounding_boxes(layer: LayerCall) -> Value:
    """Nothing: it acts on bounding boxes, which are no input of a saved model, and not on pictures."""
    layer.options.ignore("max_number", "fill_value", "factor", "data_format", "bounding_box_format")
    return as_float(layer, layer.input)


def _value_range(layer: LayerCall) -> tuple[float, float]:
    value = layer.options.take("value_range", default=[0, 255])
    if (
        not isinstance(value, list | tuple)
        or len(value) != 2
        or any(isinstance(end, bool) or not isinstance(end, int | float) for end in value)
        or value[0] == value[1]
    ):
        raise UnsupportedOption(f"option value_range is {value!r}, not two different numbers", "value_range")
    return min(value), max(value)

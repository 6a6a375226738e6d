"""TensorFlow's functions that may be called, through versions 1 and 2."""

from __future__ import annotations

from dataclasses import replace

from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.signatures import REDUCE, Arguments, Function, constant, function, identity
from keras2torch.bytecode.tree import OPERATORS, Apply


def _einsum(given: Arguments) -> Apply:
    return Apply("einsum", tuple(given.values()))


MATHS: dict[str, Function] = {
    **{
        name: function("x", f"math.{name}")
        for name in (
            "abs",
            "acos",
            "asin",
            "asinh",
            "atan",
            "atanh",
            "ceil",
            "cos",
            "cosh",
            "erf",
            "exp",
            "expm1",
            "floor",
            "log",
            "log1p",
            "reciprocal",
            "round",
            "rsqrt",
            "sigmoid",
            "sign",
            "sin",
            "sinh",
            "sqrt",
            "square",
            "tan",
            "tanh",
        )
    },
    **{
        f"reduce_{name}": function(REDUCE, f"math.reduce_{name}")
        for name in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "std", "sum", "variance")
    },
    **{
        name: function("x y", f"math.{name}")
        for name in (
            "divide",
            "divide_no_nan",
            "equal",
            "floordiv",
            "floormod",
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "maximum",
            "minimum",
            "multiply",
            "not_equal",
            "pow",
            "subtract",
            "truediv",
        )
    },
    "add": function("x y", OPERATORS["+"]),
    "add_n": function("inputs", "math.add_n"),
    "argmax": function("input axis/dimension=0", "math.argmax"),
    "argmin": function("input axis/dimension=0", "math.argmin"),
    "atan2": function("y x", "math.atan2"),
    "cumprod": function("x axis exclusive reverse", "math.cumprod"),
    "cumsum": function("x axis exclusive reverse", "math.cumsum"),
    "l2_normalize": function("x axis/dim epsilon", "math.l2_normalize"),
    "log_sigmoid": function("x", "math.log_sigmoid"),
    "negative": function("x", "math.negative"),
    "softplus": function("features/x", "math.softplus"),
    "squared_difference": function("x y", "math.squared_difference"),
    "top_k": function("input k sorted", "math.top_k"),
}

TENSORS: dict[str, Function] = {
    "cast": function("x dtype", "cast"),
    "clip_by_value": function("t clip_value_min clip_value_max", "clip_by_value"),
    "concat": function("values axis/concat_dim", "concat"),
    "constant": function("value dtype shape", constant),
    "convert_to_tensor": function("value dtype", identity),
    "einsum": replace(function("equation x y z", _einsum), symbol="einsum"),
    "expand_dims": function("input axis/dim", "expand_dims"),
    "gather": function("params indices validate_indices axis batch_dims", "gather"),
    "gather_nd": function("params indices batch_dims", "gather_nd"),
    "identity": function("input", identity),
    "matmul": function("a b transpose_a transpose_b", "linalg.matmul"),
    "norm": function("tensor ord axis keepdims/keep_dims", "norm"),
    "one_hot": function("indices depth", "one_hot"),
    "ones_like": function("input/tensor", "ones_like"),
    "pad": function("tensor paddings mode constant_values", "pad"),
    "repeat": function("input repeats axis", "repeat"),
    "reshape": function("tensor shape", "reshape"),
    "reverse": function("tensor axis", "reverse"),
    "roll": function("input shift axis", "roll"),
    "shape": function("input", "shape"),
    "slice": function("input_ begin size", "slice"),
    "sort": function("values axis direction", "sort"),
    "split": function("value num_or_size_splits axis/split_dim", "split"),
    "squeeze": function("input axis/squeeze_dims", "squeeze"),
    "stack": function("values axis", "stack"),
    "stop_gradient": function("input", identity),
    "tensordot": function("a b axes", "tensordot"),
    "tile": function("input multiples", "tile"),
    "transpose": function("a perm", "transpose"),
    "unstack": function("value num axis", "unstack"),
    "where": function("condition x y", "where"),
    "zeros_like": function("input/tensor", "zeros_like"),
}
_POOL = "input/value ksize strides padding"
NN: dict[str, Function] = {
    "avg_pool": function(_POOL, "nn.avg_pool"),
    "avg_pool2d": function(_POOL, "nn.avg_pool2d"),
    "bias_add": function("value bias", "nn.bias_add"),
    "elu": function("features", "nn.elu"),
    "l2_normalize": MATHS["l2_normalize"],
    "leaky_relu": function("features alpha", "nn.leaky_relu"),
    "log_softmax": function("logits axis/dim", "nn.log_softmax"),
    "max_pool": function(_POOL, "nn.max_pool"),
    "max_pool2d": function(_POOL, "nn.max_pool2d"),
    "relu": function("features", "nn.relu"),
    "relu6": function("features", "nn.relu6"),
    "selu": function("features", "nn.selu"),
    "sigmoid": MATHS["sigmoid"],
    "silu": function("features", "nn.silu"),
    "swish": function("features", "nn.silu"),
    "top_k": MATHS["top_k"],
    "softmax": function("logits axis/dim", "nn.softmax"),
    "softplus": MATHS["softplus"],
    "softsign": function("features", "nn.softsign"),
    "space_to_depth": function("input block_size data_format", "nn.space_to_depth"),
    "depth_to_space": function("input block_size data_format", "nn.depth_to_space"),
    "tanh": MATHS["tanh"],
}
_METHODS = {
    0: "resize_bilinear",
    "bilinear": "resize_bilinear",
    1: "resize_nearest_neighbor",
    "nearest": "resize_nearest_neighbor",
}
"""Of TensorFlow 1, by number, and by the names that its successor gave them."""


def _resize_images(given: Arguments) -> Apply:
    """TensorFlow 1's, which takes the corners of pixels for their centres."""
    method = given.get("method", 0)
    if not isinstance(method, int | str) or method not in _METHODS or given.get("preserve_aspect_ratio"):
        raise NotRecognised("resizes images in a way that is not understood")
    corners = (("align_corners", given["align_corners"]),) if "align_corners" in given else ()
    return Apply(f"compat.v1.image.{_METHODS[method]}", (given["images"], given["size"]), corners)


IMAGE: dict[str, Function] = {
    "resize": function("images size method preserve_aspect_ratio antialias", "image.resize"),
    "resize_images": function("images size method align_corners preserve_aspect_ratio", _resize_images),
    "resize_bilinear": function(
        "images size align_corners half_pixel_centers", "compat.v1.image.resize_bilinear"
    ),
    "resize_nearest_neighbor": function(
        "images size align_corners half_pixel_centers", "compat.v1.image.resize_nearest_neighbor"
    ),
    "adjust_brightness": function("image delta", "image.adjust_brightness"),
    "adjust_contrast": function("images contrast_factor", "image.adjust_contrast"),
    "central_crop": function("image central_fraction", "image.central_crop"),
    "convert_image_dtype": function("image dtype", "image.convert_image_dtype"),
    "crop_to_bounding_box": function(
        "image offset_height offset_width target_height target_width", "image.crop_to_bounding_box"
    ),
    "grayscale_to_rgb": function("images", "image.grayscale_to_rgb"),
    "rgb_to_grayscale": function("images", "image.rgb_to_grayscale"),
    "rot90": function("image k", "image.rot90"),
    "transpose": function("image", "image.transpose"),
    "per_image_standardization": function("image", "image.per_image_standardization"),
    "flip_left_right": function("image", "image.flip_left_right"),
    "flip_up_down": function("image", "image.flip_up_down"),
}

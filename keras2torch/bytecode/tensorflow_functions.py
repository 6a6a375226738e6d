"""TensorFlow's functions that may be called, through versions 1 and 2."""

from __future__ import annotations

from typing import Any

from keras2torch.bytecode.numbers import Numbers, filled, in_a_row, made_of, unit_matrix
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.signatures import REDUCE, Arguments, Function, cast, constant, function, identity
from keras2torch.bytecode.tree import OPERATORS, Apply, has_tensor


def _einsum(given: Arguments) -> Apply:
    return Apply("einsum", tuple(given.values()))


def _moments(given: Arguments) -> tuple[Apply, Apply]:
    """Mean and variance, as many as are averaged."""
    if given.get("shift") is not None:
        raise NotRecognised("calls moments with a shift")
    options = tuple((name, given[name]) for name in ("axis", "keepdims") if name in given)
    return Apply("math.reduce_mean", (given["x"],), options), Apply(
        "math.reduce_variance", (given["x"],), options
    )


def _normalized(given: Arguments) -> Apply:
    """In the order of TensorFlow's own."""
    missing = {"mean", "variance", "offset", "scale", "variance_epsilon"} - given.keys()
    if missing:
        raise NotRecognised(f"calls batch_normalization without {min(missing)}")
    factor = Apply("math.rsqrt", (_sum(given["variance"], given["variance_epsilon"]),))
    if given["scale"] is not None:
        factor = Apply(OPERATORS["*"], (factor, given["scale"]))
    shift = Apply(OPERATORS["*"], (given["mean"], factor))
    shift = (
        Apply("math.negative", (shift,))
        if given["offset"] is None
        else Apply(OPERATORS["-"], (given["offset"], shift))
    )
    return _sum(Apply(OPERATORS["*"], (given["x"], factor)), shift)


def _sum(left: Any, right: Any) -> Apply:
    return Apply(OPERATORS["+"], (left, right))


def _ones(given: Arguments) -> Any:
    return made_of("ones", 1.0, given)


def _zeros(given: Arguments) -> Any:
    return made_of("zeros", 0.0, given)


def _filled(given: Arguments) -> Any:
    if "value" not in given:
        raise NotRecognised("calls fill without a value")
    value = given["value"]
    if has_tensor(given["dims"]):
        return Apply("fill", (given["dims"], value))
    return filled(given["dims"], value)


def _range(given: Arguments) -> Any:
    start, limit, delta = given["start"], given.get("limit"), given.get("delta", 1)
    if not has_tensor([start, limit, delta]):
        return in_a_row(start, limit, delta, given.get("dtype"))
    bounds = (0, start) if limit is None else (start, limit)
    options = (("dtype", given["dtype"]),) if given.get("dtype") is not None else ()
    return Apply("range", (*bounds, delta), options)


def _eye(given: Arguments) -> Numbers:
    return unit_matrix(given["num_rows"], given["num_columns"])


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
            "digamma",
            "erf",
            "erfc",
            "exp",
            "expm1",
            "floor",
            "is_finite",
            "is_inf",
            "is_nan",
            "lgamma",
            "log",
            "log1p",
            "logical_not",
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
            "logical_and",
            "logical_or",
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
    "argmax": function("input axis/dimension=0 output_type", "math.argmax"),
    "argmin": function("input axis/dimension=0 output_type", "math.argmin"),
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
    "cast": function("x dtype", cast, "cast"),
    "clip_by_value": function("t clip_value_min clip_value_max", "clip_by_value"),
    "concat": function("values axis/concat_dim", "concat"),
    "constant": function("value dtype shape", constant),
    "convert_to_tensor": function("value dtype", identity),
    "einsum": function("equation x y z", _einsum, "einsum"),
    "expand_dims": function("input axis/dim", "expand_dims"),
    "eye": function("num_rows num_columns=None", _eye),
    "fill": function("dims value", _filled, "fill"),
    "gather": function("params indices validate_indices axis batch_dims", "gather"),
    "gather_nd": function("params indices batch_dims", "gather_nd"),
    "identity": function("input", identity),
    "matmul": function("a b transpose_a transpose_b", "linalg.matmul"),
    "norm": function("tensor ord axis keepdims/keep_dims", "norm"),
    "one_hot": function("indices depth", "one_hot"),
    "ones": function("shape dtype", _ones, "ones"),
    "ones_like": function("input/tensor", "ones_like"),
    "pad": function("tensor paddings mode constant_values", "pad"),
    "range": function("start limit delta dtype", _range, "range"),
    "repeat": function("input repeats axis", "repeat"),
    "reshape": function("tensor shape", "reshape"),
    "reverse": function("tensor axis", "reverse"),
    "roll": function("input shift axis", "roll"),
    "sequence_mask": function("lengths maxlen dtype", "sequence_mask"),
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
    "zeros": function("shape dtype", _zeros, "zeros"),
    "zeros_like": function("input/tensor", "zeros_like"),
}
LINALG: dict[str, Function] = {
    **{name: TENSORS[name] for name in ("einsum", "eye", "matmul", "norm", "tensordot")},
    **{name: function("input/matrix", f"linalg.{name}") for name in ("det", "diag_part")},
    "band_part": function("input num_lower num_upper", "linalg.band_part"),
    "diag": function("diagonal", "linalg.diag"),
    "l2_normalize": MATHS["l2_normalize"],
    "matrix_transpose": function("a", "linalg.matrix_transpose"),
    "matvec": function("a b transpose_a", "linalg.matvec"),
    "trace": function("x", "linalg.trace"),
}
_LRN = function("input depth_radius bias alpha beta", "nn.local_response_normalization")
_POOL = "input/value ksize strides padding"
NN: dict[str, Function] = {
    "avg_pool": function(_POOL, "nn.avg_pool"),
    "avg_pool2d": function(_POOL, "nn.avg_pool2d"),
    "batch_normalization": function("x mean variance offset scale variance_epsilon", _normalized),
    "bias_add": function("value bias", "nn.bias_add"),
    "crelu": function("features", "nn.crelu"),
    "elu": function("features", "nn.elu"),
    "gelu": function("features approximate", "nn.gelu"),
    "l2_normalize": MATHS["l2_normalize"],
    "leaky_relu": function("features alpha", "nn.leaky_relu"),
    "local_response_normalization": _LRN,
    "log_softmax": function("logits axis/dim", "nn.log_softmax"),
    "lrn": _LRN,
    "max_pool": function(_POOL, "nn.max_pool"),
    "max_pool2d": function(_POOL, "nn.max_pool2d"),
    "moments": function("x axis/axes shift keepdims/keep_dims", _moments),
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


_PATCHES = function("images sizes/ksizes strides rates padding", "image.extract_patches")
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
    "extract_image_patches": _PATCHES,
    "extract_patches": _PATCHES,
    "grayscale_to_rgb": function("images", "image.grayscale_to_rgb"),
    "rgb_to_grayscale": function("images", "image.rgb_to_grayscale"),
    "rot90": function("image k", "image.rot90"),
    "transpose": function("image", "image.transpose"),
    "per_image_standardization": function("image", "image.per_image_standardization"),
    "flip_left_right": function("image", "image.flip_left_right"),
    "flip_up_down": function("image", "image.flip_up_down"),
}

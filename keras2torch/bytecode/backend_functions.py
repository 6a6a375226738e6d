"""`keras.backend` of Keras 1 and 2, `keras.activations` and a part of `keras.ops`, in TensorFlow's terms."""

from __future__ import annotations

from typing import Any

from keras2torch.bytecode.numbers import in_a_row
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.signatures import REDUCE, Arguments, Function, cast, constant, function, identity
from keras2torch.bytecode.tree import BATCH_DOT, BATCH_FLATTEN, INT_SHAPE, OPERATORS, Apply

# ------------------------------------------------------------------------------- what takes more than one operation


def _safe_sqrt(given: Arguments) -> Apply:
    """Keras's backend clips at zero first."""
    return Apply("math.sqrt", (Apply("math.maximum", (given["x"], 0.0)),))


def _hard_sigmoid(given: Arguments) -> Apply:
    line = Apply(OPERATORS["+"], (Apply(OPERATORS["*"], (given["x"], 0.2)), 0.5))
    return Apply("clip_by_value", (line, 0.0, 1.0))


def _relu(given: Arguments) -> Apply:
    x = given.pop("x")
    asked = {key: value for key, value in given.items() if value not in (None, 0)}
    if not asked:
        return Apply("nn.relu", (x,))
    if set(asked) == {"max_value"}:
        return Apply("clip_by_value", (x, 0.0, given["max_value"]))
    if set(asked) == {"alpha"}:
        return Apply("nn.leaky_relu", (x,), (("alpha", given["alpha"]),))
    raise NotRecognised("calls relu with several options")


def _elu(given: Arguments) -> Apply:
    if given.get("alpha", 1) != 1:
        raise NotRecognised("calls elu with another alpha than 1")
    return Apply("nn.elu", (given["x"],))


def _flatten(given: Arguments) -> Apply:
    return Apply("reshape", (given["x"], (-1,)))


def _repeat(given: Arguments) -> Apply:
    """(N, D) to (N, n, D)."""
    return Apply("tile", (Apply("expand_dims", (given["x"], 1)), (1, given["n"], 1)))


def _repeat_elements(given: Arguments) -> Apply:
    return Apply("repeat", (given["x"], given["rep"]), (("axis", given["axis"]),))


def _resize_images(given: Arguments) -> Apply:
    if given.get("interpolation", "nearest") != "nearest":
        raise NotRecognised("resizes images other than by nearest neighbours, which depends on the version")
    formats = {"channels_last": (1, 2), "tf": (1, 2), "channels_first": (2, 3), "th": (2, 3)}
    given.setdefault("data_format", None)
    if given["data_format"] not in formats:
        raise NotRecognised("resizes images of an unknown data format")
    rows, columns = formats[given["data_format"]]
    tall = Apply("repeat", (given["x"], given["height_factor"]), (("axis", rows),))
    return Apply("repeat", (tall, given["width_factor"]), (("axis", columns),))


def _reverse(given: Arguments) -> Apply:
    axes = given["axes"]
    return Apply("reverse", (given["x"], list(axes) if isinstance(axes, list | tuple) else [axes]))


def _transpose(given: Arguments) -> Apply:
    return Apply("transpose", (given["x"],), (("perm", given["pattern"]),) if "pattern" in given else ())


def _dot(given: Arguments) -> Apply:
    """The last axis of the first with the last but one of the second."""
    return Apply("tensordot", (given["x"], given["y"]), (("axes", [[-1], [-2]]),))


def _batch_dot(given: Arguments) -> Apply:
    return Apply(BATCH_DOT, (given["x"], given["y"]), (("axes", given.get("axes")),))


_FORMATS = {None: 1, "channels_last": 1, "tf": 1, "channels_first": 2, "th": 2}
"""The first axis of pictures that is not batch or channels."""


def _place_of_pictures(given: Arguments) -> int:
    if given.get("data_format") not in _FORMATS:
        raise NotRecognised("is given an unknown data format")
    return _FORMATS[given.get("data_format")]


def _pad_steps(given: Arguments) -> Apply:
    return Apply("pad", (given["x"], [[0, 0], list(given.get("padding", (1, 1))), [0, 0]]))


def _pad_pictures(given: Arguments) -> Apply:
    place, borders = _place_of_pictures(given), given.get("padding", ((1, 1), (1, 1)))
    if not isinstance(borders, list | tuple) or len(borders) != 2:
        raise NotRecognised("pads pictures in an unusual way")
    pairs = [list(each) if isinstance(each, list | tuple) else [each, each] for each in borders]
    return Apply("pad", (given["x"], [[0, 0]] * place + pairs + [[0, 0]] * (2 - place)))


def _pool(given: Arguments) -> Apply:
    kind, padding = given.get("pool_mode", "max"), given.get("padding", "valid")
    if kind not in ("max", "avg") or not isinstance(padding, str) or _place_of_pictures(given) != 1:
        raise NotRecognised("pools pictures in an unusual way")
    return Apply(
        f"nn.{kind}_pool2d", (given["x"], given["pool_size"], given.get("strides", (1, 1)), padding.upper())
    )


def _bias(given: Arguments) -> Apply:
    if given.get("data_format") not in (None, "channels_last"):
        raise NotRecognised("adds a bias to other than the last axis")
    return Apply("nn.bias_add", (given["x"], given["bias"]))


def _relu6_line(x: Any) -> Apply:
    return Apply(OPERATORS["/"], (Apply("nn.relu6", (Apply(OPERATORS["+"], (x, 3.0)),)), 6.0))


def _hard_sigmoid3(given: Arguments) -> Apply:
    """Keras 3's, with another slope."""
    return _relu6_line(given["x"])


def _hard_silu(given: Arguments) -> Apply:
    return Apply(OPERATORS["*"], (given["x"], _relu6_line(given["x"])))


def _split(given: Arguments) -> Apply:
    """Keras 3 and NumPy say where to cut, TensorFlow how much comes off."""
    parts = given["indices_or_sections"]
    if isinstance(parts, bool) or not isinstance(parts, int):
        raise NotRecognised("splits a tensor at given places")
    return Apply("split", (given["x"], parts), (("axis", given["axis"]),))


def _flip(given: Arguments) -> Apply:
    if not isinstance(given.get("axis"), int | list | tuple):
        raise NotRecognised("turns a tensor round along all of its axes")
    axes = given["axis"]
    return Apply("reverse", (given["x"], list(axes) if isinstance(axes, list | tuple) else [axes]))


def _arange(given: Arguments) -> list[Any]:
    return in_a_row(given["start"], given["stop"], given["step"], given.get("dtype"))


def _epsilon(_: Arguments) -> float:
    return 1e-7


def _floatx(_: Arguments) -> str:
    return "float32"


BACKEND: dict[str, Function] = {
    **{
        name: function("x", symbol)
        for name, symbol in {
            "abs": "math.abs",
            "cos": "math.cos",
            "exp": "math.exp",
            "log": "math.log",
            "ones_like": "ones_like",
            "round": "math.round",
            "sigmoid": "math.sigmoid",
            "sign": "math.sign",
            "sin": "math.sin",
            "softplus": "math.softplus",
            "softsign": "nn.softsign",
            "square": "math.square",
            "tanh": "math.tanh",
            "zeros_like": "zeros_like",
            "shape": "shape",
        }.items()
    },
    **{
        name: function(REDUCE, f"math.reduce_{kind}")
        for name, kind in {
            "all": "all",
            "any": "any",
            "logsumexp": "logsumexp",
            "max": "max",
            "mean": "mean",
            "min": "min",
            "prod": "prod",
            "std": "std",
            "sum": "sum",
            "var": "variance",
        }.items()
    },
    **{
        name: function("x y", f"math.{name}")
        for name in (
            "equal",
            "greater",
            "greater_equal",
            "less",
            "less_equal",
            "maximum",
            "minimum",
            "not_equal",
        )
    },
    "argmax": function("input/x axis=-1", "math.argmax"),
    "argmin": function("input/x axis=-1", "math.argmin"),
    "arange": function("start stop=None step=1 dtype", _arange),
    "batch_dot": function("x y axes", _batch_dot),
    "batch_flatten": function("x", BATCH_FLATTEN),
    "bias_add": function("x bias data_format", _bias),
    "cast": function("x dtype", cast),
    "clip": function("x clip_value_min/min_value clip_value_max/max_value", "clip_by_value"),
    "concatenate": function("values/tensors axis=-1", "concat"),
    "constant": function("value dtype shape", constant),
    "cumprod": function("x axis=0", "math.cumprod"),
    "cumsum": function("x axis=0", "math.cumsum"),
    "dot": function("x y", _dot),
    "elu": function("x alpha", _elu),
    "epsilon": function("", _epsilon),
    "expand_dims": function("input/x axis/dim=-1", "expand_dims"),
    "flatten": function("x", _flatten),
    "floatx": function("", _floatx),
    "gather": function("params/reference indices", "gather"),
    "hard_sigmoid": function("x", _hard_sigmoid),
    "identity": function("x", identity),
    "int_shape": function("x", INT_SHAPE),
    "l2_normalize": function("x axis", "math.l2_normalize"),
    "one_hot": function("indices depth/num_classes/nb_classes", "one_hot"),
    "permute_dimensions": function("x pattern", _transpose),
    "pool2d": function("x pool_size strides padding data_format pool_mode", _pool),
    "pow": function("x y/a", "math.pow"),
    "relu": function("x alpha max_value threshold", _relu),
    "repeat": function("x n", _repeat),
    "repeat_elements": function("x rep axis", _repeat_elements),
    "reshape": function("tensor/x shape", "reshape"),
    "resize_images": function(
        "x height_factor width_factor data_format/dim_ordering interpolation", _resize_images
    ),
    "reverse": function("x axes", _reverse),
    "softmax": function("logits/x axis=-1", "nn.softmax"),
    "sqrt": function("x", _safe_sqrt),
    "spatial_2d_padding": function("x padding data_format/dim_ordering", _pad_pictures),
    "squeeze": function("input/x axis", "squeeze"),
    "stack": function("values/x axis=0", "stack"),
    "stop_gradient": function("x", identity),
    "temporal_padding": function("x padding", _pad_steps),
    "tile": function("input/x multiples/n", "tile"),
    "transpose": function("x", _transpose),
}

ACTIVATIONS: dict[str, Function] = {
    "elu": BACKEND["elu"],
    "exponential": BACKEND["exp"],
    "gelu": function("features/x approximate", "nn.gelu"),
    "linear": BACKEND["identity"],
    "relu": BACKEND["relu"],
    "selu": function("features/x", "nn.selu"),
    "sigmoid": BACKEND["sigmoid"],
    "silu": function("features/x", "nn.silu"),
    "softmax": BACKEND["softmax"],
    "softplus": BACKEND["softplus"],
    "softsign": BACKEND["softsign"],
    "swish": function("features/x", "nn.silu"),
    "tanh": BACKEND["tanh"],
}
KERAS_OPS: dict[str, Function] = {
    **{
        name: BACKEND[name]
        for name in (
            "abs",
            "cos",
            "elu",
            "exp",
            "log",
            "sigmoid",
            "sign",
            "sin",
            "softplus",
            "softsign",
            "square",
            "tanh",
        )
    },
    **{name: function("x", f"math.{name}") for name in ("ceil", "erf", "expm1", "floor", "tan")},
    **{
        name: function("x/x1 y/x2", f"math.{name}")
        for name in ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
    },
    "absolute": BACKEND["abs"],
    **{name: BACKEND[name] for name in ("all", "any", "max", "mean", "min", "prod", "std", "sum", "var")},
    **{
        name: BACKEND[name]
        for name in ("logsumexp", "maximum", "minimum", "ones_like", "zeros_like", "cast", "round")
    },
    "add": function("x/x1 y/x2", OPERATORS["+"]),
    "clip": function("x clip_value_min/x_min clip_value_max/x_max", "clip_by_value"),
    "concatenate": function("values/xs axis=0", "concat"),
    "cumsum": function("x axis", "math.cumsum"),
    "divide": function("x/x1 y/x2", OPERATORS["/"]),
    "expand_dims": function("input/x axis", "expand_dims"),
    "flip": function("x axis", _flip),
    "gelu": function("features/x approximate=True", "nn.gelu"),
    "hard_sigmoid": function("x", _hard_sigmoid3),
    "hard_silu": function("x", _hard_silu),
    "leaky_relu": function("features/x alpha/negative_slope=0.2", "nn.leaky_relu"),
    "log1p": function("x", "math.log1p"),
    "log_softmax": function("logits/x axis=-1", "nn.log_softmax"),
    "matmul": function("a/x1 b/x2", "linalg.matmul"),
    "multiply": function("x/x1 y/x2", OPERATORS["*"]),
    "negative": function("x", "math.negative"),
    "power": function("x/x1 y/x2", "math.pow"),
    "relu": function("x", "nn.relu"),
    "relu6": function("features/x", "nn.relu6"),
    "repeat": function("input/x repeats axis", "repeat"),
    "reshape": function("tensor/x shape/newshape", "reshape"),
    "roll": function("input/x shift axis", "roll"),
    "rsqrt": function("x", "math.rsqrt"),
    "selu": ACTIVATIONS["selu"],
    "shape": BACKEND["shape"],
    "silu": ACTIVATIONS["silu"],
    "softmax": BACKEND["softmax"],
    "split": function("x indices_or_sections axis=0", _split),
    "sqrt": function("x", "math.sqrt"),
    "spatial_2d_padding": function("x padding data_format/dim_ordering", _pad_pictures),
    "squeeze": function("input/x axis", "squeeze"),
    "stack": function("values/x axis=0", "stack"),
    "stop_gradient": BACKEND["stop_gradient"],
    "subtract": function("x/x1 y/x2", OPERATORS["-"]),
    "tile": function("input/x multiples/repeats", "tile"),
    "transpose": function("a/x perm/axes", "transpose"),
    "where": function("condition x/x1 y/x2", "where"),
}

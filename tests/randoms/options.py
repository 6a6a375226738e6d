"""Random options, by their names: whatever a class takes is varied alike, and Keras says what does not go together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

Shape = tuple[int | None, ...]

ACTIVATIONS = (
    "relu",
    "tanh",
    "sigmoid",
    "elu",
    "selu",
    "softplus",
    "softsign",
    "gelu",
    "swish",
    "softmax",
    "linear",
)
GATES = ("sigmoid", "hard_sigmoid", "tanh", "relu", "softsign")
OF_KERAS3 = (
    "leaky_relu",
    "hard_silu",
    "log_softmax",
    "mish",
    "celu",
    "hard_tanh",
    "log_sigmoid",
    "squareplus",
)


@dataclass(frozen=True)
class Case:
    """What an option is drawn for: the class, the shape it is called on without the batch axis, and the library."""

    random: Random
    class_name: str
    family: str
    shape: Shape
    library: str

    @property
    def rank(self) -> int:
        return len(self.shape)

    def one_or_each(self, among: Sequence[int], axes: int) -> int | list[int]:
        """One number for all axes, or one for each."""
        if axes < 2 or self.random.random() < 0.6:
            return self.random.choice(among)
        return [self.random.choice(among) for _ in range(axes)]


def _activation(case: Case) -> Any:
    more = OF_KERAS3 if case.library == "keras" else ("leaky_relu", "mish", "log_softmax", "relu6")
    return case.random.choice((*ACTIVATIONS, *more))


def _padding(case: Case) -> Any:
    if case.class_name.startswith("ZeroPadding"):
        return _edges(case, (0, 1, 2))
    return case.random.choice(["same", "same", "valid", *(["causal"] if case.class_name == "Conv1D" else [])])


def _edges(case: Case, among: Sequence[int]) -> Any:
    """Numbers for both ends of every axis, in one of the three ways to say so."""
    axes = max(case.rank - 1, 1)
    if axes == 1:
        return case.random.choice([case.random.choice(among), [case.random.choice(among) for _ in range(2)]])
    if case.random.random() < 0.3:
        return case.random.choice(among)
    if case.random.random() < 0.4:
        return [case.random.choice(among) for _ in range(axes)]
    return [[case.random.choice(among) for _ in range(2)] for _ in range(axes)]


def _axis(case: Case) -> Any:
    axes = [*range(1, case.rank + 1), *range(-case.rank, 0)]
    if case.class_name in {
        "LayerNormalization",
        "Softmax",
        "UnitNormalization",
        "RMSNormalization",
        "Normalization",
    }:
        if case.rank > 1 and case.random.random() < 0.4:
            count = case.random.randint(2, case.rank)
            return [
                axis if case.random.random() < 0.7 else axis - case.rank - 1
                for axis in sorted(case.random.sample(range(1, case.rank + 1), count))
            ]
        if case.class_name == "Normalization" and case.random.random() < 0.2:
            return None
    return case.random.choice(axes)


def _target_shape(case: Case) -> Any:
    if any(extent is None for extent in case.shape):
        return [-1, *[extent for extent in case.shape[1:] if extent is not None]]
    size = 1
    for extent in case.shape:
        size *= extent or 1
    target = []
    for _ in range(case.random.randint(0, 3)):
        extent = case.random.choice([each for each in range(1, 7) if size % each == 0])
        target.append(extent)
        size //= extent
    target.append(size)
    case.random.shuffle(target)
    if case.random.random() < 0.3:
        target[case.random.randrange(len(target))] = -1
    return target


def _size(case: Case) -> Any:
    if case.class_name == "UpSampling1D":
        return case.random.choice((1, 2, 3))
    return case.one_or_each((1, 2, 3), case.rank - 1)


def _groups(case: Case) -> int:
    if "3D" in case.class_name:
        return 1  # in groups, TensorFlow runs these on a CPU in float32 and not in float64
    channels = case.shape[-1] or 1
    among = [each for each in range(1, channels + 1) if channels % each == 0]
    return case.random.choice([*among, -1] if case.class_name == "GroupNormalization" else among)


def _numbers(case: Case, low: float, high: float) -> Any:
    """One number, or one for each channel."""
    if case.random.random() < 0.5:
        return round(case.random.uniform(low, high), 3)
    return [round(case.random.uniform(low, high), 3) for _ in range(case.shape[-1] or 1)]


def _scale(case: Case) -> Any:
    return case.random.random() < 0.5 if case.family == "normalization" else _numbers(case, -1, 2)


def _flag(case: Case) -> bool:
    return case.random.random() < 0.5


def _rarely(case: Case) -> bool:
    return case.random.random() < 0.2


def _some(*among: Any) -> Callable[[Case], Any]:
    return lambda case: case.random.choice(among)


def _each(*among: int) -> Callable[[Case], Any]:
    return lambda case: case.one_or_each(among, case.rank - 1)


OPTIONS: Mapping[str, Callable[[Case], Any]] = {
    "activation": _activation,
    "alpha": _some(0.1, 0.5, 1.5),
    "axes": _axis,
    "axis": _axis,
    "center": _flag,
    "cropping": lambda case: _edges(case, (0, 1, 1, 2)),
    "data_format": _some("channels_first"),
    "depth_multiplier": _some(1, 2, 3),
    "dilation_rate": _each(1, 2),
    "dims": lambda case: case.random.sample(range(1, case.rank + 1), case.rank),
    "dropout": _some(0.1),
    "epsilon": _some(1e-5, 1e-2),
    "dtype": _some("mixed_float16", "mixed_bfloat16"),
    "filters": _some(1, 2, 3, 4, 6),
    "go_backwards": _flag,
    "groups": _groups,
    "height": _some(2, 3, 5, 7),
    "implementation": _some(1, 2),
    "interpolation": _some("nearest", "bilinear", "bicubic"),
    "invert": _flag,
    "keepdims": _flag,
    "kernel_size": _each(1, 2, 3),
    "key_dim": _some(1, 2, 3),
    "mask_zero": _flag,
    "max_value": _some(1.0, 6.0),
    "merge_mode": _some("sum", "mul", "ave", "concat", None),
    "n": _some(1, 2, 4),
    "negative_slope": _some(0.1, 0.3),
    "normalize": _flag,
    "num_heads": _some(1, 2, 3),
    "offset": lambda case: _numbers(case, -1, 1),
    "output_dim": _some(1, 2, 3, 5),
    "output_padding": _some(0, 1),
    "output_size": _each(1, 2, 3),
    "padding": _padding,
    "pool_size": _each(1, 2, 3),
    "recurrent_activation": _some(*GATES),
    "recurrent_dropout": _some(0.1),
    "reset_after": _flag,
    "return_sequences": lambda case: case.random.random() < 0.7,
    "return_state": _rarely,
    "rms_scaling": _flag,
    "scale": _scale,
    "score_mode": _some("dot", "concat"),
    "shared_axes": lambda case: sorted(
        case.random.sample(range(1, case.rank + 1), case.random.randint(1, case.rank))
    ),
    "size": _size,
    "strides": _each(1, 2),
    "target_shape": _target_shape,
    "trainable": _some(False),
    "units": _some(1, 2, 3, 4, 5),
    "unroll": _rarely,
    "use_bias": _flag,
    "use_scale": _flag,
    "value_dim": _some(1, 2, 3),
    "width": _some(2, 3, 5, 7),
    "zero_output_for_mask": _flag,
}
"""How to draw each option. Those that no layer may have at random are not here, and stay as the example has them."""

CHANCE: Mapping[str, float] = {
    "dims": 1,
    "target_shape": 1,
    "data_format": 0.12,
    "trainable": 0.1,
    "dtype": 0.02,
    "implementation": 0.1,
    "dropout": 0.1,
    "recurrent_dropout": 0.1,
    "axis": 0.3,
    "axes": 0.3,
    "activation": 0.5,
    "units": 0.7,
    "filters": 0.7,
}
USUAL_CHANCE = 0.35


def drawn(
    case: Case, config: Mapping[str, Any], takes: Sequence[str], *, fixed: Sequence[str] = ()
) -> dict[str, Any]:
    """`config` with some of the options that the class `takes` drawn anew, but for the `fixed` ones."""
    result = dict(config)
    for name in sorted({*takes, "dtype", "trainable"} & OPTIONS.keys()):
        if name not in fixed and case.random.random() < CHANCE.get(name, USUAL_CHANCE):
            result[name] = OPTIONS[name](case)
    return result

"""What is most often misunderstood about a layer, by its class and by how it fails."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.parity.report import Figure

A_CONSTANT = 1e-5
"""Errors below this share of scale are not those of another structure, but of another constant."""


@dataclass(frozen=True)
class Causes:
    """What to look at first where an error is large; where it is so `small` that a constant must be meant; and where
    the `shape` differs.
    """

    large: str
    small: str = "single precision, or a constant in single precision"
    shape: str = "the axes, or extents that are rounded the other way"


CONVOLUTION = Causes(
    "padding on the wrong side ('same' pads more at the end), or a kernel flipped, its axes in another order, its "
    "groups or dilation another",
    shape="padding, stride or dilation",
)
TRANSPOSED = Causes(
    "cropped on the wrong side, or the kernel's two channel axes exchanged, or flipped",
    shape="how much is cropped, or output_padding",
)
DEPTHWISE = Causes(
    "depth_multiplier counted the other way, or padding on the wrong side", shape="padding or stride"
)
NORMALIZATION = Causes(
    "gamma, beta, mean and variance in another order, another axis, or statistics of the batch instead of the "
    "moving ones",
    small="epsilon (1e-3 in Keras, 1e-5 in torch), or where it is added",
)
MAXIMUM = Causes(
    "padded with zeros instead of -inf, or on the wrong side", shape="padding, or sizes rounded up"
)
MEAN = Causes("padding or masked steps counted in the mean", shape="padding, or sizes rounded up")
RECURRENT = Causes(
    "the order of the gates, kernel and recurrent kernel, the two biases of a GRU (reset_after), the recurrent "
    "activation (hard_sigmoid differs by generation), the direction, or the mask",
    small="the hard_sigmoid of the other generation, or single precision",
    shape="return_sequences, or how both directions are merged",
)
ATTENTION = Causes(
    "how scores are scaled, the order of heads, query, key and value, the causal mask, or the mask of steps",
    shape="the width of the heads",
)
ACTIVATION = Causes(
    "another function, or another flavour of it (gelu by erf or tanh, hard_sigmoid by generation), or the axis of a "
    "softmax",
    small="the slope or alpha, or gelu by erf or tanh",
)
SLOPE = Causes("the slope, or the axes that share it", small="the slope, rounded or torch's own")
DENSE = Causes(
    "the kernel transposed, features flattened in another order (Keras's channels are last), the bias, or "
    "the activation"
)
EMBEDDING = Causes("rows shifted, or ids counted from another number", shape="the axes of the ids")
ORDER = Causes("the order of what is merged, or the axis", shape="the axis, or an extent that is broadcast")
ELEMENTS = Causes(
    "elements in another order (Keras's channels are last)", shape="the axes, or an extent that is missing"
)
BORDER = Causes("the wrong side, or height and width exchanged", shape="how much, or the wrong axis")
INTERPOLATION = Causes(
    "the interpolation, half-pixel centres or aligned corners",
    shape="the size, or height and width exchanged",
)
CONSTANTS = Causes(
    "the order of scale and offset, or mean and variance", small="a constant in single precision"
)
CATEGORIES = Causes("to which side a boundary belongs, from what number is counted, or the output_mode")

BY_WORD: Sequence[tuple[Sequence[str], Causes]] = (
    (("Transpose",), TRANSPOSED),
    (("Depthwise", "Separable"), DEPTHWISE),
    (("LSTM", "GRU", "RNN", "Bidirectional"), RECURRENT),
    (("Conv", "LocallyConnected"), CONVOLUTION),
    (("BatchNormalization", "LayerNormalization", "GroupNormalization", "UnitNormalization"), NORMALIZATION),
    (("RMSNormalization", "SpectralNormalization"), NORMALIZATION),
    (("MaxPool", "GlobalMax"), MAXIMUM),
    (("AveragePool",), MEAN),
    (("Attention",), ATTENTION),
    (("LeakyReLU", "PReLU", "ELU", "ReLU"), SLOPE),
    (("Activation", "Softmax"), ACTIVATION),
    (("Dense",), DENSE),
    (("Embedding",), EMBEDDING),
    (("Concatenate", "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Dot", "Merge"), ORDER),
    (("Flatten", "Reshape", "Permute", "Repeat"), ELEMENTS),
    (("Cropping", "ZeroPadding", "CenterCrop"), BORDER),
    (("UpSampling", "Resizing"), INTERPOLATION),
    (("Rescaling", "Normalization"), CONSTANTS),
    (("Masking",), Causes("which steps count as masked, or that their numbers become zero")),
    (("Discretization", "CategoryEncoding", "Hash", "Lookup"), CATEGORIES),
    (
        ("output",),
        Causes(
            "the order of the outputs, or something after the last layer", shape="the order of the outputs"
        ),
    ),
)
"""Looked up in this order, by what stands in the class's name."""


def likely_cause(
    class_name: str, options: Mapping[str, Any], figure: Figure, cases: Sequence[str], *, activation: bool
) -> str:
    """The likely cause in words, most telling first.

    `cases` are those that ran; `activation` says that what the layer gives to its activation agreed.
    """
    return "; ".join(_clues(class_name, options, figure, cases, activation))


def _clues(
    class_name: str, options: Mapping[str, Any], figure: Figure, cases: Sequence[str], activation: bool
) -> Iterator[str]:
    if figure.fault is None:
        yield from _by_case(figure.failed_in, cases)
    if activation:
        yield f"the activation ({options.get('activation', 'unknown')}): what it is given agreed"
        return
    causes = next(
        (causes for words, causes in BY_WORD if any(word in class_name for word in words)),
        Causes("another meaning of the layer, or other weights"),
    )
    if figure.fault is not None:
        if figure.fault.startswith("shape"):
            yield causes.shape
        elif figure.fault == "missing":
            yield "the bundle does not compute it in this case"
        else:
            yield "a division by zero, a logarithm or a root that one side bounds, or a mask of -inf"
    else:
        yield causes.small if figure.error < A_CONSTANT else causes.large


def _by_case(failed: Sequence[str], cases: Sequence[str]) -> Iterator[str]:
    """What it tells that some cases agree."""
    kinds = {case.partition("-")[0] for case in failed}
    if len(failed) == len(cases) or not failed:
        return
    if kinds == {"masks"}:
        yield "the mask, since it fails only where steps are masked"
    elif kinds == {"bytes"}:
        yield "a bound or a scale, since it fails only with large numbers"
    elif kinds == {"zeros"}:
        yield "a bound next to zero, since it fails only with zeros"
    elif len({case.partition("-")[2] for case in failed}) == 1 and "-" in failed[0]:
        yield f"the sides of the padding, since it fails only at {failed[0].partition('-')[2]}"

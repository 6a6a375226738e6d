"""Wrong semantics to plant in right bundles, by the model of `fault_models` that each is planted in."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True)
class Code:
    """A change of model.py: `pattern`, a regular expression that is found once, becomes `by`."""

    pattern: str
    by: str

    def plant(self, text: str) -> str:
        new, count = re.subn(self.pattern, self.by, text)
        assert count == 1, f"{self.pattern!r} stands {count} times in model.py: nowhere to plant this fault"
        return new


@dataclass(frozen=True)
class Tensors:
    """A change of model.safetensors."""

    change: Callable[[Weights], None]


@dataclass(frozen=True)
class Fault:
    """One misunderstanding. `layer` is where it must be found; "" for one that only the model's outputs show."""

    layer: str
    what: str
    change: Code | Tensors
    learning: str = ""
    """"training" or "gradients" for one that no inference shows; `layer` is then the tensor that must depart first."""


def code(layer: str, what: str, pattern: str, by: str) -> Fault:
    return Fault(layer, what, Code(pattern, by))


def unlearned(kind: str, tensor: str, what: str, pattern: str, by: str) -> Fault:
    return Fault(tensor, what, Code(pattern, by), learning=kind)


def edit(layer: str, what: str, name: str, function: Callable[[Array], Array]) -> Fault:
    def change(weights: Weights) -> None:
        weights[name] = np.ascontiguousarray(function(weights[name]))

    return Fault(layer, what, Tensors(change))


def swap(layer: str, what: str, first: str, second: str) -> Fault:
    def change(weights: Weights) -> None:
        weights[first], weights[second] = weights[second], weights[first]

    return Fault(layer, what, Tensors(change))


def gates(*order: int) -> Callable[[Array], Array]:
    return lambda array: np.concatenate([np.split(array, len(order))[gate] for gate in order])


def merge_biases(weights: Weights) -> None:
    """A GRU whose reset gate acts on the recurrent bias too cannot hold its two biases as one."""
    weights["after.bias_ih_l0"] = weights["after.bias_ih_l0"] + weights["after.bias_hh_l0"]
    weights["after.bias_hh_l0"] = np.zeros_like(weights["after.bias_hh_l0"])


def one_element(array: Array) -> Array:
    new = array.copy()
    new.flat[0] *= np.float32(1 + 1e-6)
    return new


def outer_to_inner(groups: int, axis: int = 0) -> Callable[[Array], Array]:
    """Counts what stands along an axis by the other factor first."""

    def reordered(array: Array) -> Array:
        size = array.shape[axis]
        return np.take(array, np.arange(size).reshape(groups, -1).T.reshape(-1), axis)

    return reordered


def steps_apart(array: Array) -> Array:
    """The columns of a kernel behind a Flatten of (channels 4, rows 6, columns 8), in Keras's order: channels last."""
    return array.reshape(-1, 4, 6, 8).transpose(0, 2, 3, 1).reshape(array.shape)


MENAGERIE = [
    code(
        "conv",
        "padding on the wrong side",
        r"F\.pad\(picture, \(1, 1, 0, 1\)\)",
        "F.pad(picture, (1, 1, 1, 0))",
    ),
    code(
        "conv",
        "padding on the wrong axis",
        r"F\.pad\(picture, \(1, 1, 0, 1\)\)",
        "F.pad(picture, (0, 1, 1, 1))",
    ),
    code("conv", "reflecting padding", r"\(1, 1, 0, 1\)\)", '(1, 1, 0, 1), mode="reflect")'),
    code("norm", "torch's own epsilon", r"eps=0\.001", "eps=1e-5"),
    code("norm", "epsilon a thousandth off", r"eps=0\.001", "eps=0.001001"),
    code("norm", "training mode", r"dtype=dtype\)\.eval\(\)", "dtype=dtype)"),
    code("norm", "no normalization", r"x = self\.norm\(x\)", "x = x * 1"),
    code("gelu", "the other gelu", r"F\.gelu\(x\)", 'F.gelu(x, approximate="tanh")'),
    code("gelu", "silu for gelu", r"F\.gelu\(x\)", "F.silu(x)"),
    code("maxpool", "pool padded with zeros", r', value=float\("-inf"\)', ""),
    code("maxpool", "pool padded in front", r"\(0, 1, 0, 1\)", "(1, 0, 1, 0)"),
    code("maxpool", "mean for maximum", r"nn\.MaxPool2d\(2\)", "nn.AvgPool2d(2)"),
    code("up", "aligned corners", r'mode="bilinear"', 'mode="bilinear", align_corners=True'),
    code("up", "nearest for bilinear", r'mode="bilinear"', 'mode="nearest"'),
    code("up", "bicubic for bilinear", r'mode="bilinear"', 'mode="bicubic"'),
    code("pool", "maximum for mean", r"x\.mean\(dim=\(2, 3\)\)", "x.amax(dim=(2, 3))"),
    code(
        "pool",
        "mean over batch",
        r"x\.mean\(dim=\(2, 3\)\)",
        "(x.mean(dim=(2, 3)) + 0 * x.mean()).roll(1, 0)",
    ),
    code("embed", "ids off by one", r"self\.embed\(words\)", "self.embed((words + 1) % 11)"),
    code("both", "no mask", r"words != 0", "words >= 0"),
    code("both", "mask of another id", r"words != 0", "words != 1"),
    code("both", "masked steps not zeroed", r", zero_masked=True\)", ")"),
    code(
        "both",
        "backward half not turned back",
        r"(both_backward\(y\).*\n.*)reverse_valid\(y, mask\)",
        r"\1y",
    ),
    code("both", "backward half not reversed", r"reverse_valid\(y, mask\)(.*\n.*both_backward)", r"y\1"),
    code("both", "padding reversed too", r"reverse_valid\(y, mask\)(.*\n.*both_backward)", r"y.flip(1)\1"),
    code("both", "halves swapped", r"torch\.cat\(\[z, y\], dim=-1\)", "torch.cat([y, z], dim=-1)"),
    code("gru", "first step for last", r"last_valid\(z, mask\)", "z[:, 0]"),
    code("gru", "last step for last valid one", r"last_valid\(z, mask\)", "z[:, -1]"),
    code("gru", "state before the first step", r"count\[:, None\] > 0", "count[:, None] > -1"),
    code("square", "circular padding", r"padding=1, bias", 'padding=1, padding_mode="circular", bias'),
    code("square", "dilation", r"padding=1, bias", "padding=2, dilation=2, bias"),
    code("leaky", "torch's own slope", r"F\.leaky_relu\(y, [\d.]+\)", "F.leaky_relu(y)"),
    code("leaky", "slope a millionth off", r"F\.leaky_relu\(y, [\d.]+\)", "F.leaky_relu(y, 0.3000003)"),
    code("deconv", "transposed convolution cropped in front", r"\[:, :, :-1, :-1\]", "[:, :, 1:, 1:]"),
    code(
        "deconv",
        "transposed convolution cropped in front on one axis",
        r"\[:, :, :-1, :-1\]",
        "[:, :, 1:, :-1]",
    ),
    code("deconv", "transposed convolution cropped too little", r"\[:, :, :-1, :-1\]", "[:, :, :-1]"),
    code("join", "joined in another order", r"torch\.cat\(\[x, z\]", "torch.cat([z, x]"),
    code(
        "head",
        "softmax over the batch",
        r"softmax\(self\.head\(x\), dim=-1\)",
        "softmax(self.head(x), dim=0)",
    ),
    code("head", "sigmoid for softmax", r"softmax\(self\.head\(x\), dim=-1\)", "sigmoid(self.head(x))"),
    code("head", "no activation", r"torch\.softmax\(self\.head\(x\), dim=-1\)", "self.head(x) * 1"),
    code(
        "square",
        "half precision",
        r"y = self\.square\(picture\)",
        "y = self.square(picture).half().to(picture)",
    ),
    code(
        "square",
        "single precision",
        r"y = self\.square\(picture\)",
        "y = self.square(picture).float().to(picture)",
    ),
    code("", "outputs swapped", r"return x, y", "return y, x"),
    code("", "an output missing", r"return x, y", "return (x,)"),
    code("", "an output too many", r"return x, y", "return x, y, x"),
    code("", "an output scaled after its layer", r"return x, y", "return x, y * 1.0001"),
    code(
        "",
        "NaN in one place",
        r"return x, y",
        "return x, y.index_put((torch.tensor(0),) * 4, y.new_tensor(torch.nan))",
    ),
    edit("conv", "kernel flipped", "conv.weight", lambda w: w[:, :, ::-1, ::-1]),
    edit("conv", "kernel's height and width swapped", "conv.weight", lambda w: w.transpose(0, 1, 3, 2)),
    edit("conv", "input channels reversed", "conv.weight", lambda w: w[:, ::-1]),
    edit("conv", "bias off by a millionth", "conv.bias", lambda b: b + np.float32(1e-6)),
    edit("square", "one weight a millionth off", "square.weight", one_element),
    edit("conv", "bias lost", "conv.bias", np.zeros_like),
    swap("norm", "gamma and beta swapped", "norm.weight", "norm.bias"),
    swap("norm", "mean and gamma swapped", "norm.running_mean", "norm.weight"),
    edit("norm", "deviation for variance", "norm.running_var", np.sqrt),
    edit("embed", "rows of the embedding shifted", "embed.weight", lambda w: np.roll(w, 1, axis=0)),
    edit("embed", "rows of the embedding shifted back", "embed.weight", lambda w: np.roll(w, -1, axis=0)),
    edit("both", "LSTM gates swapped", "both_forward.weight_ih_l0", gates(0, 1, 3, 2)),
    edit("both", "LSTM recurrent gates swapped", "both_forward.weight_hh_l0", gates(1, 0, 2, 3)),
    edit(
        "both",
        "LSTM recurrent kernel transposed",
        "both_backward.weight_hh_l0",
        lambda w: w.reshape(4, 3, 3).transpose(0, 2, 1).reshape(12, 3),
    ),
    swap("both", "directions swapped", "both_forward.weight_hh_l0", "both_backward.weight_hh_l0"),
    edit("gru", "GRU gates in Keras's order", "gru.weight_ih_l0", gates(1, 0, 2)),
    swap("gru", "GRU biases swapped", "gru.bias_ih_l0", "gru.bias_hh_l0"),
    edit(
        "deconv", "transposed kernel's channels swapped", "deconv.weight", lambda w: w.transpose(1, 0, 2, 3)
    ),
    edit("deconv", "transposed kernel flipped", "deconv.weight", lambda w: w[:, :, ::-1, ::-1]),
    edit("head", "columns of the head rolled", "head.weight", lambda w: np.roll(w, 1, axis=1)),
    edit("head", "classes of the head permuted", "head.weight", lambda w: w[[1, 0, 2]]),
]

PICTURES = [
    code("rescale", "offset added before the scale", r"picture \* 0\.02 - 1\.0", "(picture - 1.0) * 0.02"),
    code("standardize", "divided by the variance", r"torch\.sqrt\(self\.variance\)", "self.variance"),
    code("standardize", "mean not subtracted", r"\(x - self\.mean\) / deviation", "x / deviation"),
    edit("grouped", "channels of the groups interleaved", "grouped.weight", outer_to_inner(2)),
    code(
        "grouped",
        "even kernel padded in front",
        r"x = self\.grouped\(x\)",
        "x = self.grouped(x.flip(3)).flip(3)",
    ),
    code("groups", "half as many groups", r"nn\.GroupNorm\(4, 8", "nn.GroupNorm(2, 8"),
    code("groups", "a group a channel", r"nn\.GroupNorm\(4, 8", "nn.GroupNorm(8, 8"),
    code(
        "groups", "group normalization with torch's epsilon", r"(GroupNorm\(4, 8, eps=)0\.001", r"\g<1>1e-5"
    ),
    edit("prelu", "one slope for all channels", "prelu.weight", lambda w: np.full_like(w, w.mean())),
    code("prelu", "slopes of the wrong axis", r"x = self\.prelu\(x\)", "x = self.prelu(x.flip(1)).flip(1)"),
    edit("depthwise", "depth multiplier counted outside", "depthwise.weight", outer_to_inner(8)),
    edit("depthwise", "depthwise kernel flipped", "depthwise.weight", lambda w: w[:, :, ::-1, ::-1]),
    code(
        "norm", "normalized by the batch's own statistics", r"x = self\.norm\(x\)", "x = self.norm.train()(x)"
    ),
    code("bounded", "no upper bound", r"torch\.clamp\(x, 0, 2\.0\)", "F.relu(x)"),
    code(
        "average",
        "padding counted in the mean",
        r"return total / pool\(pad_same\(inside, kernel, stride\), kernel, stride\)",
        "return total",
    ),
    code(
        "average",
        "pooling padded in front",
        r"\[total // 2, total - total // 2\]",
        "[total - total // 2, total // 2]",
    ),
    edit(
        "separable",
        "separable kernel's multiplier counted outside",
        "separable_depthwise.weight",
        outer_to_inner(16),
    ),
    edit(
        "separable",
        "pointwise kernel in another order",
        "separable_pointwise.weight",
        outer_to_inner(16, axis=1),
    ),
    code(
        "layernorm", "layer normalization with torch's epsilon", r"(LayerNorm\(6, eps=)0\.001", r"\g<1>1e-5"
    ),
    code(
        "layernorm",
        "normalized over rows instead of channels",
        r"self\.layernorm\(y\.permute\(0, 2, 3, 1\)\)",
        "self.layernorm(y.permute(0, 1, 3, 2)).permute(0, 3, 2, 1).contiguous().reshape(-1, 6, 5, 6)",
    ),
    code("elu", "ELU's own alpha", r"F\.elu\(y, 0\.7\)", "F.elu(y)"),
    code("dilated", "no dilation", r"padding=2, dilation=2", "padding=1"),
    code("nearest", "nearest without half pixels", r'mode="nearest-exact"', 'mode="nearest"'),
    code("nearest", "bilinear for nearest", r'mode="nearest-exact"', 'mode="bilinear"'),
    code("crop", "cropped on the other side", r"y\[:, :, 1:, :-1\]", "y[:, :, :-1, 1:]"),
    code("pad", "zeros on the other side", r"F\.pad\(y, \(2, 0, 0, 1\)\)", "F.pad(y, (0, 2, 1, 0))"),
    code(
        "pad",
        "padding shared out between both sides",
        r"F\.pad\(y, \(2, 0, 0, 1\)\)",
        "F.pad(y, (1, 1, 0, 1))",
    ),
    code("silu", "hard swish for swish", r"F\.silu\(y, ", "F.hardswish(y, "),
    code("strided", "stride lost its phase", r"y = self\.strided\(y\)", "y = self.strided(y.roll(1, 2))"),
    edit("dense", "flattened channels last", "dense.weight", steps_apart),
    code(
        "dense",
        "the bias added after the activation",
        r"F\.relu\(self\.dense\(y\)\)",
        "F.relu(y @ self.dense.weight.T) + self.dense.bias",
    ),
    code("peak", "mean for maximum over all places", r"x\.amax\(dim=\(2, 3\)\)", "x.mean(dim=(2, 3))"),
    code(
        "head",
        "log-softmax for softmax",
        r"torch\.softmax\(self\.head\(y\), dim=-1\)",
        "F.log_softmax(self.head(y), dim=-1)",
    ),
    unlearned("training", "norm.running_mean", "momentum read as decay", r"momentum=0\.2\)", "momentum=0.8)"),
    unlearned(
        "training", "norm.running_mean", "statistics never updated", r"momentum=0\.2\)", "momentum=0.0)"
    ),
    unlearned(
        "training",
        "norm.running_mean",
        "mean of all batches for a moving one",
        r"momentum=0\.2\)",
        "momentum=None)",
    ),
    unlearned(
        "training", "output-0", "batch statistics never used", r"self\.norm\(x\)", "self.norm.eval()(x)"
    ),
    unlearned("gradients", "input-0", "gradient cut", r"self\.depthwise\(x\)", "self.depthwise(x.detach())"),
]

SEQUENCES = [
    code("causal", "causal convolution that sees ahead", r"\(2, 0\)\)\)", "(1, 1)))"),
    code("causal", "causal padding behind", r"\(2, 0\)\)\)", "(0, 2)))"),
    code("layernorm", "Keras's usual epsilon", r"(LayerNorm\(8)\)", r"\g<1>, eps=1e-3)"),
    code(
        "attention",
        "causal mask ignored",
        r"self\.attention\(x, x, x, causal=True\)",
        "self.attention(x, x, x)",
    ),
    code(
        "attention",
        "scores divided by the width of all heads",
        r"q, k, v, attn_mask=bias",
        "q * 2**-0.5, k, v, attn_mask=bias",
    ),
    code(
        "attention", "scores not divided at all", r"q, k, v, attn_mask=bias", "q * 2.0, k, v, attn_mask=bias"
    ),
    code(
        "attention",
        "heads counted inside",
        r"y = y\.transpose\(1, 2\)\.flatten\(2\)",
        "y = y.permute(0, 2, 3, 1).flatten(2)",
    ),
    swap("attention", "queries and keys swapped", "attention.query.weight", "attention.key.weight"),
    swap("attention", "values and output swapped", "attention.value.weight", "attention.output.weight"),
    code("residual", "residual lost", r"x = x \+ y\n", "x = 0 * x + y\n"),
    edit("einsum", "einsum transposed", "einsum.weight", np.transpose),
    code(
        "gate",
        "hard sigmoid of the other generation",
        r"F\.hardsigmoid\(self\.gate\(x\)\)",
        "(0.2 * self.gate(x) + 0.5).clamp(0, 1)",
    ),
    Fault("after", "two biases merged into one", Tensors(merge_biases)),
    code(
        "after",
        "update gate keeps what it should let go",
        r"self\.after\(y\)",
        "self.after(-y)",
    ),
    code(
        "before",
        "reset after the weights instead of before",
        r"h_n = F\.linear\(self\.recurrent_activation\(x_r \+ F\.linear\(h, weight_r\)\) \* h, weight_n\)",
        "h_n = self.recurrent_activation(x_r + F.linear(h, weight_r)) * F.linear(h, weight_n)",
    ),
    code("before", "state and candidate exchanged", r"z \* h \+ \(1 - z\) \*", "(1 - z) * h + z *"),
    code("before", "mask dropped", r"self\.before\(y, mask=mask\)", "self.before(y)"),
    code(
        "simple",
        "ReLU for tanh in a recurrence",
        r"nn\.RNN\(6, 6, batch",
        'nn.RNN(6, 6, nonlinearity="relu", batch',
    ),
    edit("simple", "recurrent kernel transposed", "simple.weight_hh_l0", np.transpose),
    swap("simple", "kernel and recurrent kernel swapped", "simple.weight_ih_l0", "simple.weight_hh_l0"),
    code("both", "sum for product of the directions", r"both = both \* y\n", "both = both + y\n"),
    code(
        "dotted",
        "dot products divided by the root of the width",
        r"self\.scaled\(query @ key\.transpose\(-2, -1\)\)",
        "self.scaled(query @ key.transpose(-2, -1)) * query.shape[-1] ** -0.5",
    ),
    code(
        "dotted",
        "learned scale ignored",
        r"x if self\.scale is None else x \* self\.scale",
        "x",
    ),
    code(
        "encoder",
        "go_backwards ignored",
        r"reverse_valid\(z, mask_2\)",
        "z",
    ),
    code("decoder", "forget and input gate exchanged", r"i, f, g, o = \(inputs", "f, i, g, o = (inputs"),
    code("decoder", "cell state of other gates handed over", r"i, f, g, _ = gates", "f, i, g, _ = gates"),
    code("masking", "masked steps not set to zero", r"series \* mask_2\[\.\.\., None\]", "series * 1.0"),
    code(
        "masking", "a step masked by any of its numbers", r"\(series != -1\.0\)\.any", "(series != -1.0).all"
    ),
    code(
        "average",
        "mean over masked steps too",
        r"both = \(both \* y\)\.sum\(dim=1\) / y\.sum\(dim=1\)",
        "both = both.mean(dim=1)",
    ),
    code("average", "divided by all steps", r"/ y\.sum\(dim=1\)", "/ y.shape[1]"),
    code("decoder", "initial states exchanged", r"\(h\[None\], c\[None\]\)", "(c[None], h[None])"),
    code(
        "decoder",
        "initial states ignored",
        r"self\.decoder\(x, \(h\[None\], c\[None\]\)\)",
        "self.decoder(x)",
    ),
    code("decoder", "smooth for hard sigmoid in the gates", r", recurrent_activation=F\.hardsigmoid", ""),
    code("join", "branches joined in another order", r"torch\.cat\(\[both, x, h\]", "torch.cat([both, h, x]"),
]

VECTORS = [
    code(
        "shared",
        "shared layer duplicated, its copy not shared",
        r"y = self\.shared\(right\)",
        "y = right @ self.shared.weight + self.shared.bias",
    ),
    code("shared", "second call of the shared layer left out", r"y = self\.shared\(right\)", "y = right * 1"),
    code(
        "hard_sigmoid",
        "hard sigmoid of Keras 3",
        r"torch\.clamp\(0\.2 \* x \+ 0\.5, 0, 1\)",
        "F.hardsigmoid(x)",
    ),
    code(
        "threshold",
        "threshold also for the replacement",
        r"F\.threshold\(y, ([\d.]+), 0\.0\)",
        r"F.threshold(y, \1, \1)",
    ),
    code("threshold", "threshold subtracted", r"F\.threshold\(y, ([\d.]+), 0\.0\)", r"F.relu(y - \1)"),
    edit(
        "local",
        "one kernel for all places",
        "local.weight",
        lambda w: np.repeat(w[:, :1], w.shape[1], axis=1),
    ),
    edit("local", "places in reverse", "local.weight", lambda w: w[:, ::-1]),
    code(
        "softplus",
        "softplus cut off early",
        r"F\.softplus\(x, threshold=\d+\)",
        "F.softplus(x, threshold=0.5)",
    ),
    code("selu", "ELU for SELU", r"F\.selu\(y\)", "F.elu(y)"),
    code("minus", "subtracted the other way", r"z = x - y\.transpose\(1, 2\)", "z = y.transpose(1, 2) - x"),
    code("larger", "minimum for maximum", r"torch\.maximum\(x, z\)", "torch.minimum(x, z)"),
    code("larger", "sum for maximum", r"torch\.maximum\(x, z\)", "x + z"),
    code(
        "dot",
        "not normalized",
        r"x \* torch\.rsqrt\(torch\.clamp\(\(x \*\* 2\)\.sum\(dim=2, keepdim=True\), min=1e-12\)\)",
        "x",
    ),
    code("dot", "wrong axes contracted", r'"nak, ndk -> nad"', '"nak, ndk -> nda"'),
    code("softmax", "softmax over the last axis", r"torch\.softmax\(x, dim=1\)", "torch.softmax(x, dim=2)"),
    code("permute", "axes not permuted", r"z = z\.transpose\(1, 2\)  # \(4, 6\)", "z = z.reshape(-1, 4, 6)"),
    code(
        "reshape",
        "reshaped in column order",
        r"z\.reshape\(-1, 3, 8\)",
        "z.reshape(-1, 8, 3).transpose(1, 2)",
    ),
    code(
        "unit",
        "length taken along the last axis",
        r"F\.normalize\(z, dim=1, eps=1e-6\)",
        "F.normalize(z, dim=2)",
    ),
    code(
        "unit",
        "scaled to a sum of one",
        r"F\.normalize\(z, dim=1, eps=1e-6\)",
        "F.normalize(z, p=1.0, dim=1)",
    ),
    code("mean", "sum for mean", r"x = \(x \+ z\) / 2", "x = x + z"),
    code("bins", "boundary belongs to the lower bin", r"right=True", "right=False"),
    code(
        "bins",
        "bins counted from one",
        r"self\.boundaries, right=True\)",
        "self.boundaries, right=True).clamp(min=1)",
    ),
    code("codes", "multi-hot for count", r"one_hot\(kind, 5\)\.sum\(1\)", "one_hot(kind, 5).any(1)"),
    code(
        "codes",
        "one-hot of the first only",
        r"one_hot\(kind, 5\)\.sum\(1\)",
        "one_hot(kind[:, :1], 5).sum(1)",
    ),
    code(
        "repeat",
        "repeated element by element",
        r"y\.unsqueeze\(1\)\.expand\(-1, 3, -1\)",
        "y.repeat_interleave(3, dim=1).reshape(-1, 3, 5)",
    ),
    code("tanh", "sigmoid for tanh", r"torch\.tanh\(y\)", "torch.sigmoid(y)"),
    code("softsign", "tanh for softsign", r"F\.softsign\(x\)", "torch.tanh(x)"),
    code(
        "join",
        "joined along another order of features",
        r"torch\.cat\(\[x, y, bins\], dim=1\)",
        "torch.cat([x, bins, y], dim=1)",
    ),
    edit("binned", "bins looked up in reverse", "binned.weight", lambda w: w[::-1]),
    edit("wide", "equal-shaped kernels transposed in blocks", "wide.weight", outer_to_inner(3)),
    code(
        "head",
        "softmax for sigmoid",
        r"torch\.sigmoid\(self\.head\(x\)\)",
        "torch.softmax(self.head(x), dim=-1)",
    ),
]

FAULTS: Mapping[str, Sequence[Fault]] = {
    "menagerie": MENAGERIE,
    "pictures": PICTURES,
    "sequences": SEQUENCES,
    "vectors": VECTORS,
}

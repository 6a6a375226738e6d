"""How Keras and PyTorch store each kind of weight, in words, for those kinds that a model has.

Kinds are told apart by what a manifest says of a weight: the class of its Keras layer, its names on both sides, its
shape, and what was done to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_GATES = {4: "LSTM", 3: "GRU", 1: "SimpleRNN"}


@dataclass(frozen=True)
class _Entry:
    """One row of the weight map: `role` and `name` are the last steps of its name in Keras and in PyTorch."""

    layer: str
    role: str
    name: str
    shape: tuple[int, ...]
    transform: str

    def is_recurrent(self, cell: str) -> bool:
        """Whether it is of a recurrence of `nn`: the class of the layer says which, or the number of gates."""
        if not re.match(r"(weight|bias)_[ih]h_l0", self.name):
            return False
        gates = self.shape[0] / self.shape[1] if self.name.startswith("weight_hh") else 0
        return cell in self.layer or _GATES.get(int(gates)) == cell


@dataclass(frozen=True)
class _Kind:
    text: str
    has: Callable[[_Entry], bool]


_KINDS = (
    _Kind(
        "**Dense.** Keras multiplies inputs by a kernel (inputs, outputs), `nn.Linear` by the transpose of its "
        "weight (outputs, inputs).",
        lambda e: e.role == "kernel" and e.transform.startswith("transpose(1, 0)") and e.name == "weight",
    ),
    _Kind(
        "**Dense behind Flatten.** Keras flattens images with their channels last, the module here with their "
        "channels first. Rather than permuting images when the model runs, the columns of the weight were put in "
        "the other order: `features` says which.",
        lambda e: "features (" in e.transform,
    ),
    _Kind(
        "**Convolutions.** Keras keeps kernels as (height, width, inputs, outputs), PyTorch as (outputs, inputs, "
        "height, width); with one or three axes of space likewise. With groups, inputs are those of one group, on"
        " both sides.",
        lambda e: e.role in ("kernel", "pointwise_kernel") and e.name == "weight" and len(e.shape) > 2
        and e.transform.startswith("transpose(") and "Transpose" not in e.layer,
    ),
    _Kind(
        "**Depthwise convolutions.** Keras keeps (height, width, inputs, multiplier). PyTorch has a convolution "
        "with a group for each input, and so a weight (inputs * multiplier, 1, height, width): the results of one"
        " input stand side by side.",
        lambda e: e.role == "depthwise_kernel",
    ),
    _Kind(
        "**Transposed convolutions.** Keras keeps (height, width, outputs, inputs), PyTorch (inputs, outputs, "
        "height, width). Neither turns the kernel round.",
        lambda e: "Transpose" in e.layer and e.role == "kernel",
    ),
    _Kind(
        "**LSTM.** Both keep the gates one after the other, in the order input, forget, cell, output: Keras as "
        "columns, (inputs, 4 units), PyTorch as rows, (4 units, inputs). Keras has one bias, PyTorch adds two: "
        "the second is zero.",
        lambda e: e.is_recurrent("LSTM"),
    ),
    _Kind(
        "**GRU.** Keras keeps the gates in the order update, reset, new, PyTorch in the order reset, update, new;"
        " Keras as columns, PyTorch as rows. `reset_after` of Keras is what PyTorch computes, with a bias of the "
        "inputs and one of the state: the two rows of Keras's.",
        lambda e: e.is_recurrent("GRU"),
    ),
    _Kind(
        "**Simple recurrence.** Kernels are transposed as those of Dense layers. Keras has one bias, PyTorch adds"
        " two: the second is zero.",
        lambda e: e.is_recurrent("SimpleRNN"),
    ),
    _Kind(
        "**Batch normalization.** gamma and beta of Keras are weight and bias, moving_mean and moving_variance "
        "are running_mean and running_var, number for number. Keras keeps momentum times the old statistics, "
        "PyTorch one minus that. `num_batches_tracked` is PyTorch's own.",
        lambda e: e.name == "running_mean",
    ),
    _Kind(
        "**Fused batch normalization.** The weights before it were multiplied by gamma / sqrt(moving_variance + "
        "epsilon), output by output, and the bias was shifted, both in float64: the normalization is no longer a "
        "layer.",
        lambda e: "times gamma / sqrt" in e.transform or "times 1 / sqrt" in e.transform,
    ),
    _Kind(
        "**Other normalizations.** gamma of Keras is the weight, beta the bias, number for number.",
        lambda e: e.role in ("gamma", "scale") and "Normalization" in e.layer and "Batch" not in e.layer,
    ),
    _Kind(
        "**Embeddings** are stored alike, a row for each id.",
        lambda e: e.role == "embeddings",
    ),
    _Kind(
        "**Attention.** Keras keeps the projections of query, key and value with an axis for the heads, "
        "(features, heads, size), PyTorch as matrices (heads * size, features), head after head; "
        "`nn.MultiheadAttention` keeps the three one below the other. The projection of the output is (heads, "
        "size, features) in Keras and (features, heads * size) in PyTorch.",
        lambda e: "Attention" in e.layer and e.role == "kernel",
    ),
    _Kind(
        "**Locally connected layers.** Keras keeps weights for every position; here they stand by output and by "
        "place in its window.",
        lambda e: "LocallyConnected" in e.layer and e.role == "kernel",
    ),
    _Kind(
        "**What Keras does not have** stands as `(none)`: constants where PyTorch wants a tensor and Keras has "
        "none.",
        lambda e: not e.role and e.name != "num_batches_tracked",
    ),
)  # fmt: skip


def explanations(manifest: Mapping[str, Any]) -> list[str]:
    """A paragraph in Markdown on each kind of weight that the model has, none of its names in them."""
    classes = {layer["keras_name"]: layer["keras_class"] for layer in manifest["layers"]}
    entries = {_entry(weight, classes) for weight in manifest["weights"]}
    return [kind.text for kind in _KINDS if any(map(kind.has, entries))]


def _entry(weight: Mapping[str, Any], classes: Mapping[str, str]) -> _Entry:
    path, _, role = (weight["keras"] or [""])[0].rpartition("/")
    # A layer's own name, or its path and what stands in it.
    while path and path not in classes:
        path = path.rpartition("/")[0]
    layer = classes.get(path, "")
    name = weight["torch"].rpartition(".")[2]
    return _Entry(layer, role, name, tuple(weight["shape"]), weight["transform"])

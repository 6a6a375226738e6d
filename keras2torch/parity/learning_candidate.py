"""What the bundle computes while it learns: a step in training mode, and gradients. Float64, on the CPU."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from keras2torch.parity.arrays import RATE, ArrayWriter, direction, output_key
from keras2torch.parity.candidate import MODULE_NAME, case_inputs, flatten, in_keras_axes, make_repeatable
from keras2torch.parity.instrument import load_instrumented


def run_learning_candidate(payload: Mapping[str, Any]) -> dict[str, str | None]:
    """Compute what `payload` asks for ("training", "gradients") on its `case`.

    Writes `learning/<which>-actual.npz` to its `workdir`: outputs and gradients of inputs in Keras's axes; of the
    module's tensors, by their names in the state dict, the new values or the gradients. Returns for each why the module
    cannot, or None.
    """
    workdir, bundle = Path(payload["workdir"]), Path(payload["bundle"])
    make_repeatable()
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    module = load_instrumented(bundle / "model.py", MODULE_NAME, lambda _module, _line, value: value)
    inputs = case_inputs(workdir / "cases" / f"{payload['case']}.npz", manifest["inputs"], "float64", "cpu")
    answers: dict[str, str | None] = {}
    for which, function in (("gradients", _gradients), ("training", partial(_train, workdir))):
        if payload[which]:
            model = module.load_model(dtype=torch.float64)
            with ArrayWriter(workdir / "learning" / f"{which}-actual.npz") as writer:
                answers[which] = function(model, manifest, inputs, writer)
    return answers


def _gradients(
    model: nn.Module, manifest: Mapping[str, Any], inputs: Sequence[torch.Tensor], writer: ArrayWriter
) -> None:
    """Write the gradients of the combination of all outputs that the reference takes."""
    model.requires_grad_(True)  # of what is frozen too: it shows as much of the model
    leaves = [tensor.clone().requires_grad_(tensor.is_floating_point()) for tensor in inputs]
    total = _combined(flatten(model(*leaves)), manifest)
    if total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]  # torch's own
    for number, leaf in enumerate(leaves):
        if leaf.requires_grad:
            gradient = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
            writer.write(f"input-{number}", in_keras_axes(gradient, manifest["inputs"][number]["axes"]))
    for name, parameter in model.named_parameters(remove_duplicate=False):
        gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        writer.write(f"weight-{name}", gradient.numpy())


def _inverse(axes: Sequence[int]) -> list[int]:
    return [axes.index(axis) for axis in range(len(axes))]


def _combined(outputs: Sequence[torch.Tensor], manifest: Mapping[str, Any]) -> torch.Tensor:
    """The combination of all outputs that the reference differentiates."""
    total = torch.zeros((), dtype=torch.float64)
    for number, output in enumerate(outputs):
        if output.is_floating_point() and number < len(manifest["outputs"]):
            axes = manifest["outputs"][number]["axes"]
            ours = output if axes is None else output.permute(*_inverse(axes))
            total = total + (ours * torch.from_numpy(direction(number, ours.shape))).sum()
    return total


def _train(
    workdir: Path,
    model: nn.Module,
    manifest: Mapping[str, Any],
    inputs: Sequence[torch.Tensor],
    writer: ArrayWriter,
) -> str | None:
    """Take the reference's step: torch's own SGD on what the module says is to be trained, nothing random.

    Writes the outputs before the step, and every weight and statistic after it.
    """
    expected = workdir / "learning" / "training-expected.npz"
    with np.load(expected) as theirs:
        if RATE not in theirs:
            return None
        rate = float(theirs[RATE])
    for module in model.modules():
        if hasattr(module, "running_mean"):
            module.train()
            module.register_forward_pre_hook(_remember)
            module.register_forward_hook(_as_keras_counts)
    try:
        outputs = flatten(model(*inputs))
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        return "PyTorch wants more than one number for each statistic"
    for number, output in enumerate(outputs):
        axes = manifest["outputs"][number]["axes"] if number < len(manifest["outputs"]) else None
        writer.write(output_key(number), in_keras_axes(output.detach(), axes))
    total = _combined(outputs, manifest)
    if total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]  # torch's own
        torch.optim.SGD(model.parameters(), rate).step()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            writer.write(f"weight-{name}", tensor.numpy())
    return None


def _remember(module: Any, _inputs: Any) -> None:
    module.variance_before = module.running_var.clone()


def _as_keras_counts(module: Any, inputs: Any, _output: Any) -> None:
    """PyTorch adds the variance of the batch multiplied by n / (n - 1), Keras as it is. Everything else of a step is
    torch's own: its momentum, and what it takes the mean of. What is frozen stays as it was; what knows of masks counts
    as Keras does.
    """
    counts_otherwise = isinstance(module, _BatchNorm)
    if not counts_otherwise or torch.equal(module.running_var, module.variance_before):
        return
    (x,) = inputs
    n = x.numel() // x.shape[1]
    # Without a momentum, torch takes the mean of all batches.
    share = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
    kept = module.variance_before * (1 - share)
    # Of no concern to the gradients, which in training mode come from the statistics of the batch.
    module.running_var.data.copy_(kept + (module.running_var - kept) * (n - 1) / n)

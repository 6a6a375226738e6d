"""What Keras computes while it learns: a step in training mode, and gradients. Float64 only; run confined."""

import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import floor, log2
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.arrays import RATE, Array, ArrayWriter, direction, output_key
from keras2torch.parity.float64 import exact_float64, groups_apart
from keras2torch.parity.library import Library
from keras2torch.parity.reference import (
    adding_by_broadcasting,
    build_model,
    case_inputs,
    input_order,
    layers_by_path,
)

LARGEST_STEP = 0.125


def run_learning_reference(payload: Mapping[str, Any]) -> dict[str, str | None]:
    """Compute what `payload` asks for ("training", "gradients") on its `case`, after the reference has run.

    Writes `learning/<which>-expected.npz` to its `workdir`: outputs, gradients of inputs by number, and of stored
    weights, by the plan's name for them, the new values or the gradients. Returns for each why Keras cannot, or None.
    """
    workdir, case = Path(payload["workdir"]), payload["case"]
    job = json.loads((workdir / "plan.json").read_text(encoding="utf-8"))
    library = Library.load(job["library"])
    (workdir / "learning").mkdir(exist_ok=True)
    answers: dict[str, str | None] = {}
    with exact_float64(library.tf), adding_by_broadcasting(library):
        model = build_model(library, job, "float64", workdir / "weights.npz")
        with np.load(workdir / "weights.npz") as arrays:
            variables = _stored_variables(library, model, job, arrays)
        inputs = case_inputs(library, model, job["inputs"], workdir / "cases" / f"{case}.npz", "float64")
        # Gradients first: training changes the statistics.
        for which, function in (("gradients", _gradients), ("training", _train)):
            if payload[which]:
                with ArrayWriter(workdir / "learning" / f"{which}-expected.npz") as writer:
                    answers[which] = function(library, model, job, inputs, variables, writer)
    return answers


def _stored_variables(
    library: Library, model: Any, job: Mapping[str, Any], arrays: Mapping[str, Array]
) -> dict[str, Any]:
    """The variable of each stored weight, without those that Keras made of other numbers than are stored."""
    return {
        name: variable
        for path, layer in layers_by_path(library, model, within=job.get("each_layer", False))
        for name, variable in zip(
            job["weights"].get(path, ()),
            [*layer.trainable_weights, *layer.non_trainable_weights],
            strict=False,
        )
        if np.array_equal(np.asarray(variable), arrays[name].astype(np.float64))
    }


def _gradients(
    library: Library,
    model: Any,
    job: Mapping[str, Any],
    inputs: Any,
    variables: Mapping[str, Any],
    writer: ArrayWriter,
) -> str | None:
    """Write the gradients of a fixed random combination of all outputs."""
    tf = library.tf
    tensors = tf.nest.map_structure(tf.constant, inputs)
    keys = [f"input-{number}" for number in input_order(model, job["inputs"])]
    sources: dict[str, Any] = dict(zip(keys, tf.nest.flatten(tensors), strict=True))
    sources |= {
        f"weight-{name}": getattr(variable, "value", variable) for name, variable in variables.items()
    }
    # A method in tf_keras, a property in Keras 3.
    sources = {key: variables[key[7:]] if callable(each) else each for key, each in sources.items()}
    sources = {key: each for key, each in sources.items() if each.dtype.is_floating}
    with groups_apart(tf), tf.GradientTape() as tape:
        for source in sources.values():
            tape.watch(source)
        total = combined(tf, library.tensors(model(tensors, training=False)))
    try:
        gradients = tape.gradient(total, sources)
    except (LookupError, tf.errors.OpError) as error:
        return f"TensorFlow has no gradient here: {str(error).splitlines()[0]}"
    for key, gradient in gradients.items():
        if gradient is not None:
            writer.write(key, np.asarray(tf.convert_to_tensor(gradient)))
    return None


def combined(tf: Any, outputs: Sequence[Any]) -> Any:
    """What is differentiated: a fixed random combination of all outputs."""
    parts = [
        tf.reduce_sum(output * direction(number, output.shape))
        for number, output in enumerate(outputs)
        if output.dtype.is_floating
    ]
    return tf.add_n(parts or [tf.constant(0.0, tf.float64)])


def _train(
    library: Library,
    model: Any,
    _job: Mapping[str, Any],
    inputs: Any,
    variables: Mapping[str, Any],
    writer: ArrayWriter,
) -> str | None:
    """Take one step of Keras's own SGD, with the statistics of the batch and with all that is random left out.

    Writes the outputs before the step, every weight and statistic after it, and the learning rate.
    """
    tf = library.tf
    norms = [
        layer
        for layer in library.layers_of(model)
        if isinstance(layer, library.keras.layers.BatchNormalization)
    ]
    why = _otherwise_on_purpose(library, model, norms)
    if why:
        return why
    calls: Counter[int] = Counter()
    for layer in norms:
        # A frozen one uses its old statistics all the same.
        layer.call = _in_training(layer.call, calls, id(layer))
        if library.name == "tf_keras":
            # Turned into a tensor by Keras, it would become float32.
            layer.momentum = tf.constant(layer.momentum, tf.float64)
    with groups_apart(tf), tf.GradientTape() as tape:
        outputs = library.tensors(model(tf.nest.map_structure(tf.constant, inputs), training=False))
        total = combined(tf, outputs)
    for number, output in enumerate(outputs):
        writer.write(output_key(number), np.asarray(output))
    trained = model.trainable_variables
    try:
        own = [each.value if library.name == "keras" else each for each in trained]
        gradients = tape.gradient(total, own)
    except (LookupError, tf.errors.OpError) as error:
        return f"TensorFlow has no gradient here: {str(error).splitlines()[0]}"
    moved = [
        (tf.convert_to_tensor(gradient), each)
        for gradient, each in zip(gradients, trained, strict=True)
        if gradient is not None
    ]
    rate = _rate([(np.asarray(gradient), np.asarray(each)) for gradient, each in moved])
    if moved:
        library.keras.optimizers.SGD(rate).apply_gradients(moved)
    writer.write(RATE, np.array(rate))
    # After several calls, statistics depend on which came last, and that may be either where branches share a layer.
    by_chance = {
        id(each)
        for layer in norms
        if calls[id(layer)] > 1
        for each in (layer.moving_mean, layer.moving_variance)
    }
    for name, variable in variables.items():
        if id(variable) not in by_chance:
            writer.write(f"weight-{name}", np.asarray(variable))
    return None


def _otherwise_on_purpose(library: Library, model: Any, norms: Sequence[Any]) -> str | None:
    """Why Keras trains otherwise than the emitted module means to; a conversion warns of each."""
    if any(getattr(layer, "renorm", False) for layer in norms):
        return "batch renormalization has no counterpart in PyTorch"
    if any(getattr(layer, "virtual_batch_size", None) for layer in norms):
        return "Keras takes the statistics of parts of the batch (virtual_batch_size), PyTorch of all of it"
    wrappers = [
        layer
        for layer in library.layers_of(model)
        if library.name == "keras" and isinstance(layer, library.keras.layers.TimeDistributed)
    ]
    normalized = {id(layer) for layer in norms}
    if any(id(layer) in normalized for wrapper in wrappers for layer in wrapper._flatten_layers()):
        return "Keras 3 normalises each step in a TimeDistributed by its own statistics, PyTorch all steps by the same"
    return None


def _rate(moved: Sequence[tuple[Array, Array]]) -> float:
    """A learning rate at which the weights that move furthest move by a tenth of their scale or so.

    A power of two, which no type rounds.
    """
    steps = [
        np.abs(gradient).max() / np.abs(weight).max()
        for gradient, weight in moved
        if weight.size and np.abs(weight).max() > 0
    ]
    furthest = float(max(steps, default=1.0)) or 1.0
    return 2.0 ** floor(log2(LARGEST_STEP / furthest))


def _in_training(original: Callable[..., Any], calls: Counter[int], key: int) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        calls[key] += 1
        return original(*args, **{**kwargs, "training": True})

    vars(call)["__signature__"] = inspect.signature(original)
    return call

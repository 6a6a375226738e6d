"""What Keras itself computes; run confined, in a process of its own.

It receives no model file but a canonical configuration, made by us of allow-listed classes, and arrays. Keras
then reads the wiring, the node indices and the order of the weights a second time, independently of our own
reading.

`tf_keras` builds what was written before Keras 3, `keras` the rest; one process must not import both.
"""

import importlib
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.applications import application_classes
from keras2torch.parity.arrays import Array, ArrayWriter, output_key
from keras2torch.parity.canonical import (
    with_attention_shapes,
    with_channels_last,
    with_ellipsis,
    with_float_type,
    with_modules,
)
from keras2torch.parity.channels_first import channels_first_class
from keras2torch.parity.float64 import exact_float64
from keras2torch.parity.given import give, given_class
from keras2torch.parity.library import KerasError, Library
from keras2torch.parity.recorder import Recorder
from keras2torch.parity.stand_ins import stand_in_classes
from keras2torch.sandbox import progress

_DEEPEST_CALLS = 50_000
LONG_LOOP = 50
"""Steps from which on compiling a recurrence (some 0.3 s, twice) costs less than it saves (2 ms a step and case)."""


def run_reference(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Build the model of `plan.json` in float64 and in float32, and run every case.

    `payload`: `workdir`, which holds `plan.json` (see `prepare`), `weights.npz` and `cases/<name>.npz`.
    Writes `expected64/<name>.npz` and `expected32/<name>.npz` there; layer outputs are in the former only. Where the
    bundle's weights are rounded, these have the rounded ones; `unrounded64/<name>.npz` is from those of the file.
    Returns versions, the seconds it took to load the model in float32, and, per case, the layer outputs recorded in
    order of execution, or why Keras refuses the case where it may.
    """
    workdir = Path(payload["workdir"])
    # tf_keras follows a graph by recursion, and a ResNetRS270 has more layers than Python allows calls.
    sys.setrecursionlimit(_DEEPEST_CALLS)
    job = json.loads((workdir / "plan.json").read_text(encoding="utf-8"))
    library = Library.load(job["library"])
    cases: dict[str, dict[str, Any]] = {case["name"]: {"traces": [], "logits": []} for case in job["cases"]}
    if job["given"]:
        given = json.loads((workdir / "given.json").read_text(encoding="utf-8"))
        for name, why in given["refused"].items():
            cases[name]["refused"] = why
    load_s = 0.0
    with exact_float64(library.tf), adding_by_broadcasting(library):
        for floats in ("float64", "float32"):
            started = time.monotonic()
            model = build_model(library, job, floats, workdir / "weights.npz")
            load_s = time.monotonic() - started
            _run_cases(library, model, job, floats, workdir, cases, f"expected{floats[-2:]}")
        if job["rounded_to"]:
            model = build_model(library, job, "float64", workdir / "unrounded.npz")
            _run_cases(library, model, job, "float64", workdir, cases, "unrounded64")
    return {"library": library.name, "versions": library.versions, "cases": cases, "load_s": load_s}


def _run_cases(
    library: Library,
    model: Any,
    job: Mapping[str, Any],
    floats: str,
    workdir: Path,
    answers: dict[str, dict[str, Any]],
    run: str,
) -> None:
    """Run the model in one precision into the folder `run`, layer outputs with "expected64" only; adds to `answers`,
    and takes cases out that turn out not to be needed.
    """
    folder = workdir / run
    folder.mkdir(exist_ok=True)
    recorder = Recorder(library, model)
    for number, case in enumerate(job["cases"]):
        name = case["name"]
        answer = answers.get(name, {"refused": "not needed"})
        needed = "outputs" in answer or not any("outputs" in each for each in answers.values())
        if case["last_resort"] and not needed:
            answers.pop(name, None)
            continue
        if "refused" in answer:
            continue
        done = (floats == "float32") / 2 + number / len(job["cases"]) / 2
        progress(step="reference", floats=floats, case=name, share=done)
        budget = case["trace_bytes"] if run == "expected64" else 0
        try:
            give(library, model, workdir / f"given{floats[-2:]}" / f"{name}.npz")
            inputs = case_inputs(library, model, job["inputs"], workdir / "cases" / f"{name}.npz", floats)
            _begin_anew(library, model, inputs)
            with ArrayWriter(folder / f"{name}.npz") as writer:
                with recorder.recording(writer, budget) as traces:
                    outputs = library.tensors(model(inputs, training=False))
                for place, output in enumerate(outputs):
                    writer.write(output_key(place), np.asarray(output))
        except (library.tf.errors.OpError, ValueError, TypeError) as error:
            if not case["may_be_refused"]:
                raise KerasError(f"case {name}: {error}") from error
            answer["refused"] = str(error).splitlines()[0]
            continue
        answer["traces"] += traces.layers
        answer["logits"] += traces.logits
        answer["outputs"] = len(outputs)


def _begin_anew(library: Library, model: Any, inputs: Any) -> None:
    """Make every case start alike where layers keep states: in those that the same inputs leave behind.

    What is compared is then the second call, which shows that states are kept, and how they start.
    """
    stateful = [layer for layer in library.layers_of(model) if getattr(layer, "stateful", False)]
    for layer in stateful:
        # A wrapper's layers are among them; Keras 3 cannot reset the states of stacked cells itself.
        for state in library.tensors(getattr(layer, "states", None)):
            state.assign(library.tf.zeros_like(state))
    if stateful:
        model(inputs, training=False)


def build_model(library: Library, job: Mapping[str, Any], floats: str, weights: Path) -> Any:
    """The model of the plan `job` in the precision `floats`, with the arrays of the file `weights`."""
    library.keras.backend.clear_session()
    library.keras.backend.set_floatx(floats)
    library.keras.utils.set_random_seed(0)
    config = with_channels_last(with_float_type(job["model"], floats))
    classes = {
        "ChannelsFirst": channels_first_class(library),
        "Given": given_class(library),
        **application_classes(library.name),
        **stand_in_classes(library),
    }
    if library.name == "keras":
        config = with_modules(config, classes.keys())
    else:
        config = with_attention_shapes(with_ellipsis(config))
        # The one layer that tf_keras leaves out of those it knows by name.
        classes["SpectralNormalization"] = library.keras.layers.SpectralNormalization
    kind = library.keras.Sequential if config["class_name"] == "Sequential" else library.keras.Model
    # A scope and not an argument: what is wrapped must be found too.
    with library.keras.utils.custom_object_scope(classes), _built_for_inference(library):
        model = kind.from_config(config["config"])
    if not model.built:
        model.build([None, *job["inputs"][0]["shape"][1:]])
    with np.load(weights) as arrays:
        _set_weights(library, model, job, arrays)
    _compile_long_loops(library, model)
    _call_stand_ins(library, model)
    for layer in library.layers_of(model):
        # Two constants that this layer has in float32 unless told otherwise.
        if type(layer).__name__ == "MelSpectrogram":
            layer.linear_to_mel_weight_matrix = partial(layer.linear_to_mel_weight_matrix, dtype=floats)
            layer.ref_power = library.tf.constant(layer.ref_power, floats)
    return model


def _built_for_inference(library: Library) -> AbstractContextManager[None]:
    """tf_keras builds a graph as if it trained, and augmentation then mixes float32 numbers of its own into float64."""
    if library.name == "keras":
        return nullcontext()
    backend = importlib.import_module("tf_keras.src.backend")
    scope: AbstractContextManager[None] = backend.deprecated_internal_learning_phase_scope(0)
    return scope


@contextmanager
def adding_by_broadcasting(library: Library) -> Iterator[None]:
    """Keras 3 takes a summand with one long axis for a bias, and adds it where its length fits: in a batch of one,
    or of as many samples as there are channels, that is another axis than in a batch of any other size.
    """
    if library.name != "keras":
        yield
        return
    numpy: Any = importlib.import_module("keras.src.backend.tensorflow.numpy")
    original = numpy.add

    def add(x1: Any, x2: Any) -> Any:
        ranks = [len(getattr(x, "shape", ())) for x in (x1, x2)]
        return (
            library.tf.add(x1, x2) if ranks[0] >= ranks[1] > 1 and x1.dtype == x2.dtype else original(x1, x2)
        )

    numpy.add = add
    try:
        yield
    finally:
        numpy.add = original


def _set_weights(library: Library, model: Any, job: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Give each layer its arrays in stored order: trainable weights, then the others, as Keras's loader does.

    Layers are the top-level ones, or with the plan's `each_layer` every single one, by path.
    """
    stored: dict[str, list[str]] = {layer: names for layer, names in job["weights"].items() if names}
    for path, layer in layers_by_path(library, model, within=job.get("each_layer", False)):
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        values: Sequence[Array] = [arrays[name] for name in stored.pop(path, [])]
        if library.name == "tf_keras" and values:
            loader = importlib.import_module("tf_keras.src.saving.legacy.hdf5_format")
            values = loader.preprocess_weights_for_loading(
                layer, values, job["keras_version"], job["backend"]
            )
        if len(values) != len(variables):
            raise KerasError(f"{layer.name}: Keras has {len(variables)} weights, the file {len(values)}")
        for variable, value in zip(variables, values, strict=True):
            if tuple(variable.shape) != value.shape:
                raise KerasError(
                    f"{layer.name}: {variable.name} is {tuple(variable.shape)} in Keras, {value.shape} in the file"
                )
            # Cast by TensorFlow: numpy would hold one more copy, and the largest kernels are half a model.
            variable.assign(library.tf.cast(library.tf.constant(value), variable.dtype))
    if stored:
        raise KerasError(f"weights for layers that Keras does not have: {', '.join(stored)}")
    for layer in library.layers_of(model):
        if hasattr(layer, "finalize_state") and getattr(layer, "built", True):
            layer.finalize_state()


def _call_stand_ins(library: Library, model: Any) -> None:
    """Have layers of a single TensorFlow symbol call what stands there now, see `float64`."""
    for layer in library.layers_of(model):
        symbol, node = getattr(layer, "symbol", None), getattr(layer, "node_def", None)
        if symbol:
            layer.function = reduce(getattr, symbol.split("."), library.tf)
        elif node is not None and node.op == "ResizeBilinear":
            layer.call = _resize_bilinear_of(library, layer)


def _resize_bilinear_of(library: Library, layer: Any) -> Callable[[Any], Any]:
    """The one kernel that yields float32 whatever it is given, as a function instead of a node."""
    operations = importlib.import_module("tensorflow.python.ops.gen_image_ops")
    attributes = {
        name: layer.node_def.attr[name].b
        for name in ("align_corners", "half_pixel_centers")
        if name in layer.node_def.attr
    }

    def call(inputs: Any) -> Any:
        images, *size = library.tf.nest.flatten(inputs)
        return operations.resize_bilinear(images, (size or [layer.constants[1]])[0], **attributes)

    return call


def layers_by_path(
    library: Library, model: Any, *, within: bool, prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """The layers of `model`; those of nested models, `within`, instead of the models."""
    for layer in model.layers:
        if within and isinstance(layer, library.keras.Model):
            yield from layers_by_path(library, layer, within=True, prefix=f"{prefix}{layer.name}/")
        else:
            yield prefix + layer.name, layer


def _compile_long_loops(library: Library, model: Any) -> None:
    """Have long recurrences run as one graph each; step by step from Python, thousands of steps take minutes."""
    for layer in library.layers_of(model):
        if isinstance(layer, library.keras.layers.RNN):
            layer.call = _compiled_if_long(
                layer.call, library.tf.function(layer.call, autograph=False, reduce_retracing=True)
            )


def _compiled_if_long(eager: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    def call(sequences: Any, *args: Any, **kwargs: Any) -> Any:
        long = sequences.shape[1] is not None and sequences.shape[1] >= LONG_LOOP
        return (compiled if long else eager)(sequences, *args, **kwargs)

    # A TimeDistributed looks here whether the layer takes a mask.
    vars(call)["__signature__"] = inspect.signature(eager)
    return call


def case_inputs(
    library: Library, model: Any, specs: Sequence[Mapping[str, Any]], path: Path, floats: str
) -> Any:
    """The case's arrays as this model wants them: by input name, cast where they are floating point."""
    with np.load(path) as arrays:
        values = [arrays[str(number)] for number in input_order(model, specs)]
    ordered = [value.astype(floats) if np.issubdtype(value.dtype, np.floating) else value for value in values]
    structure = getattr(model, "_inputs_struct", None)
    if structure is not None:
        # Keras 3 takes inputs by name only if the model was made so.
        return library.keras.tree.pack_sequence_as(structure, ordered)
    return ordered[0] if len(ordered) == 1 else ordered


def input_order(model: Any, specs: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    """Where each input of the model, in its own order, stands among `specs`."""
    given = [spec["name"] for spec in specs]
    names = getattr(model, "input_names", None)
    if names is None:
        names = [tensor.name for tensor in model.inputs]
    # A Sequential names an input that its file does not name in its own way; it has but one.
    return [given.index(name) for name in names] if set(names) == set(given) else range(len(given))

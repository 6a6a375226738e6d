"""What Keras itself computes. The only file that imports TensorFlow and Keras; it runs confined, in its own
process.

It receives no model file but a canonical configuration, made by us of allow-listed classes, and arrays. Keras
then reads the wiring, the node indices and the order of the weights a second time, independently of our own
reading.

`tf_keras` builds what was written before Keras 3, `keras` the rest; one process must not import both.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.parity.arrays import Array, ArrayWriter, output_key, trace_key
from keras2torch.parity.canonical import with_channels_last, with_float_type, with_modules
from keras2torch.parity.float64 import exact_float64
from keras2torch.sandbox import progress

LONG_LOOP = 50
"""Steps from which on compiling a recurrence (some 0.3 s, twice) costs less than it saves (2 ms a step and case)."""


class KerasError(RuntimeError):
    """Keras could not build or run the canonical model."""

    kind = "reference-failed"


@dataclass(frozen=True)
class _Library:
    """One of the two Keras libraries, and TensorFlow beneath it."""

    name: str
    keras: Any
    tf: Any

    @classmethod
    def load(cls, name: str) -> "_Library":
        if name not in {"keras", "tf_keras"}:
            raise ValueError(f"no such reference library: {name!r}")
        tf = importlib.import_module("tensorflow")
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        # Where a graph is used at all (see `_compile_long_loops`), run it as it is written.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        return cls(name, importlib.import_module(name), tf)

    @property
    def versions(self) -> dict[str, str]:
        return {self.name: self.keras.__version__, "tensorflow": self.tf.__version__}


def run_reference(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Build the model of `plan.json` in float64 and in float32, and run every case.

    `payload`: `workdir`, which holds `plan.json` (see `prepare`), `weights.npz` and `cases/<name>.npz`.
    Writes `expected64/<name>.npz` and `expected32/<name>.npz` there; layer outputs are in the former only.
    Returns versions and, per case, the layer outputs recorded in order of execution, or why Keras refuses the
    case where it may.
    """
    workdir = Path(payload["workdir"])
    job = json.loads((workdir / "plan.json").read_text(encoding="utf-8"))
    library = _Library.load(job["library"])
    cases: dict[str, dict[str, Any]] = {case["name"]: {"traces": []} for case in job["cases"]}
    with exact_float64(library.tf):
        for floats in ("float64", "float32"):
            _run_cases(library, job, floats, workdir, cases)
    return {"library": library.name, "versions": library.versions, "cases": cases}


def _run_cases(
    library: _Library,
    job: Mapping[str, Any],
    floats: str,
    workdir: Path,
    answers: dict[str, dict[str, Any]],
) -> None:
    """Run the model in one precision; adds to `answers`, and takes cases out that turn out not to be needed."""
    folder = workdir / f"expected{floats[-2:]}"
    folder.mkdir(exist_ok=True)
    model = _build(library, job, floats, workdir / "weights.npz")
    recorder = Recorder(library, model)
    for case in job["cases"]:
        name = case["name"]
        answer = answers.get(name, {"refused": "not needed"})
        if (
            case["last_resort"]
            and "outputs" not in answer
            and any("outputs" in each for each in answers.values())
        ):
            answers.pop(name, None)
            continue
        if "refused" in answer:
            continue
        progress(step="reference", floats=floats, case=name)
        budget = case["trace_bytes"] if floats == "float64" else 0
        try:
            inputs = _inputs(model, job["inputs"], workdir / "cases" / f"{name}.npz", floats)
            with ArrayWriter(folder / f"{name}.npz") as writer:
                with recorder.recording(writer, budget) as traces:
                    outputs = _flatten(library, model(inputs, training=False))
                for number, output in enumerate(outputs):
                    writer.write(output_key(number), np.asarray(output))
        except (library.tf.errors.OpError, ValueError, TypeError) as error:
            if not case["may_be_refused"]:
                raise KerasError(f"case {name}: {error}") from error
            answer["refused"] = str(error).splitlines()[0]
            continue
        answer["traces"] += traces
        answer["outputs"] = len(outputs)


def _build(library: _Library, job: Mapping[str, Any], floats: str, weights: Path) -> Any:
    library.keras.backend.clear_session()
    library.keras.backend.set_floatx(floats)
    library.keras.utils.set_random_seed(0)
    config = with_channels_last(with_float_type(job["model"], floats))
    if library.name == "keras":
        config = with_modules(config)
    kind = library.keras.Sequential if config["class_name"] == "Sequential" else library.keras.Model
    model = kind.from_config(
        config["config"], custom_objects={"ChannelsFirst": _channels_first_class(library)}
    )
    if not model.built:
        model.build([None, *job["inputs"][0]["shape"][1:]])
    with np.load(weights) as arrays:
        _set_weights(library, model, job, arrays)
    _compile_long_loops(library, model)
    return model


def _set_weights(library: _Library, model: Any, job: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Give each top-level layer its arrays in stored order: trainable weights, then the others, as Keras's
    loader does.
    """
    stored: dict[str, list[str]] = {layer: names for layer, names in job["weights"].items() if names}
    for layer in model.layers:
        variables = [*layer.trainable_weights, *layer.non_trainable_weights]
        values: Sequence[Array] = [arrays[name] for name in stored.pop(layer.name, [])]
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
            variable.assign(value.astype(_dtype_name(variable)))
    if stored:
        raise KerasError(f"weights for layers that Keras does not have: {', '.join(stored)}")
    for layer in _all_layers(model):
        if hasattr(layer, "finalize_state") and getattr(layer, "built", True):
            layer.finalize_state()


def _compile_long_loops(library: _Library, model: Any) -> None:
    """Have long recurrences run as one graph each; step by step from Python, thousands of steps take minutes."""
    for layer in _all_layers(model):
        if isinstance(layer, library.keras.layers.RNN):
            layer.call = _compiled_if_long(
                layer.call, library.tf.function(layer.call, autograph=False, reduce_retracing=True)
            )


def _compiled_if_long(eager: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    def call(sequences: Any, *args: Any, **kwargs: Any) -> Any:
        long = sequences.shape[1] is not None and sequences.shape[1] >= LONG_LOOP
        return (compiled if long else eager)(sequences, *args, **kwargs)

    return call


def _dtype_name(variable: Any) -> str:
    dtype = variable.dtype
    return str(dtype if isinstance(dtype, str) else dtype.name)


def _all_layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _inputs(model: Any, specs: Sequence[Mapping[str, Any]], path: Path, floats: str) -> Any:
    """The case's arrays as this model wants them: by input name, cast where they are floating point."""
    with np.load(path) as arrays:
        by_name = {spec["name"]: arrays[str(number)] for number, spec in enumerate(specs)}
    ordered = [
        value.astype(floats) if np.issubdtype(value.dtype, np.floating) else value
        for value in (by_name[name] for name in _input_names(model))
    ]
    return ordered[0] if len(ordered) == 1 else ordered


def _input_names(model: Any) -> list[str]:
    names = getattr(model, "input_names", None)
    return list(names) if names is not None else [tensor.name for tensor in model.inputs]


def _flatten(library: _Library, outputs: Any) -> list[Any]:
    return [output for output in library.tf.nest.flatten(outputs) if output is not None]


# ------------------------------------------------------------------------------------------ layer outputs


@dataclass
class _Frame:
    """A layer being called. `path` is None inside a layer that is no model: what a wrapper does is its own
    affair.
    """

    layer: Any
    path: str | None
    call: int
    nodes: Iterator[tuple[str, int, int]] | None
    """For a model: the calls it is about to make, as (name, which call of it, how many calls of it there
    are)."""


class Recorder:
    """Writes down the output of every layer call while a model runs eagerly, nested models included.

    Which call of a shared layer is running is told by Keras's own graph: calls are made in the order of its
    nodes, while the number of a call is its place among the nodes of that layer.
    """

    def __init__(self, library: _Library, model: Any) -> None:
        self._library = library
        self._model = model
        self._stack: list[_Frame] = []
        # In Keras 3, what is no layer but a plain operation stands in the graph too.
        self._base = library.keras.Operation if library.name == "keras" else library.keras.layers.Layer

    @contextmanager
    def recording(self, writer: ArrayWriter, budget: int) -> Iterator[list[list[Any]]]:
        """Record into `writer`, at most `budget` bytes; yields the list that fills with [layer path, call,
        outputs].
        """
        traces: list[list[Any]] = []
        if not budget:
            yield traces
            return
        original = self._base.__call__
        left = budget
        recorder = self

        def record(frame: _Frame, result: Any) -> None:
            nonlocal left
            outputs = [np.asarray(output) for output in _flatten(recorder._library, result)]
            left -= sum(output.nbytes for output in outputs)
            if left < 0:
                return
            for number, output in enumerate(outputs):
                writer.write(trace_key(str(frame.path), frame.call, number), output)
            traces.append([frame.path, frame.call, len(outputs)])

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            frame = recorder._enter(layer)
            try:
                result = original(layer, *args, **kwargs)
            finally:
                recorder._stack.pop()
            if frame.path and frame.nodes is None:
                record(frame, result)
            return result

        self._base.__call__ = call
        try:
            yield traces
        finally:
            self._base.__call__ = original

    def _enter(self, layer: Any) -> _Frame:
        outer = self._stack[-1] if self._stack else None
        if outer is None:
            frame = _Frame(layer, "", 0, self._calls_of(layer))
        elif outer.nodes is None or outer.path is None:
            frame = _Frame(layer, None, 0, None)
        else:
            name, call, calls = next(outer.nodes)
            if name != layer.name:
                raise KerasError(f"Keras runs {layer.name} where its graph says {name}")
            path = f"{outer.path}/{name}" if outer.path else name
            frame = _Frame(layer, path, outer.call * calls + call, self._calls_of(layer))
        self._stack.append(frame)
        return frame

    def _calls_of(self, layer: Any) -> Iterator[tuple[str, int, int]] | None:
        """The calls that a model makes, in order; None for what is no model."""
        keras = self._library.keras
        if not isinstance(layer, keras.Model):
            return None
        graph = getattr(layer, "_functional", None) or layer
        nodes = [
            node
            for depth in sorted(graph._nodes_by_depth, reverse=True)
            for node in graph._nodes_by_depth[depth]
            if not node.is_input
        ]
        known = {id(node) for node in nodes}

        def calls() -> Iterator[tuple[str, int, int]]:
            for node in nodes:
                made_by = node.operation if self._library.name == "keras" else node.layer
                own = [id(other) for other in made_by._inbound_nodes if id(other) in known]
                yield made_by.name, own.index(id(node)), len(own)

        return calls()


# ------------------------------------------------------------------------------------- channels_first on a
# CPU


def _channels_first_class(library: _Library) -> Any:
    """A layer that computes what its inner, channels_last layer computes, on channels_first tensors.

    TensorFlow has no channels_first kernels for the CPU. Weights have the same shapes either way.
    """
    keras, tf = library.keras, library.tf

    class ChannelsFirst(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, layer: dict[str, Any], **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer = keras.layers.deserialize(layer)

        def build(self, shape: Any) -> None:
            first = tuple(shape)
            self.layer.build((first[0], *first[2:], first[1]))
            self.built = True

        def call(self, inputs: Any) -> Any:
            rank = len(inputs.shape)
            outputs = self.layer(tf.transpose(inputs, [0, *range(2, rank), 1]))
            return tf.transpose(outputs, [0, rank - 1, *range(1, rank - 1)])

    return ChannelsFirst

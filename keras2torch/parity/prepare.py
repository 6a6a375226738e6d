"""The source file and the bundle's manifest become what reference and candidate need: plan.json, weights.npz,
cases/.

The reference gets no file of a stranger's but this canonical rewrite: classes that a rule knows, options that
a rule read, weights as plain arrays in the order in which they were stored.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from keras2torch.bundle import read_manifest
from keras2torch.conversion import Understood, understand
from keras2torch.errors import Unreadable, UsageError
from keras2torch.graph.model import Graph, Layer
from keras2torch.layers._functions import is_function
from keras2torch.layers._lambda import function_of
from keras2torch.options import ConversionOptions, Replacement, UserFile
from keras2torch.parity.arrays import ArrayWriter, write_arrays
from keras2torch.parity.canonical import SAME_AS, canonical_model
from keras2torch.parity.inputs import SIZES, InputSpec, make_cases
from keras2torch.parity.stand_ins import constructed
from keras2torch.precision import rounded
from keras2torch.resolve import resolve
from keras2torch.source.model import Generation, SourceModel
from keras2torch.source.theano import has_convolutions

FLOAT32_CONSTANTS: frozenset[str] = frozenset()
"""Layers in which Keras rounds a constant to float32 although it computes in float64: none of those converted
today, since `float64` stands in for the operations that did. A model with such a layer is held to a wider
limit."""

VALUE_KEEPING = frozenset({"Dropout", "Flatten", "Permute", "RepeatVector", "Reshape", "SpatialDropout1D"})
"""What may stand between an input and the layer that says what its numbers mean."""


NOT_TELLING = frozenset({"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "build_config"})
LONGEST_OPTION = 80
"""Characters of an option that a report shows."""


def run_prepare(payload: Mapping[str, Any]) -> dict[str, Any]:
    """`prepare` as a step for a sandbox: `source`, `bundle` and `workdir` in, the library and the case names
    out.
    """
    return prepare(Path(payload["source"]), Path(payload["bundle"]), Path(payload["workdir"]))


def prepare(
    source: Path,
    bundle: Path,
    workdir: Path,
    *,
    layers: Sequence[UserFile] = (),
    replace: Sequence[Replacement] = (),
) -> dict[str, Any]:
    """Write plan.json, weights.npz and cases/ to `workdir`; returns `{"library": ..., "cases": [...], "given": [...],
    "fused": [...]}`.

    `layers`, `replace`: the caller's own files that the conversion had. Raises `UsageError` if the bundle was made
    from another file or with other ones, and whatever reading the source raises.
    """
    manifest = read_manifest(bundle)
    if _sha256(source) != manifest["source"]["sha256"]:
        raise UsageError(
            f"the bundle was made from another file ({manifest['source']['name']})", file=str(source)
        )
    options = ConversionOptions.from_json(manifest["options"], bundle=bundle, layers=layers, replace=replace)
    if options.hub_mixin and importlib.util.find_spec("huggingface_hub") is None:
        message = (
            "was made with --hub-mixin: verifying needs huggingface_hub (pip install 'keras2torch[hub]')"
        )
        raise UsageError(message, file=str(bundle))
    understood = understand(source, options)
    model = understood.source
    library = "keras" if model.generation is Generation.KERAS3 else "tf_keras"
    given = _given(understood)
    cases = make_cases(input_specs(understood), _operations(understood))
    classes = {
        layer.path: list(_computed_by(layer, understood.program.stand_ins.get(layer.path)))
        for layer in understood.graph.layers.values()
        if layer.path not in given
    }
    plan = {
        "library": library,
        # What Keras 1 stored stands in Keras 2's layout already.
        "keras_version": "2" if model.generation is Generation.KERAS1 else model.keras_version,
        "backend": model.backend,
        "model": canonical_model(
            model.config,
            understood.program.options_read,
            keras2=model.generation in {Generation.KERAS1, Generation.KERAS2},
            stand_ins=understood.program.stand_ins,
            given=given,
        ),
        "inputs": [{"name": spec.name, "shape": spec.shape} for spec in input_specs(understood)],
        "each_layer": model.each_layer,
        "weights": {layer: [f"{layer}:{n}" for n in range(len(own))] for layer, own in model.weights.items()},
        "cases": [
            {
                "name": case.name,
                "description": case.description,
                "may_be_refused": case.may_be_refused,
                "last_resort": case.last_resort,
                "trace_bytes": case.trace_bytes,
            }
            for case in cases
        ],
        "depth": len(understood.graph.nodes),
        "options": {layer.path: _telling(layer.config) for layer in understood.graph.layers.values()},
        "float32_constants": sorted(
            layer.path for layer in understood.graph.layers.values() if layer.class_name in FLOAT32_CONSTANTS
        ),
        "constructed": [
            *_respelled(model, options),
            *constructed(classes, library),
            *_without_a_gpu(classes),
        ],
        "given": sorted(given),
        "changed_files": list(_changed_files(bundle, manifest)),
        "rounded_to": options.dtype,
        "fused": sorted(understood.program.fused),
    }
    (workdir / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    _write_weights(workdir / "weights.npz", model, options.dtype)
    if options.dtype:
        _write_weights(workdir / "unrounded.npz", model, None)
    if understood.program.fused:
        _write_fused(workdir / "fused.npz", understood)
    (workdir / "cases").mkdir(exist_ok=True)
    for case in cases:
        write_arrays(
            workdir / "cases" / f"{case.name}.npz", {str(n): array for n, array in enumerate(case.arrays)}
        )
    return {
        "library": library,
        "cases": [case.name for case in cases],
        "given": sorted(given),
        "fused": plan["fused"],
    }


def _write_weights(path: Path, model: SourceModel, dtype: str | None) -> None:
    """The model's weights, as the file has them or rounded to what the bundle stores."""
    with ArrayWriter(path) as writer:
        for layer, own in model.weights.items():
            for number, weight in enumerate(own):
                writer.write(f"{layer}:{number}", rounded(weight.array, dtype, f"{layer}/{weight.name}"))


def _write_fused(path: Path, understood: Understood) -> None:
    """The weights that have normalizations in them, by their names in torch, before they are rounded to be stored."""
    program = understood.program
    arrays = resolve(understood.source, understood.graph, program.expected)
    with ArrayWriter(path) as writer:
        for module in dict.fromkeys(program.fused.values()):
            for name in (f"{module}.weight", f"{module}.bias"):
                weight = program.state[name]
                writer.write(name, weight.whole(arrays).reshape(weight.shape))


def _given(understood: Understood) -> dict[str, dict[str, Any]]:
    """What the reference is told of each layer that only the caller knows: its output's shape, and its weights.

    Raises `UsageError` for one that is called more than once: whose output is whose would not be certain.
    """
    found: dict[str, dict[str, Any]] = {}
    paths = understood.program.given
    for record in understood.program.records:
        if record.path not in paths:
            continue
        if record.path in found:
            message = "is the caller's own and called more than once: parity cannot be judged"
            raise UsageError(message, spot=record.path)
        found[record.path] = {
            "shape": record.value.shape,
            "tensors": record.value.dtype,
            "weights": [
                [key.shape, key.trainable] for key in understood.program.expected.get(record.path, ())
            ],
        }
    return found


def _telling(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a layer's options, those that a person wants to see where it fails."""
    untold = ("_initializer", "_regularizer", "_constraint")
    return {
        name: value
        for name, value in config.items()
        if name not in NOT_TELLING
        and not name.endswith(untold)
        and (value is None or isinstance(value, bool | int | float | str | list))
        and len(str(value)) <= LONGEST_OPTION
    }


def _respelled(model: SourceModel, options: ConversionOptions) -> Iterator[dict[str, str]]:
    """What of the whole model had to be rewritten before any library could read it."""
    if model.generation is Generation.KERAS1:
        why = "no library reads it, so options and weights were brought into Keras 2's form first"
        yield {"layer": "the model", "class_name": "Keras 1", "why": why}
    if "theano" in (model.backend, options.backend) and has_convolutions(model.config):
        why = "no library turns its kernels, so they were turned first"
        yield {"layer": "the model", "class_name": "Theano", "why": why}


def _without_a_gpu(classes: Mapping[str, Iterable[str]]) -> Iterator[dict[str, str]]:
    """Layers of cuDNN, by path and the class names in them: what the reference computes in their place."""
    for path, names in classes.items():
        for name in dict.fromkeys(names):
            if name.startswith("CuDNN"):
                why = (
                    f"runs on a GPU only; computed by the {SAME_AS[name]} that Keras converts its weights for"
                )
                yield {"layer": path, "class_name": name, "why": why}


def _changed_files(bundle: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Files of the bundle that are not as the conversion wrote them."""
    for entry in manifest["files"]:
        path = bundle / entry["path"]
        if not path.is_file() or _sha256(path) != entry["sha256"]:
            yield entry["path"]


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(error.strerror, file=str(path)) from error


def input_specs(understood: Understood) -> list[InputSpec]:
    """What each input of the model is made for, in Keras's order."""
    graph = understood.graph
    readers = graph.consumers()
    specs = []
    for reference, value in zip(graph.inputs, understood.program.inputs, strict=True):
        vocabulary: int | None = None
        masked_value: float | None = None
        waiting = list(readers[reference.node])
        while waiting:
            number = waiting.pop()
            layer = graph.layers[graph.nodes[number].layer]
            for class_name, config in _with_wrapped(layer.class_name, layer.config):
                if class_name == "Embedding" or (
                    class_name == "ReversibleEmbedding" and not graph.nodes[number].kwargs.get("reverse")
                ):
                    rows = int(config["input_dim"])
                    vocabulary = min(rows, vocabulary or rows)
                    if config.get("mask_zero"):
                        masked_value = 0.0
                elif class_name == "CategoryEncoding" and "num_tokens" in config:
                    vocabulary = min(int(config["num_tokens"]), vocabulary or int(config["num_tokens"]))
                elif class_name == "Masking":
                    masked_value = float(config.get("mask_value", 0.0))
            if layer.class_name in VALUE_KEEPING:
                waiting += readers[number]
        name = graph.layers[graph.nodes[reference.node].layer].name
        shape = (_fixed_batch(graph), *value.shape[1:])
        specs.append(InputSpec(name, shape, value.dtype, vocabulary, masked_value))
    return specs


def _fixed_batch(graph: Graph) -> int | None:
    """How many samples a case must have: the number that layers keep states for."""
    keeps_states = any(
        config.get("stateful") is True
        for layer in graph.layers.values()
        for _, config in _with_wrapped(layer.class_name, layer.config)
    )
    return graph.batch_size if keeps_states else None


def _with_wrapped(class_name: str, config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Class and configuration of a layer, and of every layer that stands in it."""
    yield class_name, config
    waiting: list[Any] = list(config.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            if isinstance(value.get("class_name"), str) and isinstance(value.get("config"), Mapping):
                yield value["class_name"], value["config"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _computed_by(layer: Layer, stand_in: str | None) -> Iterator[str]:
    """The classes that compute a layer in the reference; functions of one's own are evaluated as expressions."""
    if stand_in is not None:
        yield stand_in
    for class_name, config in _with_wrapped(layer.class_name, layer.config):
        yield class_name if function_of(class_name, config) is None else "OperatorTree"
        if any(map(is_function, config.values())):
            yield "OperatorTree"


def _operations(understood: Understood) -> float:
    """Multiply-adds of one sample, roughly: each kernel once for every position of its layer's output."""
    total = 0.0
    for record in understood.program.records:
        open_sizes = iter(SIZES[1] * 4)
        shape = [next(open_sizes) if extent is None else extent for extent in record.value.shape[1:]]
        for key in understood.program.expected.get(record.path, ()):
            if len(key.shape) > 1:
                total += prod(key.shape) * max(prod(shape) // max(shape[-1], 1), 1)
    return total

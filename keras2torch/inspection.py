"""What is in a file, and what would not convert: read and translated, but not a weight touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, Unpack

from keras2torch.conversion import read_model, translated
from keras2torch.errors import Keras2TorchError, Reason, UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.options import Asked, ConversionOptions
from keras2torch.resolve import paired, resolve
from keras2torch.source.limits import Limits


@dataclass(frozen=True)
class Inspection:
    """A model as its file describes it. `reasons` is empty for a model that converts."""

    name: str
    path: str
    bytes: int
    generation: str
    keras_version: str | None
    backend: str | None
    layers: Mapping[str, int]
    """How often each layer class occurs."""
    parameters: int
    inputs: tuple[Mapping[str, Any], ...]
    """Name, dtype and Keras shape of each; empty where the model does not convert."""
    outputs: tuple[Mapping[str, Any], ...]
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...] = ()
    """What a conversion would say beside: as what a Lambda was read, for one."""

    @property
    def convertible(self) -> bool:
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "convertible": self.convertible}


def inspect(path: str | Path, **asked: Unpack[Asked]) -> Inspection:
    """Describe the model in `path`; `asked`: options as in `convert`, of which some tell how a file is read.

    Raises `RefusedFile` for a file that is no sound Keras model.
    """
    path = Path(path)
    options = ConversionOptions.of(**asked)
    try:
        source = read_model(path, options)
        graph = build_graph(source.config, source.generation, limits=Limits.of(options.limits))
        inputs: tuple[Mapping[str, Any], ...] = ()
        outputs: tuple[Mapping[str, Any], ...] = ()
        reasons: tuple[Reason, ...] = ()
        warnings: tuple[str, ...] = ()
        try:
            program = translated(source, graph, options)
        except UnsupportedModel as refusal:
            reasons = refusal.reasons
        else:
            warnings = tuple(program.warnings)
            resolve(paired(source, graph, program.expected), graph, program.expected)
            inputs = tuple({"name": v.hint, "dtype": v.dtype, "shape": list(v.shape)} for v in program.inputs)
            outputs = tuple({"dtype": v.dtype, "shape": list(v.shape)} for v in program.outputs)
    except Keras2TorchError as error:
        raise error.in_file(str(path)) from error.__cause__
    return Inspection(
        name=graph.name,
        path=str(path),
        bytes=source.size,
        generation=source.generation.value,
        keras_version=source.keras_version,
        backend=source.backend,
        layers=dict(sorted(Counter(layer.class_name for layer in graph.layers.values()).items())),
        parameters=sum(prod(weight.shape) for group in source.weights.values() for weight in group),
        inputs=inputs,
        outputs=outputs,
        reasons=reasons,
        warnings=warnings,
    )

"""What is fuzzed: a function from bytes to nothing, in which every exception is a finding.

Refusals are no exceptions here, since refusing is what is wanted; that they are one printable line is checked.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from keras2torch.emit.module import write_module
from keras2torch.errors import Keras2TorchError
from keras2torch.graph.build import build_graph
from keras2torch.options import ConversionOptions
from keras2torch.source.dialects import in_one_spelling
from keras2torch.source.generation import generation_of
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import DEFAULT
from keras2torch.source.model import SourceModel
from keras2torch.source.reading import read_source
from keras2torch.translate import translate

Target = Callable[[bytes], None]


def reader(data: bytes) -> None:
    """A file of any bytes: read with all its weights, or refused."""
    path = _scratch()
    path.write_bytes(data)
    try:
        source = read_source(path)
    except Keras2TorchError as error:
        _one_line(error)
    else:
        for weights in source.weights.values():
            for weight in weights:
                weight.array.tobytes()  # every byte of every view is there


def configs(data: bytes) -> None:
    """A document of `keras_version` and `model_config`: brought into one spelling, translated, written as source."""
    try:
        document = parse_object(data, DEFAULT)
        version, config = document.get("keras_version"), document.get("model_config")
        if not isinstance(config, dict) or not isinstance(version, str | None):
            return
        source = SourceModel(
            path=Path("m.h5"),
            content=np.zeros(0, np.uint8),
            format="keras-h5",
            generation=generation_of(version, config),
            keras_version=version,
            backend="tensorflow",
            config=config,
            weights={},
        )
        source = in_one_spelling(source, ConversionOptions())
        program = translate(build_graph(source.config, source.generation), keras_version=version)
        ast.parse(write_module(program, source_name="m.h5", keras_version=version).text)
    except Keras2TorchError as error:
        _one_line(error)


TARGETS: dict[str, Target] = {"reader": reader, "configs": configs}


def _one_line(error: Keras2TorchError) -> None:
    text = str(error)
    if not text.isprintable() or len(text) > 3000:
        raise AssertionError(f"a refusal that is not one line: {text!r}") from error


@cache
def _scratch() -> Path:
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    return Path(folder, "m.h5")

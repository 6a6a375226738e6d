"""One model in both styles: what each computes, and what can be seen of each layer while it runs."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from keras2torch import convert
from keras2torch.emit.module import write_module
from keras2torch.graph.build import build_graph
from keras2torch.parity.arrays import trace_key
from keras2torch.parity.candidate import Observer, flatten, locators_of
from keras2torch.parity.instrument import load_instrumented
from keras2torch.source.generation import generation_of
from keras2torch.structure.recover import recover
from keras2torch.translate import translate
from tests.crafted import Config, numbers, write_model

Arrays = dict[str, NDArray[Any]]
_names = itertools.count()


class _Kept:
    """Keeps what an observer writes."""

    def __init__(self) -> None:
        self.arrays: Arrays = {}

    def write(self, key: str, array: NDArray[Any]) -> None:
        assert key not in self.arrays
        self.arrays[key] = np.array(array)


def write_source(path: Path, config: Config) -> Path:
    """`config` as a file of tf.keras, no two weights of which are alike."""
    graph = build_graph(config, generation_of("2.15.0", config))
    weights: dict[str, Arrays] = {layer.group: {} for layer in graph.layers.values()}
    expected = translate(graph).expected
    seeds = itertools.count()
    for trainable in (True, False):
        for layer, keys in expected.items():
            for key in keys:
                if key.trainable is trainable:
                    array = numbers(*key.shape, seed=next(seeds)) * 0.5
                    name = f"{layer}/{key.role}:0"
                    weights[graph.layers[layer].group][name] = array**2 if "variance" in key.role else array
    return write_model(path, config, weights)


def seen(source: Path, folder: Path, style: str, batch: int = 2) -> tuple[list[torch.Tensor], Arrays, str]:
    """Outputs in float64, every layer output that the manifest gives a place, and the text of model.py."""
    bundle = convert(source, folder / style, style=style).path
    manifest = json.loads((bundle / "manifest.json").read_text())
    locators = locators_of(manifest)
    observer = Observer(locators)
    module = load_instrumented(bundle / "model.py", f"styles_{next(_names)}", observer.observe)
    model = module.load_model(dtype=torch.float64)
    random = torch.Generator().manual_seed(0)
    inputs = []
    for port in manifest["inputs"]:
        shape = [batch, *(n or 5 for n in port["torch_shape"][1:])]
        if port["dtype"].startswith("float"):
            inputs.append(torch.randn(shape, generator=random, dtype=torch.float64))
        else:
            inputs.append(torch.randint(0, 4, shape, generator=random))
    kept = _Kept()
    wanted = {
        trace_key(layer["keras_name"], place["call"])
        for layer in manifest["layers"]
        for place in layer["outputs"]
    }
    with torch.inference_mode(), observer.watching(model, wanted, kept, whole=True):  # type: ignore[arg-type]
        outputs = flatten(model(*inputs))
    assert kept.arrays.keys() == wanted, "a place that the manifest names is never passed"
    return outputs, kept.arrays, (bundle / "model.py").read_text()


def assert_same(config: Config, folder: Path) -> str:
    """Both styles compute the same everywhere; returns the text in blocks."""
    folder.mkdir(exist_ok=True)
    source = write_source(folder / "model.h5", config)
    flat, flat_layers, _ = seen(source, folder, "flat")
    blocks, block_layers, text = seen(source, folder, "blocks")
    assert len(flat) == len(blocks)
    for one, other in zip(flat, blocks, strict=True):
        assert torch.equal(one, other)
    assert flat_layers.keys() == block_layers.keys()
    for key, array in flat_layers.items():
        assert np.array_equal(array, block_layers[key]), key
    return text


def text_in_blocks(config: Config) -> str:
    """The classes that are written of `config`, without a file, weights or a run."""
    program = translate(build_graph(config, generation_of("2.15.0", config)))
    structure = recover(program)
    source = write_module(
        structure.renamed(program), structure, source_name="model.h5", keras_version=None
    ).text
    return source[source.index("\nclass ") : source.index("\nModel = ")]


def classes_in(text: str) -> list[str]:
    return re.findall(r"^class (\w+)", text, re.MULTILINE)

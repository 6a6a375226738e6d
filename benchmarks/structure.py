"""What finding structure gives and costs: `python -m benchmarks.structure MODEL.h5 ...`, a table for each.

For every file: lines of model.py without blank lines and comments, in blocks and flat; modules of a flat graph,
classes found beside the model's own; the time of the pass alone. Then the time of the pass
for residual networks of growing depth.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras2torch.conversion import read_model, translated
from keras2torch.emit.module import write_module
from keras2torch.graph.build import build_graph
from keras2torch.options import ConversionOptions
from keras2torch.program import Program
from keras2torch.source.limits import Limits
from keras2torch.source.model import Generation
from keras2torch.structure.recover import Structure, flat, recover
from keras2torch.translate import translate

_DEPTHS = (500, 1000, 2000, 5000)
_BLOCK = 5
"""Layers of a residual block: two Dense, two activations, a sum."""


def program_of(path: Path) -> Program:
    """The flat program of a model file. Raises what `convert` raises."""
    options = ConversionOptions()
    source = read_model(path, options)
    graph = build_graph(source.config, source.generation, limits=Limits.of(options.limits))
    return translated(source, graph, options)


def recovered(program: Program) -> tuple[Structure, float]:
    """The structure, and the seconds of processor time that finding it took."""
    start = time.process_time()
    structure = recover(program)
    return structure, time.process_time() - start


def text_of(
    program: Program,
    structure: Structure,
    source_name: str = "model.h5",
    keras_version: str | None = None,
) -> str:
    """The model.py of a program in the classes of its structure."""
    return write_module(
        structure.renamed(program), structure, source_name=source_name, keras_version=keras_version
    ).text


def lines(text: str) -> int:
    """Lines of source that are neither blank nor a comment; docstrings count."""
    stripped = (line.strip() for line in text.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in stripped)


def residual_network(layers: int) -> Program:
    """A network of about so many layers, whose widths change every ten blocks."""

    def entry(name: str, class_name: str, *inputs: str, **config: Any) -> dict[str, Any]:
        calls = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        return {
            "class_name": class_name,
            "name": name,
            "config": {"name": name} | config,
            "inbound_nodes": calls,
        }

    def entries() -> Iterator[dict[str, Any]]:
        yield entry("input", "InputLayer", batch_input_shape=[None, 16])
        before = "input"
        for number in range(layers // _BLOCK):
            width = 16 * (1 + number // 10 % 8)
            if number % 10 == 0:
                yield entry(f"wider_{number}", "Dense", before, units=width)
                before = f"wider_{number}"
            yield entry(f"dense_{number}_a", "Dense", before, units=width)
            yield entry(f"act_{number}_a", "Activation", f"dense_{number}_a", activation="relu")
            yield entry(f"dense_{number}_b", "Dense", f"act_{number}_a", units=width)
            yield entry(f"add_{number}", "Add", before, f"dense_{number}_b")
            yield entry(f"out_{number}", "Activation", f"add_{number}", activation="relu")
            before = f"out_{number}"

    made = list(entries())
    config = {
        "class_name": "Functional",
        "config": {
            "name": "residual",
            "layers": made,
            "input_layers": [["input", 0, 0]],
            "output_layers": [[made[-1]["name"], 0, 0]],
        },
    }
    return translate(build_graph(config, Generation.TF_KERAS))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL")
    parsed = parser.parse_args(arguments)
    print("| model | lines | lines, flat | modules, flat | classes | seconds |\n|---|---|---|---|---|---|")
    for path in parsed.models:
        program = program_of(path)
        structure, seconds = recovered(program)
        in_blocks, in_one = lines(text_of(program, structure)), lines(text_of(program, flat(program)))
        print(
            f"| {path.stem} | {in_blocks} | {in_one} | {len(program.modules)} | {len(structure.blocks) - 1} "
            f"| {seconds:.2f} |",
            flush=True,
        )
    print("\n| layers | seconds | ms a layer |\n|---|---|---|")
    for depth in _DEPTHS:
        program = residual_network(depth)
        _, seconds = recovered(program)
        print(
            f"| {len(program.statements)} | {seconds:.2f} | {seconds / len(program.statements) * 1000:.2f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

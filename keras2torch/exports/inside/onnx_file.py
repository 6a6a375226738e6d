"""`model.onnx`: an exported program as ONNX, and ONNX run again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import onnxscript
import torch

from keras2torch.exports.inside.examples import Port
from keras2torch.exports.inside.onnx_operations import TRANSLATIONS
from keras2torch.exports.inside.recurrence import of_any_length

OPSET = 20


def write_onnx(
    program: torch.export.ExportedProgram,
    ports: Sequence[Port],
    outputs: Sequence[Mapping[str, Any]],
    path: Path,
) -> dict[str, str]:
    """Write `program` to one file, weights and all. Returns what it was made with."""
    names = [port.name for port in ports]
    with of_any_length():
        made = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=_output_names(outputs, taken=names),
            dynamic_shapes=_names_of_extents(ports),
            custom_translation_table=TRANSLATIONS,
            external_data=False,
            verbose=False,
        )
    assert made is not None
    _forget_the_making(made.model)
    _rename_inner_values(made.model)
    made.save(str(path), external_data=False)
    return {"torch": torch.__version__, "onnxscript": onnxscript.__version__, "opset": str(OPSET)}


def _output_names(outputs: Sequence[Mapping[str, Any]], *, taken: Sequence[str]) -> list[str]:
    """Keras's names of the outputs, as far as they are names anywhere, each once."""
    used, names = set(taken), []
    for entry in outputs:
        plain = re.sub(r"\W+", "_", entry["name"], flags=re.ASCII).strip("_") or "output"
        name = next(
            name for name in (plain, *(f"{plain}_{n}" for n in range(1, 2 + len(used)))) if name not in used
        )
        used.add(name)
        names.append(name)
    return names


def _names_of_extents(ports: Sequence[Port]) -> tuple[dict[int, str], ...]:
    """`batch`, and for other open extents the input's name with the axis."""
    return tuple(
        {
            axis: "batch" if axis == 0 else f"{port.name}_{axis}"
            for axis, extent in enumerate(port.shape)
            if extent is None
        }
        for port in ports
    )


def _forget_the_making(model: Any) -> None:
    """Take out what the exporter notes beside each node: file names of this machine, longer than the graph."""
    model.metadata_props.clear()
    for graph in (model.graph, *model.functions.values()):
        graph.metadata_props.clear()
        for value in (*graph.inputs, *getattr(graph, "initializers", {}).values()):
            value.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()


def _rename_inner_values(model: Any) -> None:
    """What goes in and comes out was given names, which what lies between may have had already."""
    outer = (*model.graph.inputs, *model.graph.outputs)
    taken = {value.name for value in outer}
    for node in model.graph.all_nodes():
        for value in node.outputs:
            if value.name in taken and not any(value is each for each in outer):
                value.name = f"{value.name}__inner"


def open_onnx(path: Path) -> Callable[[tuple[torch.Tensor, ...]], list[torch.Tensor]]:
    """What runs the file, by onnxruntime on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return [torch.from_numpy(array) for array in session.run(None, given)]

    return run

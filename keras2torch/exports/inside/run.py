"""The child of an export: load the bundle's module, write each format, read it back and compare."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from keras2torch.exports.formats import FILES
from keras2torch.exports.inside.blame import Fixing, NotExportable, reason
from keras2torch.exports.inside.comparing import LIMIT, LOST, Departs, error_between, flat, rounding
from keras2torch.exports.inside.examples import (
    BATCHES,
    Port,
    accepted_sizes,
    drawn,
    vocabularies,
    zeros,
)
from keras2torch.exports.inside.loops import rolled
from keras2torch.exports.inside.recurrence import of_any_length
from keras2torch.sandbox import progress

Inputs = tuple[torch.Tensor, ...]
Run = Callable[[Inputs], list[torch.Tensor]]


def run_export(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Export the module in the folder `bundle` to `formats`, into the folder `workdir`.

    `inputs`, `outputs` and `layers` are those of the manifest. Returns an entry for each format, as the manifest holds
    it. Raises `NotExportable`, naming the layer.
    """
    torch.set_num_threads(1)
    with torch.no_grad(), warnings.catch_warnings():
        # What torch's exporters have to say about torch is for nobody here.
        warnings.simplefilter("ignore")
        subject = Subject(Path(payload["bundle"]), payload)
        return [subject.write(name, Path(payload["workdir"])) for name in payload["formats"]]


class Subject:
    """A module that is to be exported, and what it computes from two sets of inputs, of different batches and sizes.

    Raises `NotExportable` where torch cannot make a graph of it.
    """

    def __init__(self, bundle: Path, manifest: Mapping[str, Any]) -> None:
        progress(step="export")
        self.source = bundle / "model.py"
        self.manifest = manifest
        self.module = load_source(self.source)
        self.model: nn.Module = self.module.load_model()
        arguments = inspect.signature(self.model.forward).parameters
        self.ports = [Port.of(entry, name) for entry, name in zip(manifest["inputs"], arguments, strict=True)]
        self._refuse_states()
        self.program: torch.export.ExportedProgram | None = None
        self.fixing = Fixing(self.source)
        with self._naming_the_layer("pt2"), self.fixing.listening():
            sizes = accepted_sizes(self.model, self.ports)
            with rolled(self.module):
                self.program = exported(self.model, self.ports, sizes[0])
        self.cases = _cases(self.model, self.ports, vocabularies(self.program, len(self.ports)), sizes)

    def _refuse_states(self) -> None:
        """An export would start where the last call ended too, for one size of batch, and nobody could reset it."""
        keeping = {name for name, module in self.model.named_modules() if hasattr(module, "reset_states")}
        for layer in self.manifest["layers"]:
            if layer["torch_name"] in keeping:
                where = f"layer {layer['keras_name']!r} ({layer['keras_class']})"
                raise NotExportable(f"pt2: {where}: keeps a state from call to call, which no export does")

    def write(self, name: str, folder: Path) -> dict[str, Any]:
        """Write one format into `folder`, read it back and compare; returns its entry in the manifest."""
        progress(step=name)
        path = folder / FILES[name]
        with self._naming_the_layer(name):
            assert self.program is not None
            versions, run = _WRITERS[name](self.program, self.ports, self.manifest["outputs"], path)
            return {"path": path.name, "made_with": versions, "compared": self._compared(run)}

    def _compared(self, run: Run) -> list[dict[str, Any]]:
        """One entry a case: the shapes of the inputs, and the largest error relative to the scale of an output."""
        entries = []
        for inputs, expected in self.cases:
            actual = run(inputs)
            try:
                error = error_between(expected, actual)
            except Departs:
                error = error_between(expected, actual, max(LIMIT, LOST * self._lost(inputs, expected)))
            entries.append(
                {"inputs": [list(tensor.shape) for tensor in inputs], "error": float(f"{error:.2g}")}
            )
        return entries

    def _lost(self, inputs: Inputs, outputs: list[torch.Tensor]) -> float:
        """How much of the outputs is rounding, by the module's own float64."""
        model: nn.Module = self.module.load_model(dtype=torch.float64)
        exact = flat(model(*(x.double() if x.is_floating_point() else x for x in inputs)))
        return rounding(outputs, exact)

    @contextmanager
    def _naming_the_layer(self, name: str) -> Iterator[None]:
        try:
            yield
        except MemoryError:
            raise
        except Departs as error:
            raise NotExportable(f"{name}: {error}") from error
        except Exception as error:
            layers = self.manifest["layers"]
            why = reason(error, self.source, layers, self.program, self.fixing.line)
            raise NotExportable(f"{name}: {why}") from error


def load_source(source: Path) -> ModuleType:
    """The module in a `model.py`. Its name is the same for every bundle, since what is exported records it."""
    spec = importlib.util.spec_from_file_location("model", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def exported(model: nn.Module, ports: Sequence[Port], sizes: Sequence[int]) -> torch.export.ExportedProgram:
    """The model as a graph in which the batch is open, and every extent that Keras left open.

    Sizes that it cannot take (a U-Net wants multiples) become assertions in the graph.
    """
    shapes = tuple(
        {axis: Dim.DYNAMIC for axis, extent in enumerate(port.shape) if extent is None} for port in ports
    )
    with of_any_length():
        return torch.export.export(
            model,
            zeros(ports, BATCHES[0], sizes),
            dynamic_shapes=shapes,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def _cases(
    model: nn.Module, ports: Sequence[Port], rows: Sequence[int | None], sizes: Sequence[tuple[int, ...]]
) -> list[tuple[Inputs, list[torch.Tensor]]]:
    """Two sets of inputs, of different batches and sizes, and what the module itself makes of them."""
    cases = []
    for batch, size in zip(BATCHES, sizes, strict=True):
        inputs = drawn(ports, rows, batch, size)
        try:
            outputs = flat(model(*inputs))
        except (IndexError, RuntimeError):
            # Integers that say something, to a one-hot encoding for one; the smallest say least.
            inputs = drawn(ports, rows, batch, size, most=2)
            outputs = flat(model(*inputs))
        cases.append((inputs, [output.clone() for output in outputs]))
    return cases


def _write_pt2(
    program: torch.export.ExportedProgram,
    _ports: Sequence[Port],
    _outputs: Sequence[Mapping[str, Any]],
    path: Path,
) -> tuple[dict[str, str], Run]:
    traces = {node: node.meta.pop("stack_trace", None) for node in program.graph.nodes}
    examples, program.example_inputs = program.example_inputs, None
    torch.export.save(program, path)
    program.example_inputs = examples
    for node, trace in traces.items():  # the ONNX exporter may have to name a line
        node.meta["stack_trace"] = trace
    again = torch.export.load(path).module()
    return {"torch": torch.__version__}, lambda inputs: flat(again(*inputs))


def _write_onnx(
    program: torch.export.ExportedProgram,
    ports: Sequence[Port],
    outputs: Sequence[Mapping[str, Any]],
    path: Path,
) -> tuple[dict[str, str], Run]:
    from keras2torch.exports.inside.onnx_file import open_onnx, write_onnx

    versions = write_onnx(program, ports, outputs, path)
    return versions, open_onnx(path)


_WRITERS = {"pt2": _write_pt2, "onnx": _write_onnx}

"""One `.h5` in, one bundle out: the steps in order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from keras2torch.bundle import Complete, write_bundle
from keras2torch.emit.module import write_module
from keras2torch.errors import Keras2TorchError, UnsupportedModel
from keras2torch.fusing import fuse_batchnorm
from keras2torch.graph.build import build_graph
from keras2torch.graph.model import Graph
from keras2torch.layers._plugins import rules_of
from keras2torch.options import Asked, ConversionOptions
from keras2torch.program import Program
from keras2torch.resolve import paired, resolve
from keras2torch.soundness import check_numbers
from keras2torch.source.dialects import in_one_spelling, reasons_of
from keras2torch.source.limits import Limits
from keras2torch.source.model import Array, SourceModel
from keras2torch.source.opening import Unwritten
from keras2torch.source.reading import read_source
from keras2torch.structure.recover import Structure, flat, recover
from keras2torch.translate import translate

_HASH_BLOCK = 4 << 20


@dataclass(frozen=True)
class Conversion:
    """What `convert` did."""

    path: Path
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Understood:
    """A model that was read and translated, before a number of it was touched."""

    source: SourceModel
    graph: Graph
    program: Program
    structure: Structure


def understand(path: Path, options: ConversionOptions) -> Understood:
    """Read and translate `path`. Raises `RefusedFile` or `UnsupportedModel`, naming the file."""
    try:
        source = read_model(path, options)
        graph = build_graph(source.config, source.generation, limits=Limits.of(options.limits))
        program = translated(source, graph, options)
        structure = recover(program) if options.style == "blocks" else flat(program)
        program = structure.renamed(program)
        return Understood(paired(source, graph, program.expected), graph, program, structure)
    except Keras2TorchError as error:
        raise error.in_file(str(path)) from error.__cause__


def translated(source: SourceModel, graph: Graph, options: ConversionOptions) -> Program:
    """The program for a model, by the rules that the options name beside those that are always there.

    Raises `UnsupportedModel` with every reason.
    """
    stored = {
        layer: [(weight.name, weight.shape) for weight in weights]
        for layer, weights in source.weights.items()
    }
    reasons = reasons_of(source, options)
    with rules_of(options.layers):
        try:
            program = translate(
                graph,
                io_layout=options.io_layout,
                replace=options.replace,
                stored=stored,
                keras_version=source.keras_version,
                limits=Limits.of(options.limits),
            )
        except UnsupportedModel as refusal:
            raise UnsupportedModel([*reasons, *refusal.reasons]) from None
    if reasons:
        raise UnsupportedModel(reasons)
    if options.fuse_batchnorm:
        fuse_batchnorm(program)
    program.warnings[:0] = source.unused.values()
    return program


def read_model(path: Path, options: ConversionOptions) -> SourceModel:
    """The model in `path`, in one spelling. Raises `RefusedFile`, and `UsageError` for options that it cannot have."""
    limits = Limits.of(options.limits)
    return in_one_spelling(read_source(path, limits, architecture=options.architecture), options)


def convert(
    path: str | Path, out: str | Path, *, export: Sequence[str] = (), **asked: Unpack[Asked]
) -> Conversion:
    """Convert the model in `path` into the bundle folder `out`.

    `asked`: options, as `ConversionOptions` declares them and docs/options.md lists them. `backend`, `input_shape` and
    `architecture` are for files that do not say: what a file says itself is believed, with a warning that the option
    was not used. `layers` and `replace` name files of yours, which are run. `export`: "pt2", "onnx": what to make of
    the module beside its source, as `keras2torch.export` does; where that fails there is no bundle.
    Raises a `Keras2TorchError`; `out` is then as it was before.
    """
    options = ConversionOptions.of(**asked)
    path = Path(path)
    unwritten = Unwritten(path)
    complete = _exporter(export, path) if export else None
    understood = understand(path, options)
    source, program = understood.source, understood.program
    # Hashing releases the GIL, so it runs beside the transposing.
    with ThreadPoolExecutor(1) as pool:
        digest: Future[str] = pool.submit(_sha256, source.content)

        def digest_of_one_content() -> str:
            found = digest.result()
            unwritten.check()
            return found

        try:
            arrays = resolve(source, understood.graph, program.expected)
            program.warnings += check_numbers(arrays, understood.graph)
        except Keras2TorchError as error:
            raise error.in_file(str(path)) from error.__cause__
        module = write_module(
            program,
            understood.structure,
            source_name=path.name,
            keras_version=source.keras_version,
            name=options.class_name,
            hub_mixin=options.hub_mixin,
        )
        manifest = write_bundle(
            Path(out),
            source=source,
            source_sha256=digest_of_one_content,
            program=program,
            module=module,
            arrays=arrays,
            options=options.used_by(source.unused, source.architecture).as_json(),
            complete=complete,
        )
    return Conversion(Path(out), manifest)


def _exporter(formats: Sequence[str], path: Path) -> Complete:
    # Here alone, since most conversions need nothing of it.
    from keras2torch.exports import Exporter, formats_of

    return Exporter(formats_of(formats), str(path))


def _sha256(content: Array) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(content), _HASH_BLOCK):
        digest.update(content[start : start + _HASH_BLOCK].data)
    return digest.hexdigest()

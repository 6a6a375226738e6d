"""The bundle: model.py, model.safetensors, README.md and, written last, manifest.json.

The same input, options and version give the same bytes: no clock, no host, no set order. Everything is written into a
folder beside the target and renamed, so that an interrupted run leaves nothing half-written behind.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from keras2torch._version import __version__
from keras2torch.card import write_card
from keras2torch.emit.code import Value
from keras2torch.emit.module import ModuleSource, Seen
from keras2torch.errors import CannotWrite, UsageError
from keras2torch.options import ARCHITECTURE_FILE
from keras2torch.precision import itemsize
from keras2torch.program import Program
from keras2torch.source.model import SourceModel
from keras2torch.tensors import stored_dtype, write_safetensors
from keras2torch.training import training_notes
from keras2torch.weights import Lookup

Complete = Callable[[Path, Path, dict[str, Any]], None]
"""Adds to a bundle: its folder, the folder for new files, and its manifest, which is told of them under `exports`."""

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
BUNDLE_FILES = frozenset(
    {
        MANIFEST,
        "README.md",
        "__pycache__",
        ARCHITECTURE_FILE,
        "config.json",
        "model.onnx",
        "model.pt2",
        "model.py",
        "model.safetensors",
        "parity.json",
    }
)
"""What may be in a bundle: its own files, what verifying and exporting add, and the config.json of a model hub."""


def write_bundle(
    target: Path,
    *,
    source: SourceModel,
    source_sha256: Callable[[], str],
    program: Program,
    module: ModuleSource,
    arrays: Lookup,
    options: Mapping[str, Any],
    complete: Complete | None = None,
) -> dict[str, Any]:
    """Write the whole bundle to `target`; returns the manifest. `source_sha256` is asked when nothing more is read.

    `complete` is called when model and weights are there, and may add to them. Raises what it raises, `UsageError` if
    `target` is there and is not an earlier bundle, `CannotWrite` if the disk is full or the place is not writable.
    `target` is then as it was before.
    """
    state = {name: weight.as_stored(arrays) for name, weight in program.state.items()}
    program = dataclasses.replace(program, state=state)
    with replacing(target) as folder:
        (folder / "model.py").write_text(module.text, encoding="utf-8")
        tensors = write_safetensors(folder / "model.safetensors", program.state, arrays, options.get("dtype"))
        manifest = _manifest(source, source_sha256(), program, module, arrays, options)
        if complete is not None:
            complete(folder, folder, manifest)
        (folder / "README.md").write_text(write_card(manifest), encoding="utf-8")
        manifest["files"] = [
            file_entry(folder / "model.py"),
            {"path": "model.safetensors", "bytes": tensors.bytes, "sha256": tensors.sha256},
            file_entry(folder / "README.md"),
            *(file_entry(folder / entry["path"]) for entry in manifest.get("exports", ())),
        ]
        if source.architecture is not None:
            (folder / ARCHITECTURE_FILE).write_bytes(source.architecture)
            manifest["files"].append(file_entry(folder / ARCHITECTURE_FILE))
        write_manifest(folder, manifest)
    return manifest


def extend_bundle(target: Path, complete: Complete) -> dict[str, Any]:
    """Add to the bundle in `target` what `complete` makes of it; returns the new manifest.

    Raises `UsageError` if there is no bundle, `CannotWrite`, and what `complete` raises; the bundle is then as it was.
    """
    manifest = read_manifest(target)
    if (target / "config.json").exists():
        raise UsageError(
            "is in the layout of a hub: add to the bundle it came from, then push", file=str(target)
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=target.resolve().parent) as name:
            folder = Path(name)
            complete(target, folder, manifest)
            (folder / "README.md").write_text(write_card(manifest), encoding="utf-8")
            new = [folder / "README.md", *(folder / entry["path"] for entry in manifest["exports"])]
            entries = {path.name: file_entry(path) for path in new if path.exists()}
            manifest["files"] = list(
                {**{entry["path"]: entry for entry in manifest["files"]}, **entries}.values()
            )
            write_manifest(folder, manifest)
            for path in (*entries, MANIFEST):
                (folder / path).replace(target / path)
    except OSError as error:
        raise CannotWrite(f"cannot be written ({error.strerror or error})", file=str(target)) from error
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """The last file of a bundle: with it, the folder is one."""
    text = json.dumps(manifest, indent=1, ensure_ascii=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new folder that takes `target`'s place on success and disappears on failure."""
    target = Path(os.path.realpath(target))
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            folder.chmod(0o755)
            yield folder
            _put_in_place(folder, target)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        culprit = Path(error.filename or target)
        where = f": {culprit}" if culprit in target.parents else ""
        message = f"cannot be written ({error.strerror or error}{where})"
        raise CannotWrite(message, file=str(target)) from error


def _check_replaceable(target: Path) -> None:
    """Nothing there, an empty folder or an earlier bundle, and nothing in it that would be lost."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError("is there already and is no folder: not overwritten", file=str(target))
    present = {entry.name for entry in target.iterdir()}
    if present and MANIFEST not in present:
        raise UsageError("is there already and is not a bundle: not overwritten", file=str(target))
    others = sorted(present - BUNDLE_FILES)
    if others:
        raise UsageError(
            f"holds {others[0]!r}, which is no part of a bundle: not overwritten", file=str(target)
        )
    if present:
        read_manifest(target)


def _put_in_place(folder: Path, target: Path) -> None:
    if not target.exists():
        folder.rename(target)
        return
    old = folder.with_name(folder.name + ".old")
    try:
        target.rename(old)
        folder.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _manifest(
    source: SourceModel,
    source_sha256: str,
    program: Program,
    module: ModuleSource,
    arrays: Lookup,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    count = sum(prod(weight.shape) for weight in program.state.values())
    dtypes = {
        name: stored_dtype(weight, arrays, options.get("dtype")) for name, weight in program.state.items()
    }
    size = sum(prod(weight.shape) * itemsize(dtypes[name]) for name, weight in program.state.items())
    notes = training_notes(source.compiled, program.graph)
    return {
        "schema_version": SCHEMA_VERSION,
        "source": {
            "name": source.path.name,
            "bytes": source.size,
            "sha256": source_sha256,
            "format": source.format,
            "keras_version": source.keras_version,
            "backend": source.backend,
        },
        "converter": {"name": "keras2torch", "version": __version__},
        "options": dict(options),
        "model": {
            "class_name": module.class_name,
            "keras_name": program.graph.name,
            "arguments": list(module.parameters),
        },
        "inputs": [
            _port(value.hint or argument, value)
            for argument, value in zip(module.parameters, program.inputs, strict=True)
        ],
        "outputs": [_port(_output_name(program, i), value) for i, value in enumerate(program.outputs)],
        "parameters": {"count": count, "bytes": size},
        "layers": _layers(program, module),
        "weights": [
            {
                "keras": [str(key) for key in weight.sources],
                "torch": name,
                "transform": "; ".join(weight.steps) or "as stored",
                "shape": list(weight.shape),
                "dtype": dtypes[name],
            }
            for name, weight in program.state.items()
        ],
        "warnings": list(program.warnings),
        **({"training": notes} if notes else {}),
    }


def _axes(value: Value) -> list[int] | None:
    return None if value.axes == tuple(range(value.rank)) else list(value.axes)


def _port(name: str, value: Value) -> dict[str, Any]:
    return {
        "name": name,
        "dtype": value.dtype,
        "keras_shape": list(value.shape),
        "torch_shape": list(value.torch_shape),
        "axes": _axes(value),
    }


def _output_name(program: Program, number: int) -> str:
    return program.graph.nodes[program.graph.outputs[number].node].layer


def _layers(program: Program, module: ModuleSource) -> list[dict[str, Any]]:
    """One entry a Keras layer, with where each call's output can be seen, in the order in which they pass."""
    entries: dict[str, dict[str, Any]] = {}
    seen: set[tuple[str, int]] = set()
    passings = _passings(module)
    for record in program.records:
        entries.setdefault(
            record.path,
            {
                "keras_name": record.path,
                "keras_class": record.class_name,
                "torch_name": record.torch_name,
                "outputs": [],
            },
        )
    for record in sorted(program.records, key=lambda record: module.order.get(id(record.value), -1)):
        entry = entries[record.path]
        seen_at = module.seen.get(id(record.value))
        # A layer that changes nothing, called twice: it is one value, and passes once.
        again = (record.path, id(record.value)) in seen
        seen.add((record.path, id(record.value)))
        if seen_at is not None and record.value.order is None and not again:
            entry["outputs"].append(
                {
                    "call": record.call,
                    "module": seen_at.module,
                    "line": seen_at.line,
                    "passing": passings[id(record.value)],
                    "axes": _axes(record.value),
                }
            )
    return list(entries.values())


def _passings(module: ModuleSource) -> dict[int, int]:
    """Which of the values that are seen at its place each value is, by its id, in the order in which they pass."""
    passed: Counter[Seen] = Counter()
    found = {}
    for key in sorted(module.seen.keys() & module.order.keys(), key=module.order.__getitem__):
        found[key] = passed[module.seen[key]]
        passed[module.seen[key]] += 1
    return found


def file_entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"path": path.name, "bytes": path.stat().st_size, "sha256": digest}


def read_manifest(bundle: Path) -> dict[str, Any]:
    """The manifest of a bundle on disk. Raises `UsageError` where there is none."""
    path = bundle / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("not a bundle: no readable manifest.json", file=os.fspath(bundle)) from error
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA_VERSION:
        raise UsageError("the manifest is of another schema version", file=os.fspath(bundle))
    return manifest

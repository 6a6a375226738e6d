"""The rule for a layer that a torch class of the caller's replaces (`--replace NAME=file.py:ClassName`).

The class is constructed without arguments and called on the layer's inputs in Keras's axes. Its parameters and buffers
are the layer's weights, under their Keras names and in their Keras shapes. Its source is copied into model.py.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras2torch.emit.code import Value
from keras2torch.emit.names import is_free_class_name
from keras2torch.emit.parts import Part, parts_in
from keras2torch.errors import LayerRefused, UsageError
from keras2torch.graph.model import Graph
from keras2torch.layers import _plugins
from keras2torch.layers._call import LayerCall
from keras2torch.options import Replacement

Stored = Mapping[str, tuple[int, ...]]
"""The weights of one layer: path within the layer in Keras, with dots ("kernel", "dense.kernel"), and shape."""


def parts_of(replacement: Replacement) -> dict[str, Part]:
    """The classes and functions of the file, of which the replacing class is one. Raises `UsageError`."""
    path = replacement.file.path
    try:
        text = path.read_text(encoding="utf-8")
        parts = parts_in([text])
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"cannot be read as Python ({error})", file=str(path)) from error
    if replacement.class_name not in parts:
        raise UsageError(f"has no class {replacement.class_name}", file=str(path))
    for name in parts:
        if not is_free_class_name(name):
            raise UsageError(f"{name} is a name that model.py uses itself; choose another", file=str(path))
    _check_constants(text, path)
    return parts


def _check_constants(text: str, path: Path) -> None:
    """Classes and functions are copied, and the imports they name; nothing else at the level of the module is."""
    body = ast.parse(text).body
    assigned = {
        node.id
        for statement in body
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            read = {
                node.id
                for node in ast.walk(statement)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            }
            for name in sorted(read & assigned):
                raise UsageError(
                    f"{statement.name} uses {name}, a variable of the module, which is not copied: "
                    "move it into the class",
                    file=str(path),
                )


def replaced(layer: LayerCall, replacement: Replacement, stored: Stored) -> list[Value]:
    """What the replacing module makes of the layer's inputs; its shapes are found by running it on empty tensors."""
    from keras2torch.layers._probe import Probe

    if any(value is not None for value in layer.arguments.values()):
        raise LayerRefused("has call arguments beside its inputs, so it cannot be replaced")
    inputs = [layer.keras_layout(value) for value in layer.inputs]
    module = _plugins.run_file(replacement.file)
    probe = Probe(getattr(module, replacement.class_name), str(replacement.file.path))
    probe.check_state(stored)
    outputs = probe.outputs([(value.shape, value.dtype) for value in inputs])
    state = {name: layer.weight(name, *shape) for name, shape in stored.items()}
    apply = layer.module(layer.part(replacement.class_name), state=state)
    values = [layer.value(apply(*inputs), shape, dtype=dtype) for shape, dtype in outputs]
    if len(values) > 1:
        layer.bind(values[0], ", ".join(["{}"] * len(values)), *values[1:])
    return values


def replacements_by_path(graph: Graph, replace: Sequence[Replacement]) -> dict[str, Replacement]:
    """Replacements by the path of the layer that each names, by its path or by its name alone."""
    found = {}
    for replacement in replace:
        paths = [path for path in graph.layers if path == replacement.layer] or [
            path for path, layer in graph.layers.items() if layer.name == replacement.layer
        ]
        if len(paths) != 1:
            what = "several layers have" if paths else "no layer has"
            raise UsageError(f"{what} the name {replacement.layer!r} that is to be replaced")
        found[paths[0]] = replacement
    return found

"""README.md of a bundle: what the model was, what it is now, how to load it, and where every weight went.

Names come from the model file: they stand in code spans only, where Markdown and HTML mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras2torch.errors import one_line

_MOST_NAMES = 4
_LOADING = ("from model import load_model", "", "model = load_model()  # eval mode, CPU, float32")


def write_card(
    manifest: Mapping[str, Any],
    *,
    loading: Sequence[str] = _LOADING,
    parity: Mapping[str, Any] | None = None,
) -> str:
    """The model card in Markdown, from the manifest: `loading` is the Python that makes `model`, `parity` a verdict."""
    source, model = manifest["source"], manifest["model"]
    version = (
        f"Keras {_code(source['keras_version'])}" if source["keras_version"] else "unknown version of Keras"
    )
    count, tensors = manifest["parameters"]["count"], len(manifest["weights"])
    converter = manifest["converter"]["version"]
    lines = [
        f"# {model['class_name']}",
        "",
        f"Converted from the Keras model {_code(model['keras_name'])} in {_code(source['name'])}",
        f"({version}, {source['bytes']:,} bytes, sha256 `{source['sha256']}`) by keras2torch {converter}.",
        "",
        "```python",
        *loading,
        f"y = model({', '.join(port['name'] for port in manifest['inputs'])})",
        "```",
        "",
        "| | name | dtype | shape here | shape in Keras |",
        "|---|---|---|---|---|",
        *[_port_row("input", port) for port in manifest["inputs"]],
        *[_port_row("output", port) for port in manifest["outputs"]],
        "",
        *_stored(manifest["options"].get("dtype")),
        f"{count:,} numbers in {tensors} tensors.",
        *_verdict(parity),
    ]
    if manifest["warnings"]:
        lines += ["", "## Warnings", "", *[f"- {_code(warning)}" for warning in manifest["warnings"]]]
    lines += _training(manifest.get("training", {}))
    lines += [
        "",
        "## Weights",
        "",
        "Keras stores kernels with the output axis last, PyTorch with it first; the last column says what was done.",
        "",
        "| Keras | PyTorch | shape | transform |",
        "|---|---|---|---|",
        *[
            f"| {_cell(', '.join(weight['keras']) or '(none)')} | `{weight['torch']}` | {_shape(weight['shape'])} "
            f"| {weight['transform'].replace('|', ',')} |"
            for weight in manifest["weights"]
        ],
    ]
    return "\n".join(lines) + "\n"


def _verdict(parity: Mapping[str, Any] | None) -> list[str]:
    """What is known of how closely the model computes what Keras computes."""
    if parity is None:
        return [
            "After `keras2torch verify`, `parity.json` beside this file says how closely they compute what Keras",
            "computes.",
        ]
    errors = [f"{float(parity[tier]):.1e}" for tier in ("structure_error", "deployment_error")]
    return [
        f"Parity with Keras {'passed' if parity['verdict'] == 'passed' else 'FAILED'}: float64 within {errors[0]} of scale, float32 within {errors[1]}",
        "(`parity.json` beside this file).",
    ]


def _stored(dtype: str | None) -> list[str]:
    """What weights are rounded to, where they are."""
    if dtype is None:
        return []
    return [
        f"Weights are stored as {dtype}, to which Keras's are rounded. `load_model()` computes in float32 with them,",
        f"`load_model(dtype=torch.{dtype})` in {dtype} too.",
        "",
    ]


def _training(notes: Mapping[str, Any]) -> list[str]:
    """How the model was trained in Keras, a section where anything is known of it."""
    lines = []
    if "unreadable" in notes:
        lines += ["", f"What the file says of its training cannot be read: {_code(notes['unreadable'])}."]
    if "optimizer" in notes:
        optimizer = notes["optimizer"]
        settings = ", ".join(f"{key}={value}" for key, value in optimizer["settings"].items())
        lines += ["", f"Compiled in Keras with the optimizer {_code(optimizer['name'])}"]
        lines[-1] += f": {_code(settings)}." if settings else "."
    if "loss" in notes:
        loss = notes["loss"]
        losses = (
            loss.items()
            if isinstance(loss, Mapping)
            else enumerate([loss] if isinstance(loss, str) else loss)
        )
        shown = ", ".join(f"{key}: {value}" if isinstance(key, str) else value for key, value in losses)
        lines += ["", f"Loss: {_code(shown)}."]
    if "frozen" in notes:
        lines += ["", f"Frozen in Keras, so without gradients here: {_some(notes['frozen'])}."]
    if "options" in notes:
        lines += ["", "Options of training in Keras, of which `model.py` holds nothing:", ""]
        lines += ["| option in Keras | value | layers |", "|---|---|---|"]
        lines += [
            f"| {_cell(each['option'])} | {_cell(each['value'])} | {_some(each['layers'], _cell)} |"
            for each in notes["options"]
        ]
    return ["", "## Training", *lines] if lines else []


def _some(names: Sequence[str], show: Callable[[str], str] | None = None) -> str:
    shown = ", ".join(map(show or _code, names[:_MOST_NAMES]))
    more = len(names) - _MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _port_row(kind: str, port: Mapping[str, Any]) -> str:
    here, keras = _shape(port["torch_shape"]), _shape(port["keras_shape"])
    return f"| {kind} | {_cell(port['name'])} | {_cell(port['dtype'])} | {here} | {keras} |"


def _shape(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if n is None else str(n) for n in shape) + ")"


def _code(text: str) -> str:
    return f"`{one_line(text).replace('`', chr(39))}`"


def _cell(text: str) -> str:
    """A code span in a table, where GitHub reads a bar as the end of the cell even so."""
    return _code(text).replace("|", "\\|")

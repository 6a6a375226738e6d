"""README.md of a bundle: what the model was, what it is now, how to load it, and where every weight went."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any


def write_card(manifest: Mapping[str, Any]) -> str:
    """The model card in Markdown, from the manifest alone."""
    source, model = manifest["source"], manifest["model"]
    lines = [
        f"# {_text(model['class_name'])}",
        "",
        f"Converted from the Keras model `{_text(model['keras_name'])}` in `{_text(source['name'])}` "
        f"(Keras {_text(source['keras_version'] or 'version unknown')}, {source['bytes']:,} bytes, "
        f"sha256 `{source['sha256']}`) by keras2torch {manifest['converter']['version']}.",
        "",
        "```python",
        "from model import load_model",
        "",
        "model = load_model()  # eval mode, CPU, float32",
        f"y = model({', '.join(port['name'] for port in manifest['inputs'])})",
        "```",
        "",
        "| | name | dtype | shape here | shape in Keras |",
        "|---|---|---|---|---|",
        *[_port_row("input", port) for port in manifest["inputs"]],
        *[_port_row("output", port) for port in manifest["outputs"]],
        "",
        f"{manifest['parameters']['count']:,} numbers in {len(manifest['weights'])} tensors. After `keras2torch verify`,"
        " `parity.json` beside this file says how closely they compute what Keras computes.",
    ]
    if manifest["warnings"]:
        lines += ["", "## Warnings", "", *[f"- {_text(warning)}" for warning in manifest["warnings"]]]
    lines += [
        "",
        "## Weights",
        "",
        "Keras stores kernels with the output axis last, PyTorch with it first; the transform column says what was done.",
        "",
        "| Keras | PyTorch | shape | transform |",
        "|---|---|---|---|",
        *[
            f"| {_text(', '.join(weight['keras']) or '(none)')} | `{weight['torch']}` | {_shape(weight['shape'])} "
            f"| {_text(weight['transform'])} |"
            for weight in manifest["weights"]
        ],
    ]
    return "\n".join(lines) + "\n"


def _port_row(kind: str, port: Mapping[str, Any]) -> str:
    return (
        f"| {kind} | {_text(port['name'])} | {_text(port['dtype'])} | {_shape(port['torch_shape'])} "
        f"| {_shape(port['keras_shape'])} |"
    )


def _shape(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if n is None else str(n) for n in shape) + ")"


def _text(text: str) -> str:
    """Names come from the model file: keep them from being Markdown or HTML."""
    safe = "".join(char if char.isprintable() else "?" for char in str(text))
    return html.escape(safe, quote=False).replace("|", "\\|").replace("`", "'")

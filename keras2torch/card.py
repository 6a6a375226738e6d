"""README.md of a bundle: what the model was, what it is now, how to load it, and where every weight went.

Names come from the model file: they stand in code spans only, where Markdown and HTML mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from keras2torch.errors import one_line
from keras2torch.weight_kinds import explanations

_MOST_NAMES = 4
_LONGEST_TABLE = 100
"""Rows that a reader takes in at once."""
LOADING = ("from model import load_model", "", "model = load_model()  # eval mode, CPU, float32")


def write_card(
    manifest: Mapping[str, Any],
    *,
    loading: Sequence[str] = LOADING,
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
        f"y = model({', '.join(model['arguments'])})",
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
    lines += _exports(manifest.get("exports", ()))
    if manifest["warnings"]:
        lines += ["", "## Warnings", "", *[f"- {_code(warning)}" for warning in manifest["warnings"]]]
    lines += _training(manifest.get("training", {}))
    lines += ["", "## Weights", ""]
    lines += [f"- {text}" for text in explanations(manifest)]
    lines += _weight_map(manifest["weights"])
    return "\n".join(lines) + "\n"


def _weight_map(weights: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where every tensor came from: one table, or of very many tensors tables that open, each of whole modules."""
    if len(weights) <= _LONGEST_TABLE:
        return ["", *_table(weights)]
    lines = ["", f"{len(weights):,} tensors, in the order of the module:"]
    modules = (list(members) for _, members in groupby(weights, key=_module))
    for part in _packed(modules, _LONGEST_TABLE):
        first, last = _module(part[0]), _module(part[-1])
        title = f"<code>{first}</code>" + (f" to <code>{last}</code>" if last != first else "")
        lines += ["", f"<details><summary>{title}, {len(part)} tensors</summary>", "", *_table(part), ""]
        lines.append("</details>")
    return lines


def _module(weight: Mapping[str, Any]) -> str:
    name: str = weight["torch"]  # a plain identifier, or several with dots: HTML means nothing in it
    return name.rpartition(".")[0] or name


def _packed(groups: Iterable[list[Any]], most: int) -> Iterator[list[Any]]:
    """Whole groups together, as many as `most` items take, or one that is larger."""
    packed: list[Any] = []
    for group in groups:
        if packed and len(packed) + len(group) > most:
            yield packed
            packed = []
        packed = packed + group
    if packed:
        yield packed


def _table(weights: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        "| Keras | PyTorch | shape | transform |",
        "|---|---|---|---|",
        *[
            f"| {_cell(', '.join(weight['keras']) or '(none)')} | `{weight['torch']}` | {_shape(weight['shape'])} "
            f"| {weight['transform'].replace('|', ',')} |"
            for weight in weights
        ],
    ]


def _verdict(parity: Mapping[str, Any] | None) -> list[str]:
    """What is known of how closely the model computes what Keras computes."""
    if parity is None:
        return [
            "After `keras2torch verify`, `parity.json` beside this file says how closely they compute what Keras",
            "computes.",
        ]
    errors = [f"{float(parity[tier]):.1e}" for tier in ("structure_error", "deployment_error")]
    verdict = "passed" if parity["verdict"] == "passed" else "FAILED"
    return [
        f"Parity with Keras {verdict}: float64 within {errors[0]} of scale, float32 within {errors[1]}",
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


_OPENED_BY = {
    "model.pt2": "torch.export.load('model.pt2').module()",
    "model.onnx": "onnxruntime.InferenceSession('model.onnx')",
}


def _exports(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same module in other formats, with how to open each and how far it was off."""
    if not entries:
        return []
    rows = [
        f"| {_cell(entry['path'])} | {_cell(_OPENED_BY[entry['path']])} "
        f"| {_cell(', '.join(f'{name} {version}' for name, version in entry['made_with'].items()))} "
        f"| {max(case['error'] for case in entry['compared']):.1e} |"
        for entry in entries
    ]
    head = ["| file | opened by | made with | largest error, of an output's scale |", "|---|---|---|---|"]
    return [
        "",
        "## Exports",
        "",
        "The batch and every extent shown as ? are open in these too.",
        "",
        *head,
        *rows,
    ]


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

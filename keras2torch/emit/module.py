"""The text of `model.py`, and on which line of it each value is computed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import PurePath

from keras2torch.emit.allowed import HUB_IMPORT, HUB_MIXIN, check_source
from keras2torch.emit.code import Value, render
from keras2torch.emit.forward import Body, write_body
from keras2torch.emit.freezing import freezing_lines
from keras2torch.emit.names import class_name
from keras2torch.emit.parts import with_needs
from keras2torch.emit.wrap import WIDTH, wrapped
from keras2torch.errors import UsageError, one_line
from keras2torch.graph.model import Shape
from keras2torch.translate import Program

_ALWAYS_IMPORTED = (
    "from pathlib import Path",
    "import torch",
    "from safetensors.torch import load_file",
    "from torch import nn",
)
_THIRD_PARTY = frozenset({"huggingface_hub", "safetensors", "torch"})
_LOAD_MODEL = '''def load_model(
    weights: str | Path | None = None, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> nn.Module:
    """The model with its weights, in eval mode. `weights` defaults to model.safetensors beside this file."""
    path = Path(weights) if weights is not None else Path(__file__).with_name("model.safetensors")
    with torch.device("meta"):
        model = Model()
    model.load_state_dict(load_file(path), assign=True)
    return model.to(device=device, dtype=dtype).eval()
'''


@dataclass(frozen=True)
class ModuleSource:
    """`model.py`: its text, the class name, and on which line each value (by its id) is bound."""

    text: str
    class_name: str
    lines: Mapping[int, int]
    parameters: tuple[str, ...]


def write_module(
    program: Program,
    *,
    source_name: str,
    keras_version: str | None,
    name: str | None = None,
    hub_mixin: bool = False,
) -> ModuleSource:
    """Render a whole program, in a class of that `name` or of the model's own, with or without the hub's mixin.

    Raises `UsageError` for a name that something else in the file has, `ForbiddenSource` where the program holds what
    no rule may write: a defect of ours.
    """
    parts = with_needs(program.parts, program.own_parts)
    part_names = frozenset(part.name for part in parts)
    if name in part_names:
        raise UsageError(f"--class-name {name}: model.py has a {name} already, which the model uses")
    if name is None:
        wish = class_name(program.graph.name)
        name = wish if wish not in {*part_names, "Path"} else f"{wish}Model"
    body = write_body(program.inputs, program.statements, program.outputs, part_names)
    modules = [
        line
        for module in program.modules
        for line in wrapped(f"        self.{module.name} = {render(module.code, lambda _: None)}")
    ]
    modules += [f"        {line}" for line in freezing_lines(program.trained)]
    imports = {*_ALWAYS_IMPORTED, *(line for part in parts for line in part.imports)}
    if any(re.search(r"\bF\.", text) for text in (*modules, *(line.text for line in body.lines))):
        imports.add("import torch.nn.functional as F")
    if hub_mixin:
        imports.add(HUB_IMPORT)
    bases = f"nn.Module, {HUB_MIXIN}" if hub_mixin else "nn.Module"
    # A line an item: line numbers are counted.
    out = [*_docstring(program, body, source_name, keras_version), "", *_import_lines(imports)]
    for part in parts:
        out += ["", "", *part.source.splitlines()]
    out += ["", "", f"class {name}({bases}):"]
    if modules:
        out += ["    def __init__(self) -> None:", "        super().__init__()", *modules, ""]
    parameters = ", ".join(f"{parameter}: torch.Tensor" for parameter in body.parameters)
    returns = "torch.Tensor" if len(program.outputs) == 1 else "tuple[torch.Tensor, ...]"
    out += wrapped(f"    def forward(self, {parameters}) -> {returns}:")
    lines: dict[int, int] = {}
    shape: Shape | None = program.inputs[0].torch_shape if program.inputs else None
    for line in body.lines:
        lines[id(line.value)] = len(out) + 1
        comment = "" if line.value.torch_shape == shape else f"  # {_shape_text(line.value.torch_shape)}"
        shape = line.value.torch_shape
        text = f"        {line.text}"
        out += [text + comment] if len(text + comment) <= WIDTH else wrapped(text)
    out.append(f"        return {body.returns}")
    if name != "Model":
        out += ["", "", f"Model = {name}"]
    out += ["", "", *_LOAD_MODEL.splitlines()]
    text = "\n".join(out) + "\n"
    check_source(
        text, parts=[part.name for part in parts], own_parts=program.own_parts.keys(), class_name=name
    )
    return ModuleSource(text, name, lines, body.parameters)


def _docstring(program: Program, body: Body, source_name: str, keras_version: str | None) -> list[str]:
    title = f"{one_line(program.graph.name, 80)}, converted from {one_line(PurePath(source_name).name, 120)}"
    keras = f" (Keras {one_line(keras_version, 20)})" if keras_version else ""
    inputs = [
        f"    {name}: {_tensor_text(value)}"
        for name, value in zip(body.parameters, program.inputs, strict=True)
    ]
    outputs = [f"    {_tensor_text(value)}" for value in program.outputs]
    lines = [f"{title}{keras}.", "", "Inputs:", *inputs, "Outputs:", *outputs]
    first, *rest = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    return [f'"""{first}', *rest, '"""']


def _import_lines(imports: Set[str]) -> list[str]:
    """The import block, sorted as linters want it: `from __future__`, the standard library, torch and friends."""
    third_party = {line for line in imports if line.split()[1].split(".")[0] in _THIRD_PARTY}
    blocks = [
        sorted(block, key=lambda line: (line.startswith("from"), line))
        for block in (imports - third_party, third_party)
    ]
    return ["from __future__ import annotations", "", *blocks[0], "", *blocks[1]]


def _tensor_text(value: Value) -> str:
    keras = "" if value.keras_layout else f", in Keras {_with_batch(value.shape)}"
    return f"{one_line(value.dtype, 20)} {_with_batch(value.torch_shape)}{keras}"


def _with_batch(shape: Shape) -> str:
    return "(" + ", ".join("N" if i == 0 else "?" if n is None else str(n) for i, n in enumerate(shape)) + ")"


def _shape_text(shape: Shape) -> str:
    return (
        "("
        + ", ".join("?" if n is None else str(n) for n in shape[1:])
        + ("," if len(shape) == 2 else "")
        + ")"
    )

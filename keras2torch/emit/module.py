"""The text of `model.py`, and on which line of it each value is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath

from keras2torch.emit.allowed import HUB_IMPORT, HUB_MIXIN, check_source
from keras2torch.emit.classes import write_class
from keras2torch.emit.code import Value
from keras2torch.emit.freezing import freezing_lines
from keras2torch.emit.names import class_name
from keras2torch.emit.parts import with_needs
from keras2torch.errors import UsageError, one_line
from keras2torch.graph.model import Shape
from keras2torch.program import Program
from keras2torch.structure.block import Block
from keras2torch.structure.recover import Structure, flat

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
class Seen:
    """Where a value can be seen when the model runs: on a line of the `forward` of the module at `module` ("" is the
    model itself), or, without a line, as what that module returns.
    """

    module: str
    line: int | None


@dataclass(frozen=True)
class ModuleSource:
    """`model.py`: its text, the class name, and where each value (by its id) is to be seen."""

    text: str
    class_name: str
    seen: Mapping[int, Seen]
    order: Mapping[int, int]
    """Which values, by their ids, are computed before which others."""
    parameters: tuple[str, ...]


def write_module(
    program: Program,
    structure: Structure | None = None,
    *,
    source_name: str,
    keras_version: str | None,
    name: str | None = None,
    hub_mixin: bool = False,
) -> ModuleSource:
    """Render a whole program in the classes of its `structure` (one, if there is none), the model's being called `name`
    or as the model is, with or without the hub's mixin.

    Raises `UsageError` for a name that something else in the file has, `ForbiddenSource` where the program holds what
    no rule may write: a defect of ours.
    """
    structure = structure or flat(program)
    parts = with_needs(program.parts, program.own_parts)
    *blocks, main = structure.blocks
    part_names = frozenset(part.name for part in parts)
    reserved = part_names | {block.name for block in blocks}
    if name in reserved:
        raise UsageError(f"--class-name {name}: model.py has a {name} already, which the model uses")
    if name is None:
        wish = class_name(program.graph.name)
        name = wish if wish not in {*reserved, "Path"} else f"{wish}Model"
    texts = [write_class(block.name, block, reserved) for block in blocks]
    bases = ("nn.Module", HUB_MIXIN) if hub_mixin else ("nn.Module",)
    texts.append(write_class(name, main, reserved, bases=bases, last=freezing_lines(program.trained)))
    imports = {*_ALWAYS_IMPORTED, *(line for part in parts for line in part.imports)}
    if any(re.search(r"\bF\.", line) for text in texts for line in text.lines):
        imports.add("import torch.nn.functional as F")
    if hub_mixin:
        imports.add(HUB_IMPORT)
    # A line an item: line numbers are counted.
    parameters = texts[-1].parameters
    out = [*_docstring(program, parameters, source_name, keras_version), "", *_import_lines(imports)]
    if structure.constants:
        out += ["", *(f"{constant} = {number}" for constant, number in structure.constants.items())]
    for part in parts:
        out += ["", "", *part.source.splitlines()]
    lines: dict[tuple[Block, int], int] = {}
    for block, text in zip(structure.blocks, texts, strict=True):
        out += ["", ""]
        lines |= {(block, key): len(out) + line + 1 for key, line in text.bound.items()}
        out += text.lines
    if name != "Model":
        out += ["", "", f"Model = {name}"]
    out += ["", "", *_LOAD_MODEL.splitlines()]
    source = "\n".join(out) + "\n"
    check_source(
        source,
        parts=[part.name for part in parts],
        blocks=[block.name for block in blocks],
        own_parts=program.own_parts.keys(),
        class_name=name,
        constants=structure.constants,
    )
    return ModuleSource(source, name, dict(_seen(structure, lines)), structure.order, parameters)


def _seen(structure: Structure, lines: Mapping[tuple[Block, int], int]) -> Iterator[tuple[int, Seen]]:
    for key, place in structure.places.items():
        member = place.block.unbound.get(id(place.value))
        line = lines.get((place.block, id(place.value)))
        if member is not None:
            yield key, Seen(f"{place.path}.{member.name}" if place.path else member.name, None)
        elif line is not None:
            yield key, Seen(place.path, line)


def _docstring(
    program: Program, parameters: Sequence[str], source_name: str, keras_version: str | None
) -> list[str]:
    title = f"{one_line(program.graph.name, 80)}, converted from {one_line(PurePath(source_name).name, 120)}"
    keras = f" (Keras {one_line(keras_version, 20)})" if keras_version else ""
    inputs = [
        f"    {name}: {_tensor_text(value)}" for name, value in zip(parameters, program.inputs, strict=True)
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

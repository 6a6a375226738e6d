"""Takes the source of a helper out of `keras2torch.parts`, as text: nothing is imported, torch least of all."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Part:
    """A class or function of `parts/`: its source, and which other parts it names."""

    name: str
    source: str
    needs: tuple[str, ...]


@cache
def _all_parts() -> dict[str, Part]:
    sources: dict[str, tuple[str, ast.AST]] = {}
    for file in sorted(files("keras2torch.parts").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".py"):
            continue
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if node.name in sources:
                    raise ValueError(f"two parts are called {node.name}")
                sources[node.name] = (_segment(text, node), node)
    result = {}
    for name, (source, tree) in sources.items():
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        result[name] = Part(name, source, tuple(sorted((named & sources.keys()) - {name})))
    return result


def _segment(text: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def sources_of(names: Iterable[str]) -> list[str]:
    """Source of each named part and of what it needs, needs first, each once. `KeyError` for a name that is no part."""
    parts, done = _all_parts(), dict[str, str]()

    def add(name: str) -> None:
        if name not in done:
            for need in parts[name].needs:
                add(need)
            done[name] = parts[name].source

    for name in names:
        add(name)
    return list(done.values())


def part_names() -> frozenset[str]:
    return frozenset(_all_parts())

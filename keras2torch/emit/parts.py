"""Takes the source of a helper out of `keras2torch.parts`, or of a user's file, as text: nothing is imported, torch
least of all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Part:
    """A class or function of `parts/`: its source, which other parts it names, and the imports it relies on."""

    name: str
    source: str
    needs: tuple[str, ...]
    imports: frozenset[str]


@cache
def _all_parts() -> dict[str, Part]:
    folder = files("keras2torch.parts").iterdir()
    return parts_in(
        file.read_text(encoding="utf-8")
        for file in sorted(folder, key=lambda entry: entry.name)
        if file.name.endswith(".py")
    )


_BUFFER = re.compile(r'register_buffer\("(\w+)"')
_FROZEN = re.compile(r"self\.(\w+)\.requires_grad_\(False\)")


def never_trained(name: str, own: Mapping[str, Part]) -> tuple[frozenset[str], frozenset[str]]:
    """What is no parameter in the state of the part `name`, and what is one but frozen; nothing where it is no part."""
    parts = {**_all_parts(), **own}
    sources = [part.source for part in with_needs([name], own)] if name in parts else []
    buffers, frozen = (
        frozenset(found for source in sources for found in pattern.findall(source))
        for pattern in (_BUFFER, _FROZEN)
    )
    return buffers, frozen


def signature_of(name: str) -> tuple[tuple[str, ...], dict[str, str]] | None:
    """The parameters of the class `name` of `keras2torch.parts` that have no default, and the defaults of the others.

    None where there is no such class, or it takes any number of arguments.
    """
    part = _all_parts().get(name)
    node = ast.parse(part.source).body[0] if part is not None else None
    if not isinstance(node, ast.ClassDef):
        return None
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            given = method.args
            if given.vararg or given.kwarg:
                return None
            names = [each.arg for each in (*given.posonlyargs, *given.args)][1:]
            first = len(names) - len(given.defaults)
            defaults = {
                name: ast.unparse(value) for name, value in zip(names[first:], given.defaults, strict=True)
            }
            defaults.update(
                {
                    each.arg: ast.unparse(value)
                    for each, value in zip(given.kwonlyargs, given.kw_defaults, strict=True)
                    if value is not None
                }
            )
            return tuple(names[:first]), defaults
    return None


def parts_in(texts: Iterable[str]) -> dict[str, Part]:
    """The classes and functions of Python files, by name. Raises `ValueError` where two have one name,
    `SyntaxError` for what is no Python.
    """
    sources: dict[str, tuple[str, ast.AST, dict[str, str]]] = {}
    for text in texts:
        body = ast.parse(text).body
        imports = _imports(body)
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                if node.name in sources:
                    raise ValueError(f"two parts are called {node.name}")
                sources[node.name] = (_segment(text, node), node, imports)
    result = {}
    for name, (source, tree, imports) in sources.items():
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        needs = tuple(sorted((named & sources.keys()) - {name}))
        result[name] = Part(name, source, needs, frozenset(imports[each] for each in named & imports.keys()))
    return result


def _imports(body: list[ast.stmt]) -> dict[str, str]:
    """Name -> the statement that imports it, one name a statement."""
    found = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                origin = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
                found[alias.asname or alias.name] = f"{origin}import {ast.unparse(alias)}"
    return found


def _segment(text: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def with_needs(names: Iterable[str], own: Mapping[str, Part] | None = None) -> list[Part]:
    """Each named part and what it needs, needs first, each once. `KeyError` for a name that is no part.

    `own` are the parts of the user's files, which come before those of `keras2torch.parts`.
    """
    wanted, done = list(names), dict[str, Part]()
    parts = {**_all_parts(), **(own or {})} if wanted else {}

    def add(name: str) -> None:
        if name not in done:
            for need in parts[name].needs:
                add(need)
            done[name] = parts[name]

    for name in wanted:
        add(name)
    return list(done.values())

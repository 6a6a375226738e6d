"""Helpers are copied as text: with what they need, and with the imports they rely on."""

import ast
import builtins

import pytest

from keras2torch.emit.parts import _all_parts, with_needs


@pytest.mark.parametrize("name", sorted(_all_parts()))
def test_a_part_brings_everything_that_it_names(name: str) -> None:
    parts = with_needs([name])
    text = "\n\n\n".join(
        [*sorted({line for part in parts for line in part.imports}), *(part.source for part in parts)]
    )
    tree = ast.parse(text)
    known = set(dir(builtins))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            known |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            known.add(node.id)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert used <= known
    assert parts[-1].name == name
    [part] = [
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    ]
    assert ast.get_docstring(part)


def test_needs_come_first_and_once() -> None:
    needy = next(part for part in _all_parts().values() if part.needs)
    found = [part.name for part in with_needs([needy.name, *needy.needs, needy.name])]
    assert len(found) == len(set(found))
    assert all(found.index(need) < found.index(needy.name) for need in needy.needs)


def test_no_part_no_file_is_read_and_an_unknown_one_is_an_error() -> None:
    assert with_needs([]) == []
    with pytest.raises(KeyError):
        with_needs(["NoSuchPart"])

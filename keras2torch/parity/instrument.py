"""Loads a Python file with eyes in it: what every `forward` assigns and returns is shown to an observer, and what a
softmax or sigmoid gets that stands outermost there.

Nothing else of the program changes, so what is observed is what runs.
"""

import ast
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

OBSERVE = "_keras2torch_observe_"

Observe = Callable[[Any, int, Any], Any]
"""Called with the object whose `forward` runs, a place, and the value, which it must return.

The place is the line of the statement; `before_activation` of it for what the statement's softmax or sigmoid gets.
"""

_SATURATING = frozenset({"torch.sigmoid", "torch.softmax"})
"""What hides the values that it gets, where they are large."""


def before_activation(line: int) -> int:
    """The place of what a softmax or sigmoid gets, in the statement on this line."""
    return -line


def load_instrumented(path: Path, name: str, observe: Observe) -> ModuleType:
    """Import the file as module `name`. Writes no byte code beside it."""
    loader = _InstrumentedLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, OBSERVE, observe)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


class _InstrumentedLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        return compile(ast.fix_missing_locations(_Instrument().visit(tree)), path, "exec")


class _Instrument(ast.NodeTransformer):
    """Adds `observe(self, line, value)` after every assignment and round every returned value of a
    `forward`.
    """

    def __init__(self) -> None:
        self._inside = False

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef) and statement.name == "forward":
                self._inside = True
                self.generic_visit(statement)
                self._inside = False
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return node  # a function within a forward: its `self`, if any, is not ours

    def visit_Assign(self, node: ast.Assign) -> Any:
        if not self._inside:
            return node
        node.value = _watched(node, node.value)
        return [node, _observation(node, node.targets[0])]

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return [node, _observation(node, node.target)] if self._inside else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if not self._inside or node.value is None:
            return node
        node.value = _watched(node, node.value)
        return [node, _observation(node, node.target)]

    def visit_Return(self, node: ast.Return) -> Any:
        if self._inside and node.value is not None:
            node.value = _call(node, node.lineno, _watched(node, node.value))
        return node


def _watched(statement: ast.stmt, value: ast.expr) -> ast.expr:
    """The value, with an eye on what it hands to the softmax or sigmoid that it is, if it is one."""
    if isinstance(value, ast.Call) and value.args and ast.unparse(value.func) in _SATURATING:
        value.args[0] = _call(statement, before_activation(statement.lineno), value.args[0])
    return value


def _observation(statement: ast.stmt, target: ast.expr) -> ast.stmt:
    return ast.copy_location(ast.Expr(_call(statement, statement.lineno, _loaded(target))), statement)


def _loaded(target: ast.expr) -> ast.expr:
    """The expression that reads back what was assigned to `target`."""
    if isinstance(target, ast.Tuple | ast.List):
        named = [each for each in target.elts if not (isinstance(each, ast.Name) and each.id == "_")]
        return ast.Tuple([_loaded(each) for each in named], ast.Load())
    copy = ast.parse(ast.unparse(target), mode="eval").body
    return copy.value if isinstance(copy, ast.Starred) else copy


def _call(statement: ast.stmt, place: int, value: ast.expr) -> ast.expr:
    arguments = [ast.Name("self", ast.Load()), ast.Constant(place), value]
    return ast.copy_location(ast.Call(ast.Name(OBSERVE, ast.Load()), arguments, []), statement)

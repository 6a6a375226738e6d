"""Import rules that a reader of import statements cannot see: libraries that are loaded by name."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("db", "fleet", "keras2torch", "scheduler", "storage", "workers")
KERAS = {"keras", "tensorflow", "tf_keras"}


def _loads_by_name(tree: ast.AST) -> set[str]:
    """First parts of the names that `import_module` and `__import__` are given, where they are literals.

    A name that is only known at run time counts as "?", because it could be anything.
    """
    loaded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = ast.unparse(node.func).rpartition(".")[2]
            if function in {"import_module", "__import__"} and node.args:
                match node.args[0]:
                    case ast.Constant(value=str(name)):
                        loaded.add(name.partition(".")[0])
                    case _:
                        loaded.add("?")
    return loaded


def _product_files() -> list[Path]:
    return [path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py"))]


def test_only_the_reference_side_of_parity_loads_tensorflow_or_keras() -> None:
    loaders = {
        str(path.relative_to(ROOT))
        for path in _product_files()
        if _loads_by_name(ast.parse(path.read_text())) & KERAS
    }
    assert loaders == {
        "keras2torch/parity/float64.py",
        "keras2torch/parity/library.py",
        "keras2torch/parity/reference.py",
    }


def test_modules_are_loaded_by_a_computed_name_in_few_known_places() -> None:
    loaders = {
        str(path.relative_to(ROOT))
        for path in _product_files()
        if "?" in _loads_by_name(ast.parse(path.read_text()))
    }
    assert loaders == {
        "keras2torch/__init__.py",  # what is behind the public door
        "keras2torch/layers/_registry.py",  # its own families
        "keras2torch/operations/_registry.py",  # its own families
        "keras2torch/parity/applications.py",  # the layers of keras.applications
        "keras2torch/parity/library.py",  # keras or tf_keras
        "keras2torch/parity/stand_ins/__init__.py",  # its own modules
        "keras2torch/sandbox/child.py",  # the function to run
        "keras2torch/sandbox/server.py",  # what to preload
    }

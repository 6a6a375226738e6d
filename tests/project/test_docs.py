"""Documents that speak of code, against the code."""

import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType

from keras2torch.options import Asked, ConversionOptions
from keras2torch.source.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_layers_is_that_of_the_registry() -> None:
    written = (DOCS / "layers.md").read_text()
    assert written == _generator().layers_page(), "run make docs"


def test_the_table_of_operations_is_that_of_the_registry() -> None:
    written = (DOCS / "operations.md").read_text()
    assert written == _generator().operations_page(), "run make docs"


def test_the_table_of_limits_is_that_of_the_code() -> None:
    page = (DOCS / "limits.md").read_text()
    assert page == _generator().limits_page(), "run make docs"
    names = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert names == [field.name for field in dataclasses.fields(Limits)]


def test_the_table_of_options_is_that_of_the_code() -> None:
    written = (DOCS / "options.md").read_text()
    assert written == _generator().options_page(), "run make docs"
    names = re.findall(r"^\| `--[^`]*` \| `(\w+)` \|", written, re.MULTILINE)
    assert names == [field.name for field in dataclasses.fields(ConversionOptions)]
    assert set(names) == Asked.__annotations__.keys()


def test_the_layer_shown_as_an_example_stands_in_the_code_as_shown() -> None:
    page = (DOCS / "adding-a-layer.md").read_text()
    [(file, diff)] = re.findall(r"```diff\n--- a/(\S+)\n.+?\n(.+?)```", page, re.DOTALL)
    added = [line[1:] for line in diff.splitlines() if line.startswith("+")]
    code = (ROOT / file).read_text()
    rule = "\n".join(added[added.index("@converts(") :])
    assert rule in code
    assert all(line in code for line in added)


def test_the_architecture_names_every_package_and_every_part_of_the_engine() -> None:
    page = (DOCS / "architecture.md").read_text()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    parts = {path.parent.name for path in (ROOT / "keras2torch").glob("*/__init__.py")}
    unnamed = {name for name in packages | parts if not re.search(rf"\b{name}\b", page)}
    assert unnamed == set()

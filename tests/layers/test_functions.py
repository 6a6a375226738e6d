"""Every activation that a Keras library offers has a formula here, or a reason why it can have none."""

import ast
import importlib.util
from pathlib import Path

import pytest

import keras2torch
from keras2torch.layers import _functions
from tests.crafted import layer, sequential, write_model

NO_ACTIVATIONS = {"get", "serialize", "deserialize"}


def offered(package: str, file: str) -> set[str]:
    """Names that an `__init__` file of an installed package imports; nothing of the package runs."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return names - NO_ACTIVATIONS


@pytest.mark.parametrize(
    ("package", "file", "some"),
    [
        ("keras", "activations/__init__.py", {"celu", "hard_swish", "sparsemax", "threshold"}),
        ("tf_keras", "api/_v2/keras/activations/__init__.py", {"mish", "swish"}),
    ],
)
def test_every_public_activation_is_known(package: str, file: str, some: set[str]) -> None:
    names = offered(package, file)
    assert names > some, "the list is not where it was"
    assert sorted(names - set(_functions.names()) - _functions.REFUSED.keys()) == []


def test_a_name_has_a_formula_or_a_reason_and_not_both() -> None:
    assert not _functions.REFUSED.keys() & set(_functions.names())


@pytest.mark.parametrize(
    ("version", "name", "refused", "warned"),
    [
        ("1.2.2", "gelu", True, False),
        ("2.2.4", "gelu", True, False),
        ("2.3.0-tf", "gelu", True, False),
        ("2.4.0", "gelu", False, False),
        ("2.2.4", "leaky_relu", True, False),
        ("2.4.0", "leaky_relu", False, False),
        ("2.2.4", "swish", False, True),
        ("2.2.4", "relu6", False, True),
        ("2.15.0", "swish", False, False),
        ("2.2.4", "tanh", False, False),
    ],
)
def test_a_function_may_be_its_authors_own(
    version: str, name: str, refused: bool, warned: bool, tmp_path: Path
) -> None:
    config = sequential(layer("Activation", "a", activation=name, batch_input_shape=[None, 3]))
    found = keras2torch.inspect(write_model(tmp_path / "m.h5", config, {}, keras_version=version))
    assert [reason.option for reason in found.reasons] == ["activation"] * refused
    assert all("--replace NAME=FILE.py:CLASS" in reason.message for reason in found.reasons)
    assert [warning for warning in found.warnings if "its author's" in warning] == list(found.warnings)
    assert bool(found.warnings) is warned

"""The stand-ins, against TensorFlow's own float32 kernels: the same function, only more exact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keras2torch.sandbox import Sandbox
from tests.parity.float64_operations import OPERATIONS


@pytest.fixture(scope="module")
def errors(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("float64")
    outcome = sandboxes["keras"].run("tests.parity.float64_operations:compare_all", {}, workdir=folder)
    assert outcome.ok, outcome.log_tail
    return dict(outcome.result)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_stand_in_means_what_it_stands_for(name: str, errors: dict[str, Any]) -> None:
    assert errors[name]["dtype"] == "float64"
    assert errors[name]["to_float32"] < 1e-6
    assert 0 <= errors[name]["to_truth"] < 2e-15


def test_everything_is_put_back(errors: dict[str, Any]) -> None:
    assert errors["restored"] is True

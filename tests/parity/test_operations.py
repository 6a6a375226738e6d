"""Every example of every operation, by every name it has in each library: saved, converted, and proven."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from keras2torch.sandbox import Sandbox
from tests.parity.judging import judge, proven
from tests.parity.operation_models import DIALECTS, known_to
from tests.parity.operation_patterns import PATTERNS

TEST = "test_operation_is_proven["
BUILD = "tests.parity.operation_models:build_all"
CASES = [
    pytest.param(library, name, id=f"{name}-{library}")
    for library in DIALECTS
    for name in (*known_to(library), *PATTERNS[library])
]


@pytest.fixture(scope="session")
def judged(
    request: pytest.FixtureRequest, sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """For each library: what became of each operation that is to be tested."""
    selected = [vars(item)["callspec"].params for item in request.session.items if item.name.startswith(TEST)]
    return {
        library: judge(
            BUILD,
            library,
            sorted({params["name"] for params in selected if params["library"] == library}),
            sandboxes,
            tmp_path_factory.mktemp(library),
        )
        for library in DIALECTS
    }


@pytest.mark.parametrize(("library", "name"), CASES)
def test_operation_is_proven(library: str, name: str, judged: dict[str, Any]) -> None:
    proven(judged[library][name])


def test_arguments_stand_where_tensorflow_has_them(sandboxes: Mapping[str, Sandbox], tmp_path: Path) -> None:
    outcome = sandboxes["tf_keras"].run(
        "tests.parity.operation_models:signatures_that_differ", {}, workdir=tmp_path
    )
    assert outcome.ok, outcome.log_tail
    assert outcome.result == []

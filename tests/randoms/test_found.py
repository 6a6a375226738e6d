"""Faults that random models have found, each on a small model."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from keras2torch.parity.verify import Verifier
from tests.parity.judging import judge, proven
from tests.randoms.found_models import BUILDERS

CASES = [
    pytest.param(library, name, id=f"{name}-{library}")
    for name, (_, _, libraries) in BUILDERS.items()
    for library in libraries
]


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


@pytest.fixture(scope="module")
def judged(verifier: Verifier, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    return {
        library: judge(
            "tests.randoms.found_models:build_all",
            library,
            [name for name, (_, _, libraries) in BUILDERS.items() if library in libraries],
            verifier.sandboxes,
            tmp_path_factory.mktemp(library),
        )
        for library in ("keras", "tf_keras")
    }


@pytest.mark.parametrize(("library", "name"), CASES)
def test_what_was_found_is_mended(library: str, name: str, judged: Mapping[str, Mapping[str, Any]]) -> None:
    proven(judged[library][name])

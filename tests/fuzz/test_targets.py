"""What is fuzzed, on what fuzzing begins with, and on what it has found."""

from pathlib import Path

import pytest

from keras2torch.errors import Keras2TorchError
from tests.fuzz import targets
from tests.fuzz.seeds import mutated_document, seeds
from tests.fuzz.targets import TARGETS

FINDINGS = sorted((Path(__file__).parent / "findings").iterdir())


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda path: path.name)
def test_what_was_found_is_mended(finding: Path) -> None:
    TARGETS[finding.name.split("-")[0]](finding.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_most_seeds_are_sound(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[Keras2TorchError] = []
    monkeypatch.setattr(targets, "_one_line", refused.append)
    found = seeds(target)
    for seed in found:
        TARGETS[target](seed)
    assert len(refused) < len(found) / 3


def test_a_defect_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "read_source", lambda _: {"a": 1}["b"])
    with pytest.raises(KeyError):
        targets.reader(b"anything")


def test_a_mutated_document_is_one_still() -> None:
    [first, *_] = seeds("configs")
    found = {mutated_document(first, seed) for seed in range(50)}
    assert len(found) > 40
    assert all(data.startswith(b"{") for data in found)
    assert mutated_document(b"no document", 1) == b"no document"

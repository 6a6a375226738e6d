"""Every hostile input: one line that names file and spot, the right exit code, in a second and little memory."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from keras2torch.sandbox import Sandbox
from tests.crafted import dense_model
from tests.hostile.attacks import CONVERTS, Attack, inputs
from tests.hostile.attempt import SERVER, ended

MOST_SECONDS = 2.0
"""Of a processor that tests may share; `make hostile` shows that each takes less than one of its own."""
MOST_BYTES = 400 << 20
"""Above what a sound model takes. 100 MB of configuration take the most: they are looked at, then refused."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SERVER) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def usual_bytes(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Peak memory of converting the smallest model."""
    folder = tmp_path_factory.mktemp("sound")
    found = ended(sandbox, Attack("sound", dense_model(folder / "m.h5"), CONVERTS), folder)
    assert found.faults == ()
    return found.peak_bytes


def test_there_are_forty() -> None:
    assert list(inputs()) == list(range(1, 41))


@pytest.mark.parametrize("number", inputs())
def test_a_hostile_input(number: int, sandbox: Sandbox, usual_bytes: int, tmp_path: Path) -> None:
    faults = {}
    for attack in inputs()[number].craft(tmp_path):
        found = ended(sandbox, attack, tmp_path)
        slow = (f"{found.seconds:.1f} s",) if found.seconds > MOST_SECONDS else ()
        large = found.peak_bytes - usual_bytes > MOST_BYTES
        if found.faults or slow or large:
            faults[attack.name] = (*found.faults, *slow, found.peak_bytes >> 20, found.message)
    shutil.rmtree(tmp_path)
    assert faults == {}

"""The gallery is what the converter writes today, and what it writes passes a consumer's ruff."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import gallery


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return gallery.pages()


def test_files_are_what_is_written_today(written: dict[str, str]) -> None:
    kept = {
        path.name: path.read_text(encoding="utf-8") for path in gallery.FOLDER.iterdir() if path.is_file()
    }
    del kept["review.md"]  # what people think of them
    assert kept.keys() == written.keys()
    stale = [name for name, text in written.items() if kept[name] != text]
    assert not stale, "make gallery writes these anew"


def test_there_are_thirteen_nets(written: dict[str, str]) -> None:
    assert sum(name.endswith(".py") for name in written) >= 13


def test_ruff_finds_nothing() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--line-length=100", str(gallery.FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

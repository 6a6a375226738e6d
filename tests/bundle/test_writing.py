"""A bundle appears whole or not at all, and nothing that was there is lost."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch import conversion, convert
from keras2torch.bundle import _put_in_place
from keras2torch.emit.module import write_module
from keras2torch.errors import CannotWrite, RefusedFile, Unreadable, UsageError
from tests.bundle.test_contract import contents
from tests.crafted import dense_model, layer, sequential, write_model

FILES = {"README.md", "manifest.json", "model.py", "model.safetensors"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return dense_model(tmp_path / "source/m.h5")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder to write bundles into."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_folders_on_the_way_are_made(source: Path, place: Path) -> None:
    convert(source, place / "a/b/c")
    assert contents(place / "a/b/c").keys() == FILES
    assert [path.name for path in (place / "a/b").iterdir()] == ["c"]


def test_an_empty_folder_is_filled(source: Path, place: Path) -> None:
    convert(source, place)
    assert contents(place).keys() == FILES


def test_an_earlier_bundle_is_replaced_whole(source: Path, place: Path) -> None:
    convert(source, place / "out")
    for name in ("parity.json", "model.pt2", "model.onnx"):
        (place / "out" / name).write_text("of the bundle before")
    (place / "out/__pycache__").mkdir()
    convert(source, place / "out")
    assert contents(place / "out").keys() == FILES
    assert [path.name for path in place.iterdir()] == ["out"]


def test_a_link_to_a_folder_stays_a_link(source: Path, place: Path) -> None:
    (place / "real").mkdir()
    (place / "link").symlink_to("real")
    for _ in range(2):
        convert(source, place / "link")
        assert (place / "link").is_symlink()
        assert contents(place / "real").keys() == FILES


def test_what_is_no_bundle_is_not_overwritten(source: Path, place: Path) -> None:
    (place / "file").write_text("mine")
    (place / "folder").mkdir()
    (place / "folder/mine.txt").write_text("mine")
    convert(source, place / "bundle")
    (place / "bundle/train.py").write_text("mine")
    for name, words in {
        "file": "is no folder",
        "folder": "is not a bundle",
        "bundle": "holds 'train.py', which is no part of a bundle",
    }.items():
        before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
        with pytest.raises(UsageError) as caught:
            convert(source, place / name)
        assert str(caught.value).startswith(f"{place / name}: ")
        assert words in str(caught.value)
        assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_refused_model_makes_no_folder(tmp_path: Path, place: Path) -> None:
    bad = dense_model(tmp_path / "m.h5", weights={})
    with pytest.raises(RefusedFile):
        convert(bad, place / "a/out")
    assert not list(place.iterdir())


def test_places_that_cannot_be_written(source: Path, place: Path) -> None:
    (place / "file").write_text("")
    for target, words in {
        place / "file/out": f"File exists: {place}/file",
        Path("/proc/keras2torch/out"): "No such file or directory: /proc/keras2torch",
        place / ("x" * 300): "File name too long",
    }.items():
        with pytest.raises(CannotWrite) as caught:
            convert(source, target)
        assert str(caught.value) == f"{target}: cannot be written ({words})"
        assert caught.value.exit_code == 1


@pytest.fixture
def nobodys_folder() -> Iterator[Path]:
    """A folder that this process may not write to, even if it is root's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)
            Path(folder).chmod(0o755)


def test_a_folder_that_may_not_be_written(
    tmp_path_factory: pytest.TempPathFactory, nobodys_folder: Path
) -> None:
    with tempfile.TemporaryDirectory() as readable, pytest.raises(CannotWrite) as caught:
        convert(dense_model(Path(readable) / "m.h5"), nobodys_folder / "out")
    assert str(caught.value) == f"{nobodys_folder / 'out'}: cannot be written (Permission denied)"


def test_a_second_rename_that_fails_brings_the_first_bundle_back(source: Path, place: Path) -> None:
    convert(source, place / "out")
    before = contents(place / "out")
    with pytest.raises(FileNotFoundError):
        _put_in_place(place / ".never-made", place / "out")
    assert contents(place / "out") == before
    assert [path.name for path in place.iterdir()] == ["out"]


# -------------------------------------------------------------------------------------- in the middle of a large one

LARGE = 96 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose weights take a good part of a second to write."""
    config = sequential(
        layer("Dense", "d", units=2048, use_bias=False, batch_input_shape=[None, LARGE // 8192])
    )
    weights = {"d": {"k": np.zeros((LARGE // 8192, 2048), np.float32)}}
    return write_model(tmp_path_factory.mktemp("large") / "m.h5", config, weights)


def command(source: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "keras2torch.cli", "convert", str(source), "-o", str(target)]


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_conversion(
    source: Path, large: Path, place: Path, number: signal.Signals, earlier: bool
) -> None:
    target = place / "out"
    if earlier:
        convert(source, target)
    before = contents(target) if earlier else {}
    process = subprocess.Popen(command(large, target), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 1 << 20 for path in place.glob(".out.*/model.safetensors")):
        assert time.monotonic() < deadline
        assert process.poll() is None, "over before it could be interrupted"
        time.sleep(0.001)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    left = [path.name for path in place.iterdir()]
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert len([name for name in left if name.startswith(".out.")]) == 1  # nobody was left to remove it
    else:
        assert process.returncode == 130
        assert errors == "keras2torch: interrupted\n"
        assert left == (["out"] if earlier else [])
    assert target.exists() is earlier
    assert not earlier or contents(target) == before
    convert(source, target)
    assert contents(target).keys() == FILES


def test_a_full_disk(source: Path, large: Path, place: Path) -> None:
    """A file may not grow past 8 MiB: what a full disk looks like to the one who writes."""
    convert(source, place / "out")
    before = contents(place / "out")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, 8 << 20))

    run = subprocess.run(
        command(large, place / "out"),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr == f"keras2torch: {place / 'out'}: cannot be written (File too large)\n"
    assert [path.name for path in place.iterdir()] == ["out"]
    assert contents(place / "out") == before


@pytest.mark.parametrize("kind", ["written", "grown", "replaced", "removed"])
def test_a_source_that_changes_while_it_is_read(
    source: Path, place: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights half of one model and half of another are no model. What only took the name away harms nobody."""
    other = dense_model(place.parent / "other.h5")
    content = source.read_bytes()

    def change() -> None:
        if kind == "written":
            source.write_bytes(content[:-8] + bytes(8))
        elif kind == "grown":
            with source.open("ab") as file:
                file.write(b"more")
        elif kind == "replaced":
            other.replace(source)
        else:
            source.unlink()

    def while_reading(*arguments: Any, **options: Any) -> Any:
        change()
        return write_module(*arguments, **options)

    monkeypatch.setattr(conversion, "write_module", while_reading)
    if kind in ("written", "grown"):
        with pytest.raises(Unreadable, match="was written to while it was read") as caught:
            convert(source, place / "out")
        assert str(caught.value).startswith(f"{source}: ")
        assert list(place.iterdir()) == []
    else:
        digest = convert(source, place / "out").manifest["source"]["sha256"]
        assert digest == hashlib.sha256(content).hexdigest()

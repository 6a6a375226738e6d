"""Files that are no sound model: each is refused in one line that names the file and the place."""

import json
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras2torch import errors
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.reading import read_source
from tests.crafted import dense_model, layer, names, numbers, sequential, write_model

KERNEL = "model_weights/dense/dense/kernel:0"
Edit = Callable[[h5py.File], object]


def refusal(path: Path, limits: Limits = DEFAULT) -> errors.RefusedFile:
    with pytest.raises(errors.RefusedFile) as caught:
        read_source(path, limits)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable(), text
    assert caught.value.exit_code == 3
    return caught.value


# ------------------------------------------------------------------------------------------- what is no HDF5 at all


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", errors.NotHDF5, "empty"),
        (b"\x89HDF", errors.NotHDF5, "Not an HDF5 file"),
        (b"#!/usr/bin/env python\nprint()\n", errors.NotHDF5, "Not an HDF5 file"),
        (b"CDF\x01" + bytes(100), errors.NotHDF5, "Not an HDF5 file"),
        (b"PK\x03\x04" + bytes(100), errors.DamagedZip, "zip"),
        (b"\x89HDF\r\n\x1a\n", errors.DamagedHDF5, "damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(4096), errors.RefusedFile, ""),
        (b"\x89HDF\r\n\x1a\n" + b"\xff" * 4096, errors.RefusedFile, ""),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, error: type[Exception], words: str) -> None:
    path = tmp_path / "m.h5"
    path.write_bytes(content)
    found = refusal(path)
    assert isinstance(found, error)
    assert words in str(found)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, words in {
        "pipe": "not a regular file",
        "folder": "not a regular file",
        "zero": "not a regular file",
        "missing": "cannot be opened (No such file or directory)",
        "loop": "cannot be opened (Too many levels of symbolic links)",
        "a\0b": "cannot be opened (embedded null byte)",
    }.items():
        with pytest.raises(errors.Unreadable) as caught:
            read_source(tmp_path / name)
        assert words in str(caught.value)


def test_a_file_that_may_not_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = dense_model(Path(folder) / "m.h5")
        path.chmod(0)
        Path(folder).chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)  # to root, every file is readable
        try:
            assert "cannot be opened (Permission denied)" in str(refusal(path))
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_every_truncation(tmp_path: Path, libver: str) -> None:
    whole = dense_model(tmp_path / "whole.h5", libver=libver).read_bytes()
    path = tmp_path / "m.h5"
    for size in (8, 20, 96, len(whole) // 4, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        found = refusal(path)
        assert size < 96 or (
            isinstance(found, errors.Truncated) and f"{size} bytes of {len(whole)}" in str(found)
        )


# ------------------------------------------------------------------------------------- HDF5, but no model of Keras


def test_files_without_a_model(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"

    def made_of(edit: Edit) -> errors.RefusedFile:
        with h5py.File(path, "w") as file:
            edit(file)
        return refusal(path)

    def weights_only(file: h5py.File) -> None:
        file.attrs["layer_names"] = names(["dense"])
        file.attrs["backend"] = "tensorflow"

    def weights_h5(file: h5py.File) -> None:
        file.create_dataset("layers/dense/vars/0", data=numbers(3, 2))

    def ancient(file: h5py.File) -> None:
        file.attrs["nb_layers"] = 1
        file.create_dataset("layer_0/param_0", data=numbers(3, 2))

    def interrupted(file: h5py.File) -> None:
        file.attrs["model_config"] = "{}"

    assert isinstance(made_of(weights_only), errors.WeightsOnly)
    assert ".weights.h5" in str(made_of(weights_h5))
    assert isinstance(made_of(ancient), errors.WeightsOnly)
    assert "interrupted save" in str(made_of(interrupted))
    assert isinstance(made_of(lambda _: None), errors.NotAKerasModel)
    assert made_of(lambda _: None).kind == "not-a-keras-model"


# ---------------------------------------------------------------------------------------------- the configuration


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ("{not json", errors.BadConfig, "not JSON"),
        ("", errors.BadConfig, "not JSON"),
        ('["Sequential"]', errors.BadConfig, "JSON list"),
        ('"Sequential"', errors.BadConfig, "JSON str"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', errors.BadConfig, "'c' twice"),
        ('{"a": NaN}', errors.BadConfig, "NaN"),
        ('{"a": -Infinity}', errors.BadConfig, "Infinity"),
        ('{"a": 1e999}', errors.BadConfig, "1e999"),
        ('{"a": 9007199254740993}', errors.BadConfig, "beyond 2^53"),
        ('{"a": ' + "9" * 5000 + "}", errors.BadConfig, "beyond 2^53"),
        ('{"a": "x"} trailing', errors.BadConfig, "not JSON"),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", errors.LimitExceeded, "nested deeper than 64"),
        ('{"a": ' * 65 + "1" + "}" * 65, errors.LimitExceeded, "nested deeper than 64"),
        (np.bytes_(b'{"a": "\xff"}'), errors.BadConfig, "not UTF-8"),
        (np.asarray(["{}"], dtype=h5py.string_dtype()), errors.BadConfig, "not a string"),
        (np.zeros((2, 2)), errors.BadConfig, "not a string"),
        (7, errors.BadConfig, "not a string"),
        (h5py.Empty("S10"), errors.BadConfig, "not a string"),
    ],
)
def test_configurations(tmp_path: Path, config: Any, error: type[Exception], words: str) -> None:
    def store(file: h5py.File) -> None:
        file.attrs["model_config"] = config

    found = refusal(dense_model(tmp_path / "m.h5", edit=store))
    assert isinstance(found, error)
    assert words in str(found)
    assert "model_config" in str(found)


def test_brackets_in_strings_are_not_nesting(tmp_path: Path) -> None:
    config = {"class_name": "Sequential", "config": {"name": '[{"' * 100 + "\\" * 7}}
    assert read_source(write_model(tmp_path / "m.h5", json.dumps(config), {})).config == config


@pytest.mark.timeout(10)
def test_an_unclosed_string_is_scanned_once(tmp_path: Path) -> None:
    path = dense_model(tmp_path / "m.h5", config='{"a": "' + '\\"' * 200_000, weights={})
    assert "not JSON" in str(refusal(path))


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("keras_version", "4x", "keras_version '4x' is not known"),
        ("keras_version", "banana", "keras_version 'banana' is not known"),
        ("keras_version", 2.15, "keras_version holds a float64, not text"),
        ("keras_version", np.bytes_(b"\xff2"), "keras_version is not UTF-8"),
        ("keras_version", "2" * 5000, "keras_version is too long"),
        ("backend", np.zeros(3), "backend holds a ndarray, not text"),
    ],
)
def test_versions(tmp_path: Path, attribute: str, value: Any, words: str) -> None:
    def store(file: h5py.File) -> None:
        file["model_weights"].attrs[attribute] = value

    assert words in str(refusal(dense_model(tmp_path / "m.h5", edit=store)))


@pytest.mark.parametrize(
    "sign",
    [
        layer("InputLayer", "in", batch_shape=[None, 3]),
        layer("Dense", "dense", {"args": [], "kwargs": {}}, units=2),
    ],
)
def test_a_configuration_of_another_generation_than_the_version_says(
    tmp_path: Path, sign: dict[str, Any]
) -> None:
    path = write_model(tmp_path / "m.h5", sequential(sign), {}, keras_version="2.4.0")
    assert "that of Keras 3" in str(refusal(path))


# ------------------------------------------------------------------------------------------ lists of names, links


def attribute_of(place: str, name: str, value: Any) -> Edit:
    def store(file: h5py.File) -> None:
        del file[place].attrs[name]
        if value is not None:
            file[place].attrs[name] = value

    return store


def with_chunk(place: str, name: str) -> Edit:
    def store(file: h5py.File) -> None:
        file[place].attrs[name] = names(["more"])

    return store


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (attribute_of("model_weights", "layer_names", None), "attribute layer_names is missing"),
        (attribute_of("model_weights", "layer_names", "dense"), "layer_names is not a list of names"),
        (attribute_of("model_weights", "layer_names", np.arange(3)), "layer_names is not a list of names"),
        (attribute_of("model_weights", "layer_names", names(["gone"])), "'gone', which is not a group"),
        (attribute_of("model_weights", "layer_names", names(["dense", "dense"])), "'dense' twice"),
        (attribute_of("model_weights", "layer_names", names([""])), "an empty name"),
        (attribute_of("model_weights", "layer_names", np.asarray([b"\xff"])), "not UTF-8"),
        (attribute_of("model_weights", "layer_names", names(["x" * 5000])), "too long"),
        (attribute_of("model_weights", "layer_names", names(["/model_weights/dense"])), "not a relative path"),
        (attribute_of("model_weights", "layer_names", names(["../model_weights/dense"])), "not a relative path"),
        (attribute_of("model_weights", "layer_names", names(["dense/" * 100 + "x"])), "not a relative path"),
        (with_chunk("model_weights", "layer_names0"), "both whole and in chunks"),
        (attribute_of("model_weights/dense", "weight_names", None), "attribute weight_names is missing"),
        (attribute_of("model_weights/dense", "weight_names", names(["a", "a"])), "a name twice"),
        (attribute_of("model_weights/dense", "weight_names", names(["dense"])), "a group where a weight"),
        (attribute_of("model_weights/dense", "weight_names", names(["gone"])), "'gone', which is not there"),
        (attribute_of("model_weights/dense", "weight_names", names(["/" + KERNEL])), "not a relative path"),
        (attribute_of("model_weights/dense", "weight_names", names(["./dense/kernel:0"])), "not a relative path"),
        (attribute_of("model_weights/dense", "weight_names", names(["dense/kernel:0/x"])), "is not there"),
    ],
)  # fmt: skip
def test_lists_of_names(tmp_path: Path, edit: Edit, words: str) -> None:
    found = refusal(dense_model(tmp_path / "m.h5", edit=edit))
    assert words in str(found)
    assert "/model_weights" in str(found)


def test_a_gap_between_chunks_of_names(tmp_path: Path) -> None:
    def gap(file: h5py.File) -> None:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"] = names(["dense"])
        group.attrs["layer_names2"] = names(["dense"])

    assert "chunks of layer_names are missing" in str(refusal(dense_model(tmp_path / "m.h5", edit=gap)))


def test_a_dataset_where_a_group_is_due(tmp_path: Path) -> None:
    def as_layer(file: h5py.File) -> None:
        del file["model_weights/dense"]
        file["model_weights/dense"] = numbers(2)

    def as_all(file: h5py.File) -> None:
        del file["model_weights"]
        file["model_weights"] = numbers(2)

    def as_type(file: h5py.File) -> None:
        del file["model_weights/dense"]
        file["model_weights/dense"] = np.dtype("f4")

    assert "/model_weights: layer_names" in str(refusal(dense_model(tmp_path / "m.h5", edit=as_layer)))
    assert "/model_weights: not a group" in str(refusal(dense_model(tmp_path / "m.h5", edit=as_all)))
    assert "which is not a group" in str(refusal(dense_model(tmp_path / "m.h5", edit=as_type)))


class OpenedFiles:
    """Records every path that this process opens; an audit hook can be added, but not taken away."""

    def __init__(self) -> None:
        self.recording = False
        self.paths: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.recording and event == "open":
            self.paths.append(str(arguments[0]))


@pytest.fixture(scope="module")
def opened_files() -> OpenedFiles:
    return OpenedFiles()


@pytest.fixture
def opened(opened_files: OpenedFiles) -> Iterator[list[str]]:
    opened_files.recording = True
    yield opened_files.paths
    opened_files.recording = False


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("where", ["model_weights", "model_weights/dense", KERNEL])
def test_links_are_never_followed(tmp_path: Path, opened: list[str], where: str, libver: str) -> None:
    other = dense_model(tmp_path / "other.h5")

    def soft(file: h5py.File) -> None:
        file.move(where, "elsewhere")
        file[where] = h5py.SoftLink("/elsewhere")

    def dangling(file: h5py.File) -> None:
        del file[where]
        file[where] = h5py.SoftLink(f"/{where}")

    def external(file: h5py.File) -> None:
        del file[where]
        file[where] = h5py.ExternalLink(str(other), where)

    for edit in (soft, dangling, external):
        path = dense_model(tmp_path / "m.h5", edit=edit, libver=libver)
        opened.clear()
        assert isinstance(refusal(path), errors.ForbiddenLink)
        assert str(path) in opened
        assert str(other) not in opened


# ---------------------------------------------------------------------------------------------------- the numbers


def stored_as(**options: Any) -> Edit:
    """The kernel of the crafted Dense stored in another way, its values kept unless `data` or `shape` is given."""

    def store(file: h5py.File) -> None:
        del file[KERNEL]
        if "shape" not in options:
            options.setdefault("data", numbers(3, 2))
        file.create_dataset(KERNEL, **options)

    return store


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 2), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "x", (3, 2))
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def unknown_filter(file: h5py.File) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((3, 2))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
    del file[KERNEL]
    owner = file["model_weights/dense/dense"]
    h5py.h5d.create(owner.id, b"kernel:0", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((3, 2)), properties)


def bfloat16(file: h5py.File) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    del file[KERNEL]
    owner = file["model_weights/dense/dense"]
    h5py.h5d.create(owner.id, b"kernel:0", kind, h5py.h5s.create_simple((3, 2)))
    owner["kernel:0"][...] = numbers(3, 2)


def bomb(file: h5py.File) -> None:
    """One chunk of 24 bytes whose gzip stream unpacks to 16 MiB."""
    stored_as(chunks=(3, 2), compression="gzip")(file)
    file[KERNEL].id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 24), 9), 0)


def short_chunk(file: h5py.File) -> None:
    stored_as(chunks=(3, 2), compression="gzip")(file)
    file[KERNEL].id.write_direct_chunk((0, 0), zlib.compress(bytes(8)), 0)


def missing_chunk(file: h5py.File) -> None:
    stored_as(shape=(4, 2), chunks=(2, 2), dtype="f4")(file)
    file[KERNEL][:2] = 1.0


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (stored_as(shape=(3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)]), errors.ForbiddenLink, "another file"),
        (virtual, errors.ForbiddenStorage, "virtually"),
        (unknown_filter, errors.ForbiddenStorage, "filters [32001]"),
        (stored_as(chunks=(3, 2), compression="lzf"), errors.ForbiddenStorage, "filters [32000]"),
        (stored_as(chunks=(3, 2), fletcher32=True), errors.ForbiddenStorage, "filters [3]"),
        (stored_as(data=np.ones((3, 2), "i4"), scaleoffset=0), errors.ForbiddenStorage, "filters [6]"),
        (stored_as(shape=(1 << 40,), dtype="f4"), errors.ForbiddenStorage, "nothing was ever stored"),
        (stored_as(shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64), compression="gzip"),
         errors.ForbiddenStorage, "0 chunks stored"),
        (missing_chunk, errors.ForbiddenStorage, "1 chunks stored"),
        (stored_as(data=np.zeros(1 << 22, "f4"), chunks=(1 << 20,), compression="gzip", compression_opts=9),
         errors.LimitExceeded, "expand to 16777216"),
        (bomb, errors.LimitExceeded, "a chunk of 24 bytes unpacks to more"),
        (short_chunk, errors.DamagedHDF5, "a chunk of 8 bytes where 24 are due"),
        (bfloat16, errors.ForbiddenStorage, "bits are not laid out as usual"),
        (stored_as(data=np.zeros(6, "c8")), errors.ForbiddenStorage, "compound"),
        (stored_as(data=np.zeros(2, [("a", "f4"), ("b", "i4")])), errors.ForbiddenStorage, "compound"),
        (stored_as(data=np.zeros(3, "V4")), errors.ForbiddenStorage, "opaque"),
        (stored_as(data=np.zeros(3, "V2")), errors.ForbiddenStorage, "as Keras stores bfloat16"),
        (stored_as(data=np.zeros(3, bool)), errors.ForbiddenStorage, "enum"),
        (stored_as(data=np.asarray([b"ab", b"cd"])), errors.ForbiddenStorage, "fixedstring"),
        (stored_as(data=names(["a", "b"]), dtype=h5py.string_dtype()), errors.ForbiddenStorage, "vlenstring"),
        (stored_as(shape=(2,), dtype=h5py.vlen_dtype(np.dtype("f4"))), errors.ForbiddenStorage, "sequence"),
        (stored_as(shape=(2,), dtype=h5py.ref_dtype), errors.ForbiddenStorage, "reference"),
        (stored_as(shape=(2,), dtype=np.dtype(("f4", (4,)))), errors.ForbiddenStorage, "Array"),
        (stored_as(data=np.zeros((1,) * 9, "f4")), errors.LimitExceeded, "rank 9, more than 8"),
        (stored_as(data=h5py.Empty("f4")), errors.DamagedHDF5, "empty dataspace"),
    ],
)  # fmt: skip
def test_numbers(tmp_path: Path, edit: Edit, error: type[Exception], words: str) -> None:
    found = refusal(dense_model(tmp_path / "m.h5", edit=edit))
    assert isinstance(found, error), found
    assert words in str(found)
    assert f"/{KERNEL}: " in str(found)


def test_weights_that_share_their_bytes(tmp_path: Path) -> None:
    def linked(count: int) -> Edit:
        def edit(file: h5py.File) -> None:
            group = file["model_weights/a"]
            for i in range(1, count):
                group[f"w{i}"] = group["w0"]
            group.attrs["weight_names"] = names([f"w{i}" for i in range(count)])

        return edit

    def made(count: int) -> Path:
        return write_model(tmp_path / "m.h5", sequential(), {"a": {"w0": numbers(1000)}}, edit=linked(count))

    assert len(read_source(made(2)).weights["a"]) == 2
    assert "the datasets overlap" in str(refusal(made(20)))


@pytest.mark.parametrize(
    "limit",
    [
        {"file_bytes": 100},
        {"structure_reads": 5000},
        {"config_bytes": 50},
        {"json_depth": 3},
        {"json_items": 3},
        {"links": 1},
        {"layers": 1},
        {"datasets": 3},
        {"tensor_rank": 1},
        {"link_depth": 1},
        {"name_length": 5},
        {"attribute_items": 1},
        {"expansion": 0},
        {"compressed_bytes": 20},
    ],
    ids=str,
)
def test_every_limit_is_kept(tmp_path: Path, limit: dict[str, int]) -> None:
    weights = {
        "dense": {"dense/kernel:0": numbers(3, 2), "b": numbers(2)},
        "other": {"c": numbers(1), "d": numbers(1)},
    }
    config = sequential(layer("Dense", "dense", units=2, batch_input_shape=[None, 3]))
    path = write_model(tmp_path / "m.h5", config, weights, edit=stored_as(chunks=(3, 2), compression="gzip"))
    read_source(path)
    refusal(path, replace(DEFAULT, **limit))

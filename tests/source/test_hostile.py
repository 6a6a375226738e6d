"""Files made to keep a reader busy for ever, to make it take all memory, or to crash it."""

import random
import struct
import time
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from keras2torch import inspect
from keras2torch.errors import Keras2TorchError, LimitExceeded
from keras2torch.source.limits import DEFAULT
from keras2torch.source.reading import read_source
from tests.crafted import dense_model, numbers
from tests.source import structures as s

# Each of these took pyfive alone minutes or forever, or all memory; the bound leaves room for a busy machine.
pytestmark = pytest.mark.timeout(60)


# A smaller budget than the default, which would only take longer to spend.
LIMITS = replace(DEFAULT, structure_reads=16 << 20)


def refused(path: Path) -> str:
    with pytest.raises(LimitExceeded) as caught:
        read_source(path, LIMITS)
    return str(caught.value)


def test_a_header_that_continues_in_itself(tmp_path: Path) -> None:
    block_size = 4 + 20 + 4
    block_at = s.ROOT + len(s.header(s.message(s.CONTINUATION, bytes(16))))
    more = s.message(s.CONTINUATION, s.continuation(block_at, block_size))
    path = s.write_file(tmp_path / "m.h5", s.header(more), b"OCHK" + more + bytes(4))
    assert "more reading than that of a sound file" in refused(path)


def test_an_old_header_that_continues_in_itself(tmp_path: Path) -> None:
    filler = s.message_v1(0, bytes(60_000))
    head_size = len(s.header_v1(0, s.message_v1(s.CONTINUATION, bytes(16))))
    more = s.message_v1(s.CONTINUATION, s.continuation(s.ROOT + head_size, 24 + len(filler)))
    path = s.write_file(tmp_path / "m.h5", s.header_v1(65_535, more), more + filler)
    assert "more reading than that of a sound file" in refused(path)


def test_a_tree_of_groups_whose_nodes_share_one_child(tmp_path: Path) -> None:
    def root(at: int) -> bytes:
        heap_at = at + len(s.header(s.message(s.SYMBOL_TABLE, bytes(16))))
        return s.header(s.message(s.SYMBOL_TABLE, struct.pack("<QQ", heap_at + len(heap(0)), heap_at)))

    def heap(at: int) -> bytes:
        return s.local_heap(at, bytes(8))

    def tree(at: int) -> bytes:
        return s.braid(0, 20, 16, at, bytes(8))

    path = s.write_file(tmp_path / "m.h5", *s.placed(root, heap, tree))
    assert "more reading than that of a sound file" in refused(path)


def test_a_tree_of_chunks_whose_nodes_share_one_child(tmp_path: Path) -> None:
    def chunked(file: h5py.File) -> None:
        owner = file["model_weights/dense/dense"]
        del owner["kernel:0"]
        owner.create_dataset("kernel:0", data=numbers(3, 2), chunks=(3, 2))

    path = dense_model(tmp_path / "m.h5", edit=chunked)
    data = bytearray(path.read_bytes())
    key = bytes(8 + 3 * 8)
    root = s.tree_node(1, 21, [len(data)] * 16, key)
    at = data.index(b"TREE\x01\x00")
    data[at : at + len(root)] = root
    path.write_bytes(data + s.braid(1, 20, 16, len(data), key))
    assert "more reading than that of a sound file" in refused(path)


def test_an_attribute_of_more_strings_than_memory_holds(tmp_path: Path) -> None:
    strings = s.attribute(b"layer_names", s.vlen_strings(), s.simple_space(1 << 33), bytes(16))
    path = s.write_file(tmp_path / "m.h5", s.header(s.message(s.ATTRIBUTE, strings)))
    assert f"attributes of {1 << 33} items" in refused(path)


def test_names_without_an_end(tmp_path: Path) -> None:
    def root(at: int) -> bytes:
        tree_at = at + len(s.header(s.message(s.SYMBOL_TABLE, bytes(16))))
        return s.header(s.message(s.SYMBOL_TABLE, struct.pack("<QQ", tree_at, tree_at + len(tree(0)))))

    def tree(at: int) -> bytes:
        return s.tree_node(0, 0, [at + len(s.tree_node(0, 0, [0], bytes(8))) + len(heap(0))], bytes(8))

    def heap(at: int) -> bytes:
        return s.local_heap(at, b"a" * (1 << 22) + b"\0")

    path = s.write_file(tmp_path / "m.h5", *s.placed(root, tree, heap), s.symbol_node(60_000))
    assert "a name of more than 4096 bytes" in refused(path)


def test_a_dataset_larger_than_any_memory_is_not_allocated(tmp_path: Path) -> None:
    path = dense_model(tmp_path / "m.h5")
    data = path.read_bytes()
    shape = struct.pack("<QQ", 3, 2)
    assert data.count(shape) == 2  # extents, and greatest extents
    path.write_bytes(data.replace(shape, struct.pack("<QQ", 1 << 40, 1 << 20)))
    with pytest.raises(Keras2TorchError):
        read_source(path)


def test_flipped_bytes_are_refused_or_read_but_never_crash_or_hang(tmp_path: Path) -> None:
    def repacked(file: h5py.File) -> None:
        owner = file["model_weights/dense/dense"]
        del owner["kernel:0"]
        owner.create_dataset("kernel:0", data=numbers(3, 2), chunks=(2, 2), compression="gzip", shuffle=True)

    sound = [
        *(
            dense_model(tmp_path / "m.h5", libver=libver).read_bytes()
            for libver in ("earliest", "v108", "latest")
        ),
        dense_model(tmp_path / "m.h5", edit=repacked).read_bytes(),
    ]
    path = tmp_path / "flipped.h5"
    refusals: list[Keras2TorchError] = []
    slowest = 0.0
    for seed in range(400):
        rng = random.Random(seed)
        data = bytearray(rng.choice(sound))
        for _ in range(rng.choice((1, 1, 4, 30))):
            at = rng.randrange(len(data))
            flipped = (rng.randbytes(1), b"\xff" * 8, bytes(8), struct.pack("<Q", rng.randrange(len(data))))
            change = rng.choice(flipped)
            data[at : at + len(change)] = change
        path.write_bytes(data)
        started = time.perf_counter()
        try:
            inspect(path)
        except Keras2TorchError as error:
            refusals.append(error)
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < 10
    assert all(str(error).startswith(str(path)) and str(error).isprintable() for error in refusals)
    assert len({error.kind for error in refusals}) > 5  # the flips reach all parts of the reader


def test_what_nobody_asks_for_is_not_decoded(tmp_path: Path) -> None:
    def trained(file: h5py.File) -> None:
        file.attrs["training_config"] = range(5)

    few = replace(DEFAULT, attribute_items=3)
    assert read_source(dense_model(tmp_path / "m.h5", edit=trained), few).weights
    with pytest.raises(LimitExceeded, match="attributes of"):
        read_source(
            dense_model(tmp_path / "m.h5", edit=lambda file: file.attrs.create("backend", range(5))), few
        )

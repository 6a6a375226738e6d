"""Inputs 4 to 18: links, datasets and attributes as Keras never writes them."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.crafted import dense_model, layer, names, numbers, sequential, write_model
from tests.hostile.attacks import CONVERTS, Attack, hostile
from tests.hostile.inputs_bytes import zeros
from tests.source import structures

KERNEL = "model_weights/dense/dense/kernel:0"
Edit = Callable[[h5py.File], object]


def stored_as(**options: Any) -> Edit:
    """The kernel of the crafted Dense stored in another way."""

    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, **({} if "shape" in options else {"data": numbers(3, 2)}) | options)

    return edit


def attacks(folder: Path, kind: str, edits: Mapping[str, tuple[Edit, str]], *spots: str) -> list[Attack]:
    """One file each; every message names the spots."""
    return [
        Attack(name, dense_model(folder / f"{number}.h5", edit=edit), kind, (words, *spots))
        for number, (name, (edit, words)) in enumerate(edits.items())
    ]


@hostile(4, "links to other files")
def external_links(folder: Path) -> list[Attack]:
    other = dense_model(folder / "other.h5")

    def linked(where: str) -> Edit:
        def edit(file: h5py.File) -> None:
            del file[where]
            file[where] = h5py.ExternalLink(str(other), where)

        return edit

    places = ("model_weights", "model_weights/dense", KERNEL)
    return attacks(
        folder, "forbidden-link", {place: (linked(place), "link to another file") for place in places}, "/"
    )


@hostile(5, "soft links: sound, dangling, to each other")
def soft_links(folder: Path) -> list[Attack]:
    def sound(file: h5py.File) -> None:
        file.move("model_weights/dense", "elsewhere")
        file["model_weights/dense"] = h5py.SoftLink("/elsewhere")

    def dangling(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/nowhere")

    def cyclic(file: h5py.File) -> None:
        del file["model_weights"]
        file["model_weights"] = h5py.SoftLink("/b")
        file["b"] = h5py.SoftLink("/model_weights")

    edits = {each.__name__: (each, "is a soft link") for each in (sound, dangling, cyclic)}
    return attacks(folder, "forbidden-link", edits, "/")


@hostile(6, "groups that hold themselves")
def hard_link_cycles(folder: Path) -> list[Attack]:
    def aside(file: h5py.File) -> None:
        file["self"] = file["/"]
        file["model_weights/self"] = file["model_weights"]

    def in_use(file: h5py.File) -> None:
        group = file["model_weights"]
        group["self"] = group
        group.attrs["layer_names"] = names(["self/" * 100 + "dense"])

    return [
        Attack("nobody asks for it", dense_model(folder / "aside.h5", edit=aside), CONVERTS),
        Attack(
            "round and round",
            dense_model(folder / "used.h5", edit=in_use),
            "damaged-hdf5",
            ("not a relative path", "/model_weights"),
        ),
    ]


@hostile(7, "a link of a kind of somebody's own")
def user_defined_links(folder: Path) -> list[Attack]:
    def edit(file: h5py.File) -> None:
        del file["model_weights"]
        file["model_weights"] = h5py.ExternalLink("other.h5", "/")

    path = dense_model(folder / "m.h5", edit=edit, libver="latest")
    data, changed = re.subn(rb"(\x01[\x08-\x1f])\x40", rb"\1A", path.read_bytes())
    assert changed == 1
    path.write_bytes(data)
    return [Attack("type 65", path, "forbidden-link", ("of an unknown kind", "/"))]


@hostile(8, "data in another file")
def external_data(folder: Path) -> list[Attack]:
    edit = stored_as(shape=(3, 2), dtype="f4", external=[("/etc/passwd", 0, 24)])
    return attacks(folder, "forbidden-link", {"/etc/passwd": (edit, "the data lie in another file")}, KERNEL)


@hostile(9, "virtual datasets, over another file and over the same")
def virtual_data(folder: Path) -> list[Attack]:
    def virtual(source: str) -> Edit:
        def edit(file: h5py.File) -> None:
            layout = h5py.VirtualLayout((3, 2), "f4")
            layout[:] = h5py.VirtualSource(source, KERNEL, (3, 2))
            del file[KERNEL]
            file.create_virtual_dataset(KERNEL, layout)

        return edit

    edits = {source: (virtual(source), "stored virtually") for source in ("other.h5", ".")}
    return attacks(folder, "forbidden-storage", edits, KERNEL)


@hostile(10, "4 TiB of chunks, none of them stored")
def hollow(folder: Path) -> list[Attack]:
    edit = stored_as(shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64), compression="gzip")
    return attacks(folder, "forbidden-storage", {"gzip": (edit, "0 chunks stored")}, KERNEL)


@hostile(11, "a GiB of zeros in a MiB, and the like in an archive")
def zip_bomb(folder: Path) -> list[Attack]:
    def stream(file: h5py.File) -> None:
        """24 bytes in one chunk, which unpacks to 16 MiB."""
        stored_as(chunks=(3, 2), compression="gzip")(file)
        file[KERNEL].id.write_direct_chunk((0, 0), zlib.compress(bytes(1 << 24), 9), 0)

    edits: dict[str, tuple[Edit, str]] = {
        "by ratio": (lambda file: zeros(file, KERNEL, 1), "expand to 1073741824"),
        "more than said": (stream, "unpacks to more"),
    }
    archive = folder / "archive.h5"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("metadata.json", '{"keras_version": "3.3.3"}')
        file.writestr("config.json", "{}")
        with file.open("model.weights.h5", "w") as member:
            for _ in range(256):
                member.write(bytes(1 << 20))
    text = folder / "text.h5"
    with zipfile.ZipFile(text, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", '{"a": "' + "x" * (100 << 20) + '"}')
    return [
        *attacks(folder, "limit-exceeded", edits, KERNEL),
        Attack("archive", archive, "limit-exceeded", ("model.weights.h5", "expand to 268435456")),
        Attack("configuration in an archive", text, "limit-exceeded", ("config.json",)),
    ]


@hostile(12, "4 TiB in one piece, nothing stored")
def late_allocated(folder: Path) -> list[Attack]:
    edit = stored_as(shape=(1 << 40,), dtype="f4")
    found = attacks(folder, "forbidden-storage", {"undefined": (edit, "nothing was ever stored")}, KERNEL)
    path = dense_model(folder / "large.h5")
    path.write_bytes(
        path.read_bytes().replace(struct.pack("<QQ", 3, 2), struct.pack("<QQ", 1 << 40, 1 << 20))
    )
    return [*found, Attack("more than the file", path, "damaged-hdf5", ("bytes stored for", KERNEL))]


@hostile(13, "200,000 groups; groups 10,000 deep; a header, a tree, a list without an end")
def counts(folder: Path) -> list[Attack]:
    def many(file: h5py.File) -> None:
        group = file["model_weights"]
        listed = [f"layer_{number}" for number in range(200_000)]
        for name in listed:
            group.id.links.create_hard(name.encode(), group.id, b"dense")
        del group.attrs["layer_names"]
        for number, start in enumerate(range(0, len(listed), 4000)):
            group.attrs[f"layer_names{number}"] = names(listed[start : start + 4000])

    def deep(file: h5py.File) -> None:
        group = file["model_weights"]
        group.attrs["layer_names"] = names(["a/" * 2000 + "a"])
        here = group.id
        for _ in range(10_000):
            here = h5py.h5g.create(here, b"a")

    items = structures.attribute(
        b"layer_names", structures.vlen_strings(), structures.simple_space(1 << 33), bytes(16)
    )
    strings = structures.write_file(
        folder / "strings.h5", structures.header(structures.message(structures.ATTRIBUTE, items))
    )
    return [
        Attack(
            "many",
            dense_model(folder / "many.h5", edit=many),
            "limit-exceeded",
            ("/model_weights",),
        ),
        Attack(
            "deep",
            dense_model(folder / "deep.h5", edit=deep),
            "damaged-hdf5",
            ("not a relative path", "/model_weights"),
        ),
        Attack("2^33 strings", strings, "limit-exceeded", (f"{1 << 33} items", "/")),
        Attack("header", endless_header(folder), "limit-exceeded", ("more reading",)),
        Attack("tree", endless_tree(folder), "limit-exceeded", ("more reading",)),
    ]


def endless_header(folder: Path) -> Path:
    """An object header that continues in itself."""
    filler = structures.message_v1(0, bytes(60_000))
    empty = structures.message_v1(structures.CONTINUATION, bytes(16))
    at = structures.ROOT + len(structures.header_v1(0, empty))
    more = structures.message_v1(structures.CONTINUATION, structures.continuation(at, 24 + len(filler)))
    return structures.write_file(folder / "header.h5", structures.header_v1(65_535, more), more + filler)


def endless_tree(folder: Path) -> Path:
    """A tree of groups with 16^20 leaves, which are one."""

    def root(at: int) -> bytes:
        heap_at = at + len(structures.header(structures.message(structures.SYMBOL_TABLE, bytes(16))))
        places = struct.pack("<QQ", heap_at + len(heap(0)), heap_at)
        return structures.header(structures.message(structures.SYMBOL_TABLE, places))

    def heap(at: int) -> bytes:
        return structures.local_heap(at, bytes(8))

    def tree(at: int) -> bytes:
        return structures.braid(0, 20, 16, at, bytes(8))

    return structures.write_file(folder / "tree.h5", *structures.placed(root, heap, tree))


@hostile(14, "a filter nobody knows")
def unknown_filter(folder: Path) -> list[Attack]:
    edits = {
        str(number): (_filtered(number), f"filters [{number}]") for number in (32001, 32015, 32004, 65535)
    }
    return attacks(folder, "forbidden-storage", edits, KERNEL)


def _filtered(number: int, kind: Any = h5py.h5t.IEEE_F32LE) -> Edit:
    def edit(file: h5py.File) -> None:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((3, 2))
        properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
        del file[KERNEL]
        owner = file["model_weights/dense/dense"]
        h5py.h5d.create(owner.id, b"kernel:0", kind, h5py.h5s.create_simple((3, 2)), properties)

    return edit


@hostile(15, "filters with a history: scale-offset, n-bit, szip, lzf, checksums")
def risky_filters(folder: Path) -> list[Attack]:
    edits = {
        "scale-offset": (stored_as(data=np.ones((3, 2), "i4"), scaleoffset=0), "filters [6]"),
        "n-bit": (_filtered(h5py.h5z.FILTER_NBIT), "filters [5]"),
        "szip": (_filtered(h5py.h5z.FILTER_SZIP), "filters [4]"),
        "lzf": (stored_as(chunks=(3, 2), compression="lzf"), "filters [32000]"),
        "fletcher32": (stored_as(chunks=(3, 2), fletcher32=True), "filters [3]"),
    }
    return attacks(folder, "forbidden-storage", edits, KERNEL)


@hostile(16, "weights that are no numbers")
def other_types(folder: Path) -> list[Attack]:
    kinds: dict[str, dict[str, Any]] = {
        "complex": {"data": np.zeros(6, "c8")},
        "compound": {"data": np.zeros(2, [("a", "f4"), ("b", "i4")])},
        "opaque": {"data": np.zeros(3, "V4")},
        "enum": {"data": np.zeros(3, bool)},
        "text": {"data": np.asarray([b"ab", b"cd"])},
        "variable text": {"data": names(["a", "b"]), "dtype": h5py.string_dtype()},
        "variable length": {"shape": (2,), "dtype": h5py.vlen_dtype(np.dtype("f4"))},
        "reference": {"shape": (2,), "dtype": h5py.ref_dtype},
        "region reference": {"shape": (2,), "dtype": h5py.regionref_dtype},
        "array": {"shape": (2,), "dtype": np.dtype(("f4", (4,)))},
    }
    edits = {name: (stored_as(**options), "not plain numbers") for name, options in kinds.items()}
    return attacks(folder, "forbidden-storage", edits, KERNEL)


@hostile(17, "an empty dataspace, or a scalar, where a matrix is due")
def shapeless(folder: Path) -> list[Attack]:
    empty = attacks(
        folder,
        "damaged-hdf5",
        {"empty": (stored_as(data=h5py.Empty("f4")), "empty dataspace")},
        KERNEL,
    )
    scalar = dense_model(folder / "scalar.h5", edit=stored_as(data=np.float32(1)))
    flat = dense_model(folder / "flat.h5", edit=stored_as(data=numbers(6)))
    return [
        *empty,
        Attack("scalar", scalar, "wrong-shape", ("(3, 2)", "()")),
        Attack("flat", flat, "wrong-shape", ("(3, 2)", "(6,)")),
    ]


@hostile(18, "a model_config that is no text")
def odd_configs(folder: Path) -> list[Attack]:
    def says(value: Any) -> Edit:
        def edit(file: h5py.File) -> None:
            file.attrs["model_config"] = value

        return edit

    def dataset(file: h5py.File) -> None:
        del file.attrs["model_config"]
        file["model_config"] = np.zeros(3)

    edits: dict[str, tuple[Edit, str]] = {
        "array": (says(np.zeros((2, 2))), "not a string"),
        "list": (says(np.asarray(["{}"], dtype=h5py.string_dtype())), "not a string"),
        "empty": (says(h5py.Empty("S10")), "not a string"),
        "number": (says(7), "not a string"),
    }
    found = attacks(folder, "bad-config", edits, "model_config", "/")
    without = dense_model(folder / "dataset.h5", edit=dataset)
    config = sequential(
        layer("Dense", "dense", units=2, activity_regularizer="x" * 70_000, batch_input_shape=[None, 3])
    )
    path = write_model(folder / "5GB.h5", config, {})
    data = path.read_bytes()
    # The collection of the text and the text itself claim 5 GB.
    at = data.index(b"GCOL")
    size = struct.pack("<Q", 5 << 30)
    path.write_bytes(data[: at + 8] + size + data[at + 16 : at + 24] + size + data[at + 32 :])
    return [
        *found,
        Attack("dataset", without, "not-a-keras-model", ("no model_config",)),
        Attack("5 GB", path, "damaged-hdf5", ()),
    ]

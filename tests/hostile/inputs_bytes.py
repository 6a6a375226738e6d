"""Inputs 1 to 3 and 37 to 40: files as a whole."""

import os
import random
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np

from tests.crafted import dense_model, layer, names, numbers, sequential, write_model
from tests.hostile.attacks import ANYTHING, CONVERTS, Attack, hostile
from tests.keras1_files import entry


@hostile(1, "no HDF5: empty, text, a zip renamed")
def other_files(folder: Path) -> list[Attack]:
    contents = {"empty": b"", "text": b"#!/bin/sh\nrm -rf /\n" * 100, "half a signature": b"\x89HDF"}
    attacks = []
    for name, content in contents.items():
        path = folder / f"{name}.h5"
        path.write_bytes(content)
        attacks.append(Attack(name, path, "not-hdf5", ("HDF5 file",)))
    archive = folder / "zip.h5"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../evil.py", "import os")
    return [*attacks, Attack("zip", archive, "damaged-zip", ("not a .keras model",))]


@hostile(2, "truncated at half its size")
def truncated(folder: Path) -> list[Attack]:
    attacks = []
    for libver in ("earliest", "latest"):
        path = dense_model(folder / f"{libver}.h5", libver=libver)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        attacks.append(Attack(libver, path, "truncated", (f"{len(whole) // 2} bytes of {len(whole)}",)))
    return attacks


@hostile(3, "random bytes flipped")
def flipped(folder: Path) -> list[Attack]:
    sound = [
        dense_model(folder / "sound.h5", libver=libver).read_bytes() for libver in ("earliest", "latest")
    ]
    attacks = []
    for seed in range(24):
        rng = random.Random(seed)
        data = bytearray(sound[seed % 2])
        for _ in range(rng.choice((1, 4, 30))):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        path = folder / f"{seed}.h5"
        path.write_bytes(data)
        attacks.append(Attack(f"seed {seed}", path, ANYTHING))
    return attacks


@hostile(37, "bombs in training_config and optimizer_weights")
def unread(folder: Path) -> list[Attack]:
    def edit(file: h5py.File) -> None:
        file.attrs["training_config"] = "[" * 200_000
        group = file.create_group("optimizer_weights")
        group["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        group.create_dataset("bomb", (1 << 20, 1 << 20), "f4", chunks=(64, 64), compression="gzip")

    return [Attack("both", dense_model(folder / "m.h5", edit=edit), CONVERTS)]


@hostile(38, "Keras 1 without a backend, and backends nobody knows")
def backends(folder: Path) -> list[Attack]:
    conv = {
        "class_name": "Sequential",
        "config": [
            entry(
                "Convolution2D",
                "c",
                nb_filter=2,
                nb_row=3,
                nb_col=3,
                dim_ordering="tf",
                batch_input_shape=[None, 5, 5, 1],
            )
        ],
    }
    weights = {"c": {"c_W": numbers(3, 3, 1, 2), "c_b": numbers(2)}}
    absent = write_model(folder / "absent.h5", conv, weights, keras_version="1.2.2", backend=None)
    evil = write_model(folder / "evil.h5", conv, weights, keras_version="1.2.2", backend="evil\x1b[2J")
    return [
        Attack("none", absent, "unsupported-model", ("backend",)),
        Attack("evil", evil, "unsupported-model", ("backend", "evil")),
    ]


@hostile(39, "no regular file: a pipe, a device, a link to one, a folder")
def no_files(folder: Path) -> list[Attack]:
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "folder").mkdir()
    return [
        Attack("pipe", folder / "pipe", "unreadable", ("not a regular file",)),
        # Inside the sandbox the device cannot even be opened.
        Attack("link to /dev/zero", folder / "zero", "unreadable"),
        Attack("link to itself", folder / "loop", "unreadable", ("Too many levels",)),
        Attack("folder", folder / "folder", "unreadable", ("not a regular file",)),
        Attack("missing", folder / "missing", "unreadable", ("No such file",)),
    ]


@hostile(40, "datasets that share one address")
def overlapping(folder: Path) -> list[Attack]:
    def linked(count: int) -> Path:
        def edit(file: h5py.File) -> None:
            group = file["model_weights/a"]
            for i in range(1, count):
                group[f"w{i}"] = group["w0"]
            group.attrs["weight_names"] = names([f"w{i}" for i in range(count)])

        config = sequential(layer("Dense", "a", units=10, batch_input_shape=[None, 100]))
        return write_model(folder / f"{count}.h5", config, {"a": {"w0": numbers(100, 10)}}, edit=edit)

    def moved(data: bytes) -> bytes:
        """The bias where the kernel lies."""
        kernel, bias = numbers(3, 2).tobytes(), numbers(2, seed=1).tobytes()
        there, here = (struct.pack("<Q", data.index(each)) for each in (kernel, bias))
        return data.replace(here, there)

    path = dense_model(folder / "moved.h5")
    path.write_bytes(moved(path.read_bytes()))
    return [
        Attack(
            "200 links to one", linked(200), "limit-exceeded", ("the datasets overlap", "model_weights/a")
        ),
        Attack("two addresses", path, CONVERTS),
    ]


def zeros(file: h5py.File, path: str, gib: int) -> None:
    """A dataset of `gib` GiB of zeros, packed to a thousandth; each chunk is packed once, so it is quickly made."""
    del file[path]
    rows = gib << 4
    dataset = file.create_dataset(
        path, (rows, 1 << 24), "f4", chunks=(1, 1 << 24), compression="gzip", compression_opts=9
    )
    dataset[0] = np.zeros(1 << 24, "f4")
    _, packed = dataset.id.read_direct_chunk((0, 0))
    for row in range(1, rows):
        dataset.id.write_direct_chunk((row, 0), packed)

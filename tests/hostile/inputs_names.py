"""Inputs 19 to 23: text, JSON and names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.crafted import call, dense_model, functional, layer, names, numbers, sequential, write_model
from tests.hostile.attacks import CONVERTS, Attack, hostile

KERNEL = "model_weights/dense/dense/kernel:0"
Edit = Callable[[h5py.File], object]


def listed(place: str, attribute: str, value: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        if attribute in file[place].attrs:
            del file[place].attrs[attribute]
        file[place].attrs[attribute] = value

    return edit


@hostile(19, "invalid UTF-8 and NUL in names and configuration")
def no_text(folder: Path) -> list[Attack]:
    def config(value: bytes) -> Edit:
        return listed("/", "model_config", np.bytes_(value))

    edits: dict[str, tuple[Edit, str, str]] = {
        "configuration": (config(b'{"a": "\xff"}'), "bad-config", "not UTF-8"),
        "overlong": (config(b'{"a": "\xc0\xaf"}'), "bad-config", "not UTF-8"),
        "surrogate": (config(b'{"a": "\xed\xa0\x80"}'), "bad-config", "not UTF-8"),
        "layer": (listed("model_weights", "layer_names", np.asarray([b"\xff"])), "damaged-hdf5", "not UTF-8"),
        "weight": (
            listed("model_weights/dense", "weight_names", np.asarray([b"\xff"])),
            "damaged-hdf5",
            "not UTF-8",
        ),
        "NUL": (
            listed("model_weights", "layer_names", np.asarray([b"de\0nse"])),
            "limit-exceeded",
            "NUL",
        ),
    }
    return [
        Attack(name, dense_model(folder / f"{name}.h5", edit=edit), kind, (words, "/"))
        for name, (edit, kind, words) in edits.items()
    ]


@hostile(20, "JSON: 100,000 deep, 100 MB, keys twice, NaN, numbers beyond any")
def json_bombs(folder: Path) -> list[Attack]:
    texts = {
        "deep": ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", "limit-exceeded", "nested deeper than 64"),
        "deep objects": ('{"a": ' * 100_000 + "1" + "}" * 100_000, "limit-exceeded", "nested deeper than 64"),
        "100 MB": ('{"a": "' + "x" * 100_000_000 + '"}', "limit-exceeded", ""),
        "60 MB of items": ('{"a": [' + "[]," * 20_000_000 + "1]}", "limit-exceeded", ""),
        "key twice": ('{"a": 1, "a": 2}', "bad-config", "'a' twice"),
        "NaN": ('{"a": NaN}', "bad-config", "NaN"),
        "Infinity": ('{"a": -Infinity}', "bad-config", "Infinity"),
        "1e999": ('{"a": 1e999}', "bad-config", "1e999"),
        "5000 digits": ('{"a": ' + "9" * 5000 + "}", "bad-config", "beyond 2^53"),
        "open string": ('{"a": "' + '\\"' * 200_000, "bad-config", "not JSON"),
    }
    return [
        Attack(
            name,
            dense_model(folder / f"{number}.h5", config=text, weights={}),
            kind,
            (words, "model_config"),
        )
        for number, (name, (text, kind, words)) in enumerate(texts.items())
    ]


@hostile(21, "lists of names in chunks, with a gap or beside the whole")
def chunked_lists(folder: Path) -> list[Attack]:
    def gap(file: h5py.File) -> None:
        group = file["model_weights"]
        del group.attrs["layer_names"]
        group.attrs["layer_names0"] = names(["dense"])
        group.attrs["layer_names2"] = names(["dense"])

    both = listed("model_weights", "layer_names0", names(["dense"]))
    return [
        Attack(
            "gap", dense_model(folder / "gap.h5", edit=gap), "damaged-hdf5", ("are missing", "/model_weights")
        ),
        Attack(
            "both",
            dense_model(folder / "both.h5", edit=both),
            "damaged-hdf5",
            ("both whole and in chunks", "/model_weights"),
        ),
    ]


@hostile(22, "weight_names that are absolute, climb, name a group or nothing")
def weight_paths(folder: Path) -> list[Attack]:
    paths = {
        "absolute": ("/" + KERNEL, "damaged-hdf5", "not a relative path"),
        "climbing": ("../dense/dense/kernel:0", "damaged-hdf5", "not a relative path"),
        "dot": ("./dense/kernel:0", "damaged-hdf5", "not a relative path"),
        "group": ("dense", "damaged-hdf5", "a group where a weight"),
        "missing": ("gone", "missing-weight", "'gone', which is not there"),
        "through a weight": ("dense/kernel:0/x", "missing-weight", "is not there"),
    }
    return [
        Attack(
            name,
            dense_model(
                folder / f"{name}.h5",
                edit=listed("model_weights/dense", "weight_names", names([path, "dense/bias:0"])),
            ),
            kind,
            (words, "/model_weights/dense"),
        )
        for name, (path, kind, words) in paths.items()
    ]


@hostile(23, "layer names: twice, dunder, a path, 1 MB, terminal escapes, quotes")
def layer_names(folder: Path) -> list[Attack]:
    def named(name: str) -> Path:
        entries = [
            layer("InputLayer", "in", batch_input_shape=[None, 3]),
            layer("Dense", name, call("in"), units=2),
        ]
        config = functional(entries, [["in", 0, 0]], [[name, 0, 0]])
        weights = {name: {"kernel:0": numbers(3, 2), "bias:0": numbers(2)}}
        return write_model(folder / f"{len(list(folder.iterdir()))}.h5", config, weights)

    sound = {
        "dunder": "__init__",
        "dotted": "a.b.__class__",
        "escape": "\x1b]0;pwned\x07\x1b[2J",
        "newline": "a\nimport os\n",
        "quotes": "'''\"\"\"); import os; os.system('x'); (",
        "right to left": "\u202egnp.exe",
        "look-alike": "ｓｅｌｆ",
        "keyword": "lambda",
    }
    twice = sequential(
        layer("Dense", "d", units=3, batch_input_shape=[None, 3]), layer("Dense", "d", units=2)
    )
    weights = {"d": {"kernel:0": numbers(3, 3), "bias:0": numbers(3)}}
    long = "x" * 1_000_000
    entries = [
        layer("InputLayer", long, batch_input_shape=[None, 3]),
        layer("Dense", "d", call(long), units=2),
    ]
    config = functional(entries, [[long, 0, 0]], [["d", 0, 0]])
    return [
        *(Attack(name, named(text), CONVERTS) for name, text in sound.items()),
        Attack("climbing", named("../../x"), "damaged-hdf5", ("not a relative path", "/model_weights")),
        Attack("twice", write_model(folder / "twice.h5", twice, weights), "bad-config", ("d",)),
        Attack(
            "1 MB",
            write_model(folder / "long.h5", config, {"d": {"k": numbers(3, 2), "b": numbers(2)}}),
            CONVERTS,
        ),
        Attack(
            "1 MB in the list",
            dense_model(folder / "list.h5", edit=listed("model_weights", "layer_names0", long_list())),
            "damaged-hdf5",
            ("",),
        ),
    ]


def long_list() -> Any:
    return names(["x" * 1_000_000])

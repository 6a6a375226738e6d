"""Strangers' names on their way through the fleet: rows, logs, JSON, text, pages, and the names of files.

What becomes of them in the emitted source is in tests/emit/test_hostile_names.py, with more of them.
"""

import ast
import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest

from keras2torch import cli
from tests.crafted import layer, numbers, sequential, write_model
from tests.fleet import models
from tests.fleet.command import Fleet

SQL = "'; DROP TABLE job; --"
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
TERMINAL = "\x1b[2J\x1b]0;pwned\x07\x9b31m"
LINES = "a\nERROR fleet: forged line\r\n2026-01-01 00:00:00,000 INFO workers: job 1 (x): succeeded\u2028"
QUOTES = "'''\"\"\"); import os; os.system('touch pwned'); (`${HOME}`$(touch pwned)"
BIDI = "\u202egnp.exe\u2066ａｄｍｉｎ"
MARKUP = "[red]x[/red] [/] [link=file:|etc]"
FORMAT = "%s%n{0.__class__} __init__ lambda"
LONG = "n" * 1_000_000
NAMES = (SQL, HTML, TERMINAL, LINES, QUOTES, BIDI, MARKUP, FORMAT)


def in_a_path(name: str) -> str:
    return name.replace("/", "|")


def sound(folder: Path) -> dict[str, Path]:
    """Models that convert, by key: all names of each, of model and layers and weights, are one of those."""
    found = {}
    for number, (key, name) in enumerate([(HTML, QUOTES), (LINES, HTML), (TERMINAL, LINES)]):
        inner = in_a_path(name)
        layers = [
            layer("InputLayer", f"{inner}0", batch_shape=[None, 3]),
            layer("Dense", f"{inner}1", units=2, dtype="float32"),
            layer(
                "Activation",
                f"{name}{TERMINAL}{BIDI}2".replace("/", "|"),
                activation="softmax",
                dtype="float32",
            ),
        ]
        weights = {f"{inner}1": {"kernel": numbers(3, 2), inner: numbers(2)}}
        path = folder / f"{number}.h5"
        write_model(path, sequential(*layers, name=inner), weights, keras_version="3.3.3")
        found[f"{in_a_path(key)}.h5"] = path
    return found


def refused(folder: Path) -> dict[str, Path]:
    """Models that do not: classes, options and activations that nobody knows, and what is no model at all."""
    found = {}
    for number, name in enumerate((*NAMES, LONG)):
        dense = layer("Dense", name, units=2, activation=name, batch_input_shape=[None, 3])
        config = sequential(dense, layer(name, name + "2", **{name: name}), name=name)
        found[f"refused/{in_a_path(name)[:200]}/m.h5"] = write_model(folder / f"r{number}.h5", config)
        found[f"corrupt/{in_a_path(name)[:200]}.h5"] = models.corrupt(folder / f"c{number}.h5")
    return found


def plain(text: str) -> bool:
    """Whether nothing in a text steers a terminal or begins a line that its writer did not begin."""
    return all(line.isprintable() for line in text.split("\n")) and "\nERROR fleet: forged" not in text


class Tags(HTMLParser):
    """The elements of a page, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}


def strings(database: Path) -> dict[str, set[str]]:
    """Every text in the database, by table and column."""
    found: dict[str, set[str]] = {}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in map(dict, connection.execute(f"SELECT * FROM {table}")):  # noqa: S608
                for column, value in row.items():
                    if isinstance(value, str):
                        found.setdefault(f"{table}.{column}", set()).add(value)
    return found


def test_names_stay_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crafted, home = tmp_path / "crafted", tmp_path / "home"
    crafted.mkdir()
    converted = sound(crafted)
    files = {**converted, **refused(crafted)}
    source, dest, fleet = tmp_path / "in", tmp_path / "out", Fleet(home)
    for key, path in files.items():
        (source / key).parent.mkdir(parents=True, exist_ok=True)
        path.rename(source / key)

    (source / in_a_path(LINES)).symlink_to(crafted)  # a link to a folder, of which a warning tells

    shown = fleet.run("migrate", str(source), str(dest))
    assert shown.returncode == 0, shown.stderr
    assert plain(shown.stdout + shown.stderr)
    again = fleet.run("migrate", str(source), str(dest), "--json")
    assert again.stdout.isascii()
    assert plain(again.stdout + again.stderr)
    told = json.loads(again.stdout)
    assert told["new"] == 0
    states = {job["key"]: job["state"] for job in told["jobs"]}
    assert states == {key: "succeeded" if key in converted else "failed" for key in files}
    kinds = {job["key"]: job["error"]["kind"] for job in told["jobs"] if job["error"]}
    assert {kinds[key] for key in kinds if key.startswith("corrupt/")} == {"not-hdf5"}
    assert {kinds[key] for key in kinds if key.startswith("refused/")} == {"unsupported-model"}

    # Names are data in the rows, and only where a name is what is kept.
    rows = strings(dest / ".fleet" / "fleet.db")
    assert rows["source.key"] == set(files)
    steering = {place for place, texts in rows.items() if not all(map(plain, texts))}
    assert steering == {"source.key", "batch.listed_after"}

    # Nobody forges a line of a log.
    logs = [
        path.read_text(errors="strict") for path in (dest / ".fleet" / "logs").rglob("*") if path.is_file()
    ]
    assert any("succeeded" in log for log in logs)
    assert all(map(plain, logs))

    ids = [str(job["id"]) for job in told["jobs"] if "forged" in job["key"] and "corrupt" not in job["key"]]
    for command in (["status"], ["jobs"], *(["job", number] for number in ids)):
        answer = fleet.run(*command)
        assert answer.returncode == 0, answer.stderr
        assert plain(answer.stdout + answer.stderr), command

    # Files stand where their key says, and nowhere else.
    doors = {
        path.parent.relative_to(dest / "by-name").as_posix() for path in dest.glob("by-name/**/model.py")
    }
    assert doors == {key.removesuffix(".h5") for key in converted}
    assert {path.name for path in tmp_path.iterdir()} == {"crafted", "home", "in", "out"}
    assert not [path for path in tmp_path.rglob("*pwned*") if not {"by-name", "in"} & set(path.parts)]
    for door in doors:
        bundle = dest / "by-name" / door
        assert {path.name for path in bundle.iterdir()} == {
            "README.md", "manifest.json", "model.py", "model.safetensors", "parity.json"
        }  # fmt: skip
        ast.parse((bundle / "model.py").read_text())
        for file in ("README.md", "model.py"):
            assert plain((bundle / file).read_text())
        assert all((bundle / file).read_bytes().isascii() for file in ("manifest.json", "parity.json"))

    for key in files:
        cli.main(["inspect", str(source / key)])
        said = capsys.readouterr()
        assert plain(said.out + said.err)
    key = next(iter(converted))
    page = tmp_path / "page.html"
    arguments = ["verify", str(dest / "by-name" / key.removesuffix(".h5")), "--source", str(source / key)]
    assert cli.main([*arguments, "--html", str(page)]) == 0
    said = capsys.readouterr()
    assert plain(said.out + said.err)
    tags = Tags(page.read_text())
    assert not {"script", "img", "a", "iframe", "object", "link"} & tags.elements
    assert not {name for name in tags.attributes if name.startswith("on") or name in {"src", "href"}}
    assert plain(page.read_text())

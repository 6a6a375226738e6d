"""Strangers' words on a terminal."""

import io
import logging

from rich.console import Console
from rich.table import Table

from fleet.consoles import LogFormatter, console, plain


def test_nothing_steers_the_terminal_and_nothing_is_markup() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, color_system=None, width=200)
    table = Table("key")
    for hostile in (
        "\x1b[2J\x1b]0;title\x07",
        "\x9b31m",
        "a\nb\r",
        "\u202egnp.h5",
        "[red]x[/red] [/]",
        "\x08\x7f",
    ):
        console.print(plain(hostile))
        table.add_row(plain(hostile))
    console.print(table)
    shown = said.getvalue()
    assert all(line.isprintable() for line in shown.split("\n"))
    assert "\\x1b[2J" in shown
    assert "[red]x[/red] [/]" in shown
    assert str(plain("x", "dim").style) == "dim"


def test_a_table_without_care_is_no_markup_either() -> None:
    said = io.StringIO()
    table = Table("key")
    table.add_row("[/] [red]x :smile:")
    console(said).print(table)
    assert "[/] [red]x :smile:" in said.getvalue()


def test_nobody_forges_a_line_of_a_log() -> None:
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(LogFormatter("%(levelname)s %(message)s"))
    log = logging.getLogger("tests.hostile")
    log.propagate = False
    log.addHandler(handler)
    hostile = "a\nERROR forged\r\x1b[2J\u2028"
    try:
        raise ValueError(hostile)
    except ValueError:
        log.exception("job %s", hostile)
    first, *traceback = said.getvalue().rstrip("\n").split("\n")
    assert first.startswith("ERROR job a\\nERROR forged\\r\\x1b")
    assert first.isprintable()
    assert all(line.startswith("  ") and line.isprintable() for line in traceback)
    assert any("ValueError: a" in line for line in traceback)

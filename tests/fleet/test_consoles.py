"""Strangers' words on a terminal."""

import io

from rich.console import Console
from rich.table import Table

from fleet.consoles import plain


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

"""A verdict as people see it: at the terminal, and as a page."""

import dataclasses
import io
import re
from html.parser import HTMLParser
from math import inf
from pathlib import Path

import pytest
from rich.console import Console

from keras2torch.parity.page import html_page, write_html
from keras2torch.parity.report import (
    Case,
    Constructed,
    Departure,
    Figure,
    LayerFigures,
    OutputFigures,
    ParityReport,
)
from keras2torch.parity.terminal import print_report
from tests.parity.judging import CPU

HOSTILE = "[red]<script>alert('&\"')</script>\x1b[2J\u202e"


def figure(error: float, fault: str | None = None) -> Figure:
    return Figure(error=error, rms=error / 2, scale=3.0, case="normal", limit=1e-9, fault=fault)


def layer(name: str, error: float, fault: str | None = None) -> LayerFigures:
    return LayerFigures(layer=name, call=0, before_activation=False, structure=figure(error, fault))


PASSED = ParityReport(
    device_facts=CPU,
    library="keras",
    versions={"keras": "3", "torch": "2"},
    cases=[Case(name="normal", description="3 samples"), Case(name="bytes", description="1", refused="size")],
    structure_limit=1e-9,
    structure_limit_reason=None,
    constructed=[Constructed(layer="old", class_name="CuDNNLSTM", why="runs on a GPU only")],
    given=[],
    outputs=[
        OutputFigures(name="head", structure=figure(2e-16), deployment=figure(1e-7), reference_error=2e-7)
    ],
    layers=[layer("conv", 0.0), layer("norm", 3e-15)],
    layers_not_visible=1,
    failures=[],
    warnings=["head is small"],
    first_departure=None,
)
FAILED = dataclasses.replace(
    PASSED,
    layers=[layer("conv", 0.0), layer(HOSTILE, 3e-4), layer("dense", inf, "shape (3, 2) instead of (3, 4)")],
    failures=[f"layer {HOSTILE}: error 3e-4"],
    first_departure=Departure(
        layer=HOSTILE,
        class_name="BatchNormalization",
        call=0,
        case="normal",
        error=3e-4,
        fault=None,
        last_good="conv",
    ),
)


def shown(report: ParityReport, *, terminal: bool, width: int = 200) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=terminal,
        color_system="standard" if terminal else None,
    )
    print_report(report, console, layers=True)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("report", [PASSED, FAILED])
def test_the_last_line_is_the_verdict(report: ParityReport) -> None:
    *_, last = shown(report, terminal=False, width=400).splitlines()
    assert last.startswith("parity passed" if report.passed else "parity FAILED: departs first at [red]")


def test_the_table_shows_what_failed() -> None:
    rows = {line.split()[0]: line.rstrip() for line in shown(FAILED, terminal=False).splitlines()}
    assert rows["conv"].endswith("ok")
    assert rows["dense"].endswith("FAILED")
    assert "reference constructed" in shown(FAILED, terminal=False)


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in shown(PASSED, terminal=True)
    assert "\x1b" not in shown(PASSED, terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", shown(PASSED, terminal=True))


def test_a_hostile_name_is_neither_markup_nor_a_terminal_command() -> None:
    text = shown(FAILED, terminal=False)
    assert "[red]<script>" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


class Elements(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    page = html_page(FAILED, HOSTILE)
    elements = Elements(page)
    assert not {"script", "img", "link", "iframe", "a", "object"} & set(elements.names)
    assert not {each for each in elements.attributes if each.startswith("on") or each in {"src", "href"}}
    assert "default-src &#x27;none&#x27;" in page or "default-src 'none'" in page
    assert "\x1b" not in page
    assert not re.search(r"https?://", page)


def test_the_plot_has_a_mark_for_every_layer() -> None:
    elements = Elements(html_page(FAILED, "bundle"))
    assert elements.names.count("circle") == 1
    assert elements.names.count("path") == 2
    assert Elements(html_page(PASSED, "bundle")).names.count("circle") == 2


def test_the_page_says_what_the_report_says(tmp_path: Path) -> None:
    write_html(FAILED, "my bundle", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "my bundle: FAILED" in page
    assert "shape (3, 2) instead of (3, 4)" in page
    assert "CuDNNLSTM" in page
    assert "parity passed" in html_page(PASSED, "x")
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]

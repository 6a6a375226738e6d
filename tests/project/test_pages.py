"""What benchmarks write into pages of docs/."""

from pathlib import Path

import pytest

from benchmarks.pages import write_between

PAGE = "before\n<!-- of one -->\nold\n<!-- end -->\nbetween\n<!-- of two -->\n<!-- end -->\nafter\n"


def test_only_what_stands_between_the_two_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    for text in ("| new |\n\nlast", "old"):
        write_between(page, "<!-- of one -->", "<!-- end -->", text)
        assert page.read_text() == PAGE.replace("old", text)


@pytest.mark.parametrize(
    "marks", [("<!-- of none -->", "<!-- end -->"), ("<!-- of two -->", "<!-- of one -->")]
)
def test_a_page_without_its_marks_is_not_touched(tmp_path: Path, marks: tuple[str, str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(ValueError, match="not found"):
        write_between(page, *marks, "new")
    assert page.read_text() == PAGE

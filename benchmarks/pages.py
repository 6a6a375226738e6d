"""Puts what was measured into a page of docs/, between the two marks that the page has for it."""

from pathlib import Path


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Put `text` on lines of its own between the marks, in the place of what is there.

    Raises:
        ValueError: the page lacks a mark, or has them in another order; it stays as it is.
    """
    whole = page.read_text(encoding="utf-8")
    start = whole.index(begin) + len(begin)
    page.write_text(f"{whole[:start]}\n{text}\n{whole[whole.index(end, start) :]}", encoding="utf-8")

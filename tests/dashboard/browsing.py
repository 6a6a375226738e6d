"""A page as a test sees it: its links, its text, and what a strict policy would not run."""

from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

PAGE = {"Accept": "text/html"}
"""The header by which a browser asks for a page."""


class Seen(HTMLParser):
    """What stands in one page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        """Of `a`, and where forms that ask lead."""
        self.loaded: list[str] = []
        """Scripts, styles, images."""
        self.inline: list[str] = []
        """What a content security policy without `unsafe-inline` refuses."""
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.fields: list[dict[str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.inline += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
            self.inline += ["javascript:"] if given["href"].lower().startswith("javascript:") else []
        if tag in {"input", "select", "textarea", "button"}:
            self.fields.append(given)
        self.loaded += [
            given[name]
            for name in ("src", "href")
            if tag in {"script", "link", "img", "use"} and name in given
        ]

    def handle_data(self, data: str) -> None:
        self.text += data

    def pages(self, base: str) -> set[str]:
        """The addresses within the application that this page leads to."""
        return {urldefrag(urljoin(base, link))[0] for link in self.links if not link.startswith("#")}

"""Templates to pages. Whatever a template prints is escaped, and what is not printable is spelled out.

Names in model files are strangers' words: a template cannot forget either, since both happen to every expression.
"""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from dashboard import remembered, services
from dashboard.pages import assets, formats, navigation, options_text, searching, tones
from dashboard.pages.said import said
from dashboard.paths import path_within
from dashboard.security import csrf
from dashboard.security.roles import Principal, Role
from db.states import TERMINAL
from keras2torch.errors import one_line

_LONGEST = 4000


def visible(value: Any) -> Any:
    """`value` as a template prints it: text without anything that steers a browser or turns the reading direction."""
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return one_line(value, _LONGEST)
    return value


def verbatim(value: str) -> Markup:
    """Text that a form sends back: escaped, but otherwise as it came."""
    return escape(value)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    environment.filters.update(
        formats.FILTERS,
        verbatim=verbatim,
        tone=tones.tone_of,
        icon_name=tones.icon_of,
        part=_part,
        options=options_text.as_text,
    )
    environment.globals.update(navigation=navigation.ENTRIES, term=searching.term, terminal=TERMINAL)
    return environment


def render(
    request: Request,
    principal: Principal | None,
    template: str,
    *,
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> HTMLResponse:
    """The page `template`, as `principal` sees it; None: somebody who has not signed in."""
    root = str(request.scope.get("root_path", ""))

    def url(path: str, **query: Any) -> str:
        return root + path + address(**query)

    here = path_within(request.scope)
    given = services.of(request)
    text = _ENVIRONMENT.get_template(template).render(
        request=request,
        principal=principal,
        may_act=principal is not None and principal.role.covers(Role.OPERATOR),
        csrf_token=lambda: csrf.csrf_token(request),
        version=given.version,
        url=url,
        static=lambda name: f"{root}/static/{name}?v={assets.version_of(name)}",
        has_scripts=assets.vendored(),
        here=here,
        here_with_query=root + here + _again(request),
        said=said(request.query_params),
        figures_age=remembered.oldest_seconds,
        **context,
    )
    return HTMLResponse(text, status, {"Cache-Control": "no-store", **(headers or {})})


def address(**query: Any) -> str:
    """`?a=1&b=2` of those that are given; "" of none."""
    given = {name: value for name, value in query.items() if value not in {None, ""}}
    return f"?{urlencode(given)}" if given else ""


def _again(request: Request) -> str:
    """The query of this page's address, without what it says was just done."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in {"done", "n"}]
    return f"?{urlencode(kept)}" if kept else ""


def _part(value: Any) -> str:
    """`value` as part of a path."""
    return quote(str(value), safe="/")


_ENVIRONMENT = _environment()

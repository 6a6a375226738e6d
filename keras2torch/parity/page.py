"""The verdict as one HTML page that needs nothing beside it: no script, no font, no picture, no address.

Whatever came out of a file is escaped, and the page's own policy lets nothing load or run.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from keras2torch.errors import one_line
from keras2torch.parity.plot import error_by_depth
from keras2torch.parity.report import Figure, ParityReport

STYLE = """
:root { color-scheme: light dark; --text: #1c2128; --faint: #66707b; --rule: #d8dde3; --page: #fff; --ok: #1a7f4b;
  --bad: #c62828; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --faint: #97a1ac; --rule: #343b44; --page: #15191e;
  --ok: #4cc38a; --bad: #ff7b72; --warn: #e3b341; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0; overflow-wrap: anywhere; } .faint { color: var(--faint); }
.verdict { font-weight: 600; border-left: 4px solid; padding-left: .7rem; margin: 1rem 0; }
.ok { color: var(--ok); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--rule); }
td { overflow-wrap: anywhere; }
th { font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; }
svg { width: 100%; height: auto; } svg .grid { stroke: var(--rule); } svg .axis { stroke: var(--faint); }
svg text { font: 12px system-ui, sans-serif; fill: var(--faint); } svg text.limit { fill: var(--bad); }
svg line.limit { stroke: var(--bad); stroke-dasharray: 5 4; } svg circle.ok { fill: var(--ok); fill-opacity: .75; }
svg path.bad { stroke: var(--bad); stroke-width: 2.2; fill: none; }
"""

Cell = str | float


def html_page(report: ParityReport, title: str) -> str:
    """The whole page; `title` is what the bundle is called."""
    ok = "ok" if report.passed else "bad"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    notes = [
        *(("bad", failure) for failure in report.failures),
        *(("warn", warning) for warning in report.warnings),
        *(("warn", note) for note in report.notes),
    ]
    if report.structure_limit_reason:
        notes.append(("warn", report.structure_limit_reason))
    outputs = [
        [
            output.name,
            _error(output.structure),
            _error(output.deployment),
            output.reference_error,
            output.structure.scale,
            _verdict(output.structure.passed and output.deployment.passed),
        ]
        for output in report.outputs
    ]
    layers = [
        [
            figures.title,
            _error(figures.structure),
            figures.structure.rms,
            figures.structure.scale,
            figures.structure.case,
            _verdict(figures.structure.passed),
        ]
        for figures in report.layers
    ]
    cases = [[case.name, case.description, case.refused or ""] for case in report.cases]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{_safe(title)}: {'passed' if report.passed else 'FAILED'}</title><style>{STYLE}</style></head><body>",
        f'<h1>{_safe(title)}</h1><p class="verdict {ok}">{_safe(report.headline)}</p>',
        f'<p class="faint">{_safe(report.extent)}<br>{_safe(versions)}</p>',
        *(f"<p>{_safe(detail)}</p>" for detail in _details(report)),
        "<h2>Error by depth</h2>",
        error_by_depth(report.layers, report.structure_limit),
        *(["<h2>Failures and warnings</h2>"] if notes else []),
        *(f'<p class="{kind}">{_safe(text)}</p>' for kind, text in notes),
        "<h2>Outputs</h2>",
        _table(["output", "#float64", "#float32", "#Keras float32", "#scale", ""], outputs),
        "<h2>Layers, in float64</h2>",
        _table(["layer", "#error", "#root mean square", "#scale", "worst case", ""], layers),
        "<h2>Cases</h2>",
        _table(["case", "inputs", "why Keras refuses it"], cases),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def write_html(report: ParityReport, title: str, path: Path) -> None:
    """Write the page whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(html_page(report, title), encoding="utf-8")
    partial.replace(path)


def _details(report: ParityReport) -> Iterator[str]:
    """Where it departs first, and what that may mean."""
    if report.first_departure:
        yield from report.first_departure.details()
    if report.conditioning:
        yield str(report.conditioning)


def _safe(text: str) -> str:
    return escape(one_line(text, limit=2000))


def _error(figure: Figure) -> Cell:
    return figure.fault or figure.error


def _verdict(passed: bool) -> str:
    return "ok" if passed else "FAILED"


def _table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Columns whose heading begins with "#" hold numbers."""
    numeric = [heading.startswith("#") for heading in header]

    def cell(value: Cell, kind: str, number: bool) -> str:
        text = f"{value:.1e}" if isinstance(value, float) else value
        names = [*(["number"] if number else []), *(["bad"] if text == "FAILED" else [])]
        return f'<{kind} class="{" ".join(names)}">{_safe(text)}</{kind}>'

    head = "".join(
        cell(text.removeprefix("#"), "th", number) for text, number in zip(header, numeric, strict=True)
    )
    body = "".join(
        f"<tr>{''.join(cell(value, 'td', number) for value, number in zip(row, numeric, strict=True))}</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

"""Writes the pages that are derived from the code: `make docs`."""

import ast
import inspect
from itertools import groupby, pairwise
from pathlib import Path

from keras2torch.declared import About
from keras2torch.layers._table import Entry, entries
from keras2torch.operations._registry import Dialect, Operation, operations
from keras2torch.options import OPTIONS
from keras2torch.source import limits

HERE = Path(__file__).parent
_MOST_NAMES = 20
_COLUMNS = (Dialect.TF, Dialect.NODE, Dialect.KERAS3)


def layers_page() -> str:
    """The table of every layer class that is known, from the registry."""
    rows = entries()
    converted = [row for row in rows if row.reason is None]
    names = sum(len(row.classes) for row in converted)
    beyond = len(rows) - len(converted)
    lines = [
        "# Layers",
        "",
        f"{len(converted)} layers convert, under {names} names; {beyond} classes are known and cannot be converted.",
        "`make docs` writes this page from the registry, `keras2torch layers` prints it. Every example is built by",
        "Keras itself (or by a stand-in, where Keras dropped the class), converted, and proven in float64. A layer or",
        "an option that is not known is refused by name; nothing is guessed.",
    ]
    for family, members in groupby(rows, key=lambda row: row.family):
        lines += [
            "",
            f"## {family}",
            "",
            "| Keras | also called | in | becomes | examples |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| `{row.name}` | {_also(row)} | {row.since} "
            f"| {row.torch or f'**cannot be converted:** {row.reason}.'} | {row.examples or ''} |"
            for row in members
        ]
    return "\n".join(lines) + "\n"


def _also(row: Entry) -> str:
    if len(row.classes) > _MOST_NAMES:
        return f"{len(row.classes) - 1} more: see [operations](operations.md)"
    return ", ".join(f"`{name}`" for name in row.classes[1:])


def operations_page() -> str:
    """The table of every operation, by all of its names."""
    known = operations()
    lines = [
        "# Operations that convert",
        "",
        f"{len(known)} operations that may stand in a graph beside layers (`make docs` writes this page).",
        "Each is proven by every name it has here. Anything else is refused by name.",
    ]
    for family, members in groupby(known, key=lambda each: each.family):
        lines += [
            "",
            f"## {family}",
            "",
            "| becomes | TensorFlow | graph node | Keras 3 |",
            "|---|---|---|---|",
        ]
        for each in members:
            cells = (each.torch.replace("|", "\\|"), *(_names(each, dialect) for dialect in _COLUMNS))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _names(operation: Operation, dialect: Dialect) -> str:
    return ", ".join(f"`{spelling.name}`" for spelling in operation.names[dialect])


def limits_page() -> str:
    """The table of what files are held to."""
    tree = ast.parse(inspect.getsource(limits))
    [body] = [node.body for node in tree.body if isinstance(node, ast.ClassDef)]
    lines = [
        "# Limits",
        "",
        "What a file may ask for, at most (`make docs` writes this page). A file that goes past one is refused as",
        "`limit-exceeded`, before anything is allocated or looped over. `--limit NAME=NUMBER` of `inspect`,",
        "`convert` and `fleet migrate` sets another value, as does `limits=` in Python; the bundle's manifest records",
        "it, and verifying holds to it.",
        "",
        "| limit | default | what it bounds |",
        "|---|---|---|",
    ]
    for field, doc in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(doc, ast.Expr):
            name = ast.unparse(field.target)
            text = " ".join(ast.literal_eval(doc.value).split())
            lines.append(f"| `{name}` | {getattr(limits.DEFAULT, name):,} | {text} |")
    lines += [
        "",
        "A child in the fleet has limits of its own besides, on memory, time, files and processes: `Limits` in",
        "`keras2torch/sandbox/terms.py`, two of them set by `FLEET_JOB_MEMORY_BYTES` and `FLEET_JOB_TIMEOUT_SECONDS`.",
    ]
    return "\n".join(lines) + "\n"


def options_page() -> str:
    """The table of what may be asked of a conversion."""
    lines = [
        "# Options of a conversion",
        "",
        "What may be asked beside the model (`make docs` writes this page). In Python they are arguments by name, of",
        "`keras2torch.convert` all of them. The manifest records what was asked for, so that `verify` reads the file",
        "in the same way. `fleet migrate` takes what can be meant for many models at once.",
        "",
        "| command | Python | what it does | commands |",
        "|---|---|---|---|",
    ]
    commands = {
        About.FILE: "`inspect`, `convert`",
        About.CODE: "`inspect`, `convert`, `verify`",
        About.BUNDLE: "`convert`",
    }
    for name, (declared, default) in OPTIONS.items():
        words = [declared.dashed(name)]
        if not isinstance(default, bool):
            words.append(declared.metavar or "|".join(declared.choices))
        where = commands[declared.about] + (", `fleet migrate`" if declared.batch else "")
        more = " (repeatable)" if declared.many else ""
        spelled = " ".join(words).replace("|", "\\|")
        lines.append(f"| `{spelled}` | `{name}` | {declared.help}{more} | {where} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "options.md").write_text(options_page(), encoding="utf-8")
    (HERE / "limits.md").write_text(limits_page(), encoding="utf-8")
    (HERE / "layers.md").write_text(layers_page(), encoding="utf-8")
    (HERE / "operations.md").write_text(operations_page(), encoding="utf-8")

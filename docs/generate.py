"""Writes the pages that are derived from the code: `make docs`."""

from itertools import groupby
from pathlib import Path

from keras2torch.layers._registry import LayerRule, converts_all
from keras2torch.operations._registry import Dialect, Operation, operations

HERE = Path(__file__).parent
_MOST_NAMES = 20
_COLUMNS = (Dialect.TF, Dialect.NODE, Dialect.KERAS3)


def layers_page() -> str:
    """The table of everything that converts, from the registry."""
    rules = converts_all()
    lines = [
        "# Layers that convert",
        "",
        f"{len(rules)} layers, from the registry (`make docs` writes this page, `keras2torch layers` prints it).",
        "A layer or an option that is not known is refused by name; nothing is guessed.",
    ]
    for family, members in groupby(rules, key=lambda rule: rule.family):
        lines += ["", f"## {family}", "", "| Keras | also called | becomes |", "|---|---|---|"]
        lines += [f"| `{rule.name}` | {_also(rule)} | {rule.torch} |" for rule in members]
    return "\n".join(lines) + "\n"


def _also(rule: LayerRule) -> str:
    if len(rule.classes) > _MOST_NAMES:
        return f"{len(rule.classes) - 1} more: see [operations](operations.md)"
    return ", ".join(f"`{name}`" for name in rule.classes[1:])


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


if __name__ == "__main__":
    (HERE / "layers.md").write_text(layers_page(), encoding="utf-8")
    (HERE / "operations.md").write_text(operations_page(), encoding="utf-8")

"""Writes the pages that are derived from the code: `make docs`."""

from itertools import groupby
from pathlib import Path

from keras2torch.layers._registry import converts_all

HERE = Path(__file__).parent


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
        lines += [
            f"| `{rule.name}` | {', '.join(f'`{name}`' for name in rule.classes[1:])} | {rule.torch} |"
            for rule in members
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    (HERE / "layers.md").write_text(layers_page(), encoding="utf-8")

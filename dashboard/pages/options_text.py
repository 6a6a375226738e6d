"""A recipe's options in one line, as a person would have typed them."""

from collections.abc import Mapping
from typing import Any


def as_text(options: Mapping[str, Any]) -> str:
    """`--backend theano --export pt2,onnx`; "" where none were asked for."""
    words = []
    for name, value in sorted(options.items()):
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        if name == "export":
            values = [",".join(map(str, values))]
        for each in values:
            text = each.get("name", each) if isinstance(each, Mapping) else each
            words.append(flag if each is True else f"{flag} {text}")
    return " ".join(words)

"""Breaks a long statement over lines, one argument a line, as a formatter would."""

from __future__ import annotations

import re

WIDTH = 100


def wrapped(line: str) -> list[str]:
    """A statement on one line, or with one argument a line where it is too long."""
    if len(line) <= WIDTH:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    start = _outer_bracket(line)
    if start is None:
        return [line]
    end = _closing(line, start)
    inner, tail = line[start + 1 : end].rstrip(), line[end:]
    one = f"{indent}    {inner}"
    if len(one) <= WIDTH and "=" not in tail:
        return [line[: start + 1], one, indent + tail]
    arguments = _split(inner)
    # Behind a single operand or index, a comma would make a tuple of it.
    calls = re.search(r"[\w)\]]$", line[:start]) is not None
    alone = len(arguments) == 1 and not inner.endswith(",") and calls == (line[start] == "[")
    comma = "" if alone else ","
    pieces = [piece for argument in arguments for piece in wrapped(f"{indent}    {argument}{comma}")]
    return [line[: start + 1], *pieces, indent + tail]


def _outer_bracket(line: str) -> int | None:
    """Where the outermost bracket with the longest content opens."""
    best, depth, position = None, 0, 0
    longest = 0
    while position < len(line):
        char = line[position]
        if char == '"':
            position = _string_end(line, position)
        elif char in "([{":
            if depth == 0:
                length = _closing(line, position) - position
                if length > longest:
                    best, longest = position, length
            depth += 1
        elif char in ")]}":
            depth -= 1
        position += 1
    return best


def _closing(line: str, start: int) -> int:
    depth, position = 0, start
    while position < len(line):
        char = line[position]
        if char == '"':
            position = _string_end(line, position)
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return len(line) - 1


def _string_end(line: str, start: int) -> int:
    position = start + 1
    while position < len(line) and line[position] != '"':
        position += 2 if line[position] == "\\" else 1
    return position


def _split(inner: str) -> list[str]:
    """Arguments between commas at the top level."""
    pieces, depth, begin, position = [], 0, 0, 0
    while position < len(inner):
        char = inner[position]
        if char == '"':
            position = _string_end(inner, position)
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            pieces.append(inner[begin:position].strip())
            begin = position + 1
        position += 1
    last = inner[begin:].strip()
    return [*pieces, last] if last else pieces

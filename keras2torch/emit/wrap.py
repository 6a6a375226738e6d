"""Breaks a long statement over lines, one argument a line, as a formatter would."""

from __future__ import annotations

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
    inner, tail = line[start + 1 : end], line[end:]
    one = f"{indent}    {inner.rstrip(', ')}"
    if len(one) <= WIDTH and "=" not in tail:
        return [line[: start + 1], one, indent + tail]
    arguments = _split(inner)
    # Parentheses round an operand: a comma would make it a tuple.
    comma = "" if len(arguments) == 1 and line[start] == "(" and line[start - 1] in " ([" else ","
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

"""Strict JSON from a file nobody vouches for: bounded depth and size, no duplicate keys, no NaN."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from keras2torch.errors import BadConfig, LimitExceeded
from keras2torch.source.limits import Limits

_LARGEST_INT = 1 << 53


def parse_object(text: bytes | str, limits: Limits) -> dict[str, Any]:
    """Parse `text` into a dict.

    Raises `BadConfig` for anything that is not one strict JSON object, `LimitExceeded` past `limits`.
    """
    if len(text) > limits.config_bytes:
        raise LimitExceeded(f"model_config is {len(text)} bytes, more than {limits.config_bytes}")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadConfig(f"model_config is not UTF-8 (byte {error.start})") from error
    # In strings too, where few stand: counting is quick, and comes before anything slow.
    if sum(map(text.count, "[{,")) > limits.json_items:
        raise LimitExceeded(f"model_config holds more than {limits.json_items} items")
    _check_depth(text, limits.json_depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constants,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except json.JSONDecodeError as error:
        raise BadConfig(f"model_config is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise BadConfig(f"model_config is a JSON {type(value).__name__}, not an object")
    return value


# Possessive, and an unclosed string matches up to the end: no text makes the search go back over what it has seen.
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)


def _check_depth(text: str, deepest: int) -> None:
    # Python's own parser recurses; measuring first keeps a hostile nesting from reaching it.
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        char = match.group()
        if char in ("[", "{"):
            depth += 1
            if depth > deepest:
                raise LimitExceeded(f"model_config is nested deeper than {deepest}")
        elif char in ("]", "}"):
            depth -= 1


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise BadConfig(f"model_config has the key {counts.most_common(1)[0][0]!r} twice in one object")
    return result


def _no_constants(name: str) -> NoReturn:
    raise BadConfig(f"model_config contains {name}")


def _bounded_int(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > _LARGEST_INT:
        raise BadConfig(f"model_config contains the integer {text[:20]}..., beyond 2^53")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadConfig(f"model_config contains {text[:20]}, beyond a float")
    return value

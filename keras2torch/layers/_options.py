"""A layer's configuration as a rule reads it: typed, bounded, and aware of what was never read.

An option that no rule read is an option whose meaning would be lost, so it is refused rather than ignored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from keras2torch.errors import UnsupportedOption

# What has no bearing on the function a trained layer computes at inference. Everything else must be read by a rule.
_WITHOUT_EFFECT = frozenset(
    [
        "name",
        "trainable",
        "dtype",
        "autocast",
        "batch_input_shape",
        "batch_shape",
        "input_dtype",
        "input_shape",
        "input_length",
        "build_config",
        "activity_regularizer",
        "shared_object_id",
        "registered_name",
        "module",
        "implementation",
        "unroll",
    ]
)
_WITHOUT_EFFECT_SUFFIXES = ("_initializer", "_regularizer", "_constraint")
# Keras writes these whether or not they are used; at these values they mean "not used".
_INERT_WHEN = {
    "lora_rank": (None,),
    "lora_alpha": (None,),
    "quantization_config": (None,),
    "ragged": (False,),
    "sparse": (False,),
}
_LARGEST = 1 << 31

_MISSING: Any = object()


class Options:
    """Typed, recording access to one layer's `config`."""

    def __init__(self, config: Mapping[str, Any]):
        self._config = config
        self._read: set[str] = set()

    @property
    def read(self) -> frozenset[str]:
        """Keys that a rule asked for, which is what a canonical rewrite of the layer needs."""
        return frozenset(self._read)

    def take(self, *names: str, default: Any = _MISSING) -> Any:
        """The value under the first of `names` that is there (spellings of one option across generations)."""
        self._read.update(names)
        for name in names:
            if name in self._config:
                return self._config[name]
        if default is _MISSING:
            raise UnsupportedOption(f"option {names[0]} is missing", names[0])
        return default

    def names(self) -> list[str]:
        """Every option that is there, for rules that read them all."""
        return list(self._config)

    def unread(self) -> list[str]:
        """Options that are set to something and that no rule read."""
        return [
            key
            for key, value in self._config.items()
            if key not in self._read
            and key not in _WITHOUT_EFFECT
            and not key.endswith(_WITHOUT_EFFECT_SUFFIXES)
            and value not in _INERT_WHEN.get(key, ())
        ]

    def ignore_all(self) -> None:
        """Say that somebody else answers for what the options mean."""
        self._read.update(self._config)

    def ignore(self, *names: str) -> None:
        """Say that these options do not change the function at inference."""
        self._read.update(names)

    def flag(self, *names: str, default: Any = _MISSING) -> bool:
        value = self.take(*names, default=default)
        if not isinstance(value, bool):
            raise UnsupportedOption(f"option {names[0]} is {value!r}, not true or false", names[0])
        return value

    def integer(self, *names: str, default: Any = _MISSING, minimum: int = 1, maximum: int = _LARGEST) -> int:
        return _integer(self.take(*names, default=default), names[0], minimum, maximum)

    def number(self, *names: str, default: Any = _MISSING, minimum: float = -math.inf) -> float:
        value = self.take(*names, default=default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or value < minimum
        ):
            raise UnsupportedOption(f"option {names[0]} is {value!r}, not a number >= {minimum}", names[0])
        return float(value)

    def integers(self, *names: str, count: int, default: Any = _MISSING, minimum: int = 1) -> tuple[int, ...]:
        """`count` integers; one number stands for all of them, as in Keras."""
        value = self.take(*names, default=default)
        items = value if isinstance(value, list | tuple) else (value,) * count
        if len(items) != count:
            raise UnsupportedOption(f"option {names[0]} has {len(items)} numbers, not {count}", names[0])
        return tuple(_integer(item, names[0], minimum, _LARGEST) for item in items)

    def choice(self, *names: str, among: tuple[str, ...], default: Any = _MISSING) -> str:
        value = self.take(*names, default=default)
        if value not in among or not isinstance(value, str):
            raise UnsupportedOption(
                f"option {names[0]} is {value!r}, not one of {', '.join(among)}", names[0]
            )
        return value

    def must_be(self, name: str, *allowed: Any) -> None:
        """Accept an option only at values under which it changes nothing."""
        value = self.take(name, default=allowed[0])
        if not any(value == item and type(value) is type(item) for item in allowed):
            raise UnsupportedOption(f"option {name}={value!r} is not supported", name)


def _integer(value: Any, name: str, minimum: int, maximum: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
        raise UnsupportedOption(f"option {name} is {value!r}, not an integer in {minimum}..{maximum}", name)
    return value

"""A model that magnifies rounding until no two computers agree on what it says."""

from collections.abc import Callable
from typing import Any


def chaotic(k: Any) -> Any:
    """Sums in another order differ by 1e-16; each sine of thousands makes thousands of that."""
    x = k.Input((64,), name="series")
    y = k.layers.Dense(8, name="sums")(x)
    for number in range(3):
        y = k.ops.sin(k.layers.Rescaling(2e3, name=f"magnify{number}")(y))
    return k.Model(x, k.layers.Dense(3, name="last")(y))


BUILDERS: dict[str, Callable[[Any], Any]] = {"chaotic": chaotic}

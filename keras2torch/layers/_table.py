"""The registry as a table: every class that is known, whether it converts, and how or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras2torch.layers._registry import (
    BEFORE_KERAS3,
    EVERY_GENERATION,
    GENERATION_NAMES,
    ONLY_KERAS3,
    SINCE_KERAS2,
    SINCE_TF_KERAS,
    Generations,
    cannot_all,
    converts_all,
)

_IN_WORDS: dict[Generations, str] = {
    EVERY_GENERATION: "every Keras",
    BEFORE_KERAS3: "before Keras 3",
    ONLY_KERAS3: "Keras 3",
    SINCE_KERAS2: "since Keras 2",
    SINCE_TF_KERAS: "since tf.keras",
}


@dataclass(frozen=True)
class Entry:
    """One row. `torch` says what the layer becomes, `reason` why it does not convert; one of them is None."""

    family: str
    classes: tuple[str, ...]
    """Its name, then the other names that a file may give it."""
    generations: Generations
    version: int | None
    """The minor version of tf.keras 2 that brought it, if it came late."""
    torch: str | None
    reason: str | None
    masks: str | None
    examples: int

    @property
    def name(self) -> str:
        return self.classes[0]

    @property
    def status(self) -> str:
        return "cannot" if self.torch is None else "converted"

    @property
    def since(self) -> str:
        """The generations in words."""
        if self.version is not None and self.generations == SINCE_TF_KERAS:
            return f"since tf.keras 2.{self.version}"
        return _IN_WORDS.get(self.generations) or ", ".join(
            name for generation, name in GENERATION_NAMES.items() if generation in self.generations
        )

    def as_json(self) -> dict[str, Any]:
        """What `keras2torch layers --json` says of it; operations say the same of themselves."""
        return {
            "kind": "layer",
            "classes": list(self.classes),
            "family": self.family,
            "generations": [
                generation.value for generation in GENERATION_NAMES if generation in self.generations
            ],
            "status": self.status,
            "torch": self.torch,
            "reason": self.reason,
            "masks": self.masks,
            "examples": self.examples,
        }


def entries() -> list[Entry]:
    """Every class by family, then by name; the aliases of a rule stand in its row."""
    rows = [
        Entry(
            rule.family,
            rule.classes,
            rule.generations,
            rule.since,
            rule.torch,
            None,
            rule.masks.value,
            len(rule.examples),
        )
        for rule in converts_all()
    ]
    rows += [
        Entry(entry.family, (entry.name,), entry.generations, None, None, entry.reason, None, 0)
        for entry in cannot_all()
    ]
    return sorted(rows, key=lambda row: (row.family, row.name))

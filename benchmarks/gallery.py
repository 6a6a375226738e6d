"""What the converter writes for well-known nets: `python -m benchmarks.gallery` writes docs/gallery anew, in seconds.

Source depends on a model's configuration alone, so this needs neither weights nor Keras nor torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.structure import lines, text_of
from keras2torch.graph.build import build_graph
from keras2torch.source.applications import variants
from keras2torch.source.model import Generation
from keras2torch.structure.recover import flat, recover
from keras2torch.translate import translate

FOLDER = Path(__file__).parent.parent / "docs" / "gallery"
GOALS: Mapping[str, int | None] = {
    "VGG16": 70,
    "ResNet50": 160,
    "MobileNetV2": 130,
    "DenseNet121": 130,
    "InceptionV3": None,
    "EfficientNetB0": 170,
    "ConvNeXtTiny": 150,
}
"""Of keras.applications: how many lines a net may have."""
_HEAD = """# Gallery

What the converter writes for nets that many know, from their Keras configuration alone. Written by `make gallery`;
a test holds every file to it, byte for byte. The nets that are not in keras.applications are built by
`samples/gallery.py`.

Lines are those of `model.py` without blank lines and comments. *Flat* is the same net with `--style flat`, and modules
are those of a flat graph. Classes are those found beside the model's own. No weights are involved here, so the gallery
shows source and proves nothing about numbers: [parity](../parity.md) does. Three of them were
[read beside torchvision's](review.md).

| net | lines | goal | lines, flat | modules, flat | classes |
|---|---|---|---|---|---|
"""


def configurations() -> dict[str, dict[str, Any]]:
    """Every net by name, as Keras 3's `to_json` spells it."""
    own = sorted((FOLDER / "architectures").glob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in own}
    return found | {name: variants(name)[0]["model"] for name in GOALS}


def pages() -> dict[str, str]:
    """The text of every file of the gallery, by its name."""
    found: dict[str, str] = {}
    rows = []
    for name, config in configurations().items():
        program = translate(build_graph(config, Generation.KERAS3))
        whole, structure = flat(program), recover(program)
        file, version = f"{name.lower()}.py", config["keras_version"]
        found[file] = text_of(program, structure, f"{name}.h5", version)
        goal = GOALS.get(name)
        rows.append(
            f"| [{name}]({file}) | {lines(found[file])} | {f'<= {goal}' if goal else ''} "
            f"| {lines(text_of(program, whole))} | {len(program.modules)} | {len(structure.blocks) - 1} |"
        )
    return found | {"README.md": _HEAD + "\n".join(rows) + "\n"}


def main() -> int:
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

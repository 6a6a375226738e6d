"""Exports of a bundle: `model.pt2` (torch.export) and `model.onnx`, each read back and compared with the module.

This package imports no torch; `inside` does, in a confined child.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras2torch.bundle import extend_bundle
from keras2torch.exports.confined import Exporter
from keras2torch.exports.formats import formats_of

__all__ = ["Exporter", "export", "formats_of"]


def export(bundle: str | Path, to: Sequence[str]) -> dict[str, Any]:
    """Export a bundle to the formats `to` ("pt2", "onnx"), into the bundle; returns its new manifest.

    The batch, and every extent that Keras left open, stays open. Each file is read back and run at two batches (and two
    sizes, where some are open); the manifest says under `exports` how far it was off.

    Runs the bundle's `model.py`, confined. Raises `UsageError` for what is no bundle, for a format that there is not or
    whose packages are missing, `CannotExport` for a model that a format cannot hold. The bundle is then as it was.
    """
    return extend_bundle(Path(bundle), Exporter(formats_of(to), str(bundle)))

"""Exports of a bundle, made and compared in a child of their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras2torch.bundle import extend_bundle
from keras2torch.exports import Exporter, formats_of
from workers import isolation
from workers.isolation import Run


def add_exports(run: Run, bundle: Path, formats: Sequence[str], *, name: str) -> None:
    """Add to the bundle what `formats` ask for; `name` is what the source is called in messages.

    Raises `keras2torch.errors.UsageError` where this machine lacks the packages, `errors.ChildFailed` of kind
    `cannot-export` for a model that a format cannot hold.
    """

    def confined(target: str, payload: Mapping[str, Any], workdir: Path) -> Any:
        return run(isolation.TORCH, target, dict(payload), workdir=workdir, readable=(bundle,))

    extend_bundle(bundle, Exporter(formats_of(formats), name, confined))

"""A bundle as a module, in one call."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras2torch.bundle import read_manifest
from keras2torch.errors import UsageError

if TYPE_CHECKING:
    from torch import nn


def load(bundle: str | Path, **options: Any) -> nn.Module:
    """The module of a bundle, with its weights, in eval mode; `options` go to its `load_model` (device, dtype).

    Runs the bundle's `model.py`: load only bundles that you made or trust. Raises `UsageError` for a folder that is
    no bundle.
    """
    folder = Path(bundle).absolute()
    read_manifest(folder)
    spec = importlib.util.spec_from_file_location(f"keras2torch_bundle_{folder.name}", folder / "model.py")
    if spec is None or spec.loader is None:
        raise UsageError("model.py cannot be loaded", file=str(folder))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model: nn.Module = module.load_model(**options)
    return model

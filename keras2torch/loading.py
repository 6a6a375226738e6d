"""A bundle as a module, in one call."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keras2torch.bundle import read_manifest
from keras2torch.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import nn


def load(
    bundle: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> nn.Module:
    """The module of a bundle, with its weights, in eval mode.

    `device`: where it lies. `dtype`: what it computes in, float32 unless given, whatever its weights are stored in.
    Runs the bundle's `model.py`: load only bundles that you made or trust. Raises `UsageError` for a folder that is
    no bundle.
    """
    folder = Path(bundle).absolute()
    read_manifest(folder)
    # Known to Python by a name of its own, so that the module can be compiled, exported and saved.
    name = f"keras2torch_bundle_{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, folder / "model.py")
    if spec is None or spec.loader is None:
        raise UsageError("model.py cannot be loaded", file=str(folder))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    kind = {} if dtype is None else {"dtype": dtype}
    model: nn.Module = module.load_model(device=device, **kind)
    return model

"""keras2torch: one Keras `.h5` in, one readable and proven PyTorch module out.

Converting needs neither TensorFlow nor Keras nor torch; `load` imports torch, `verify` runs both in child processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch._version import __version__

if TYPE_CHECKING:
    from keras2torch.conversion import Conversion, convert
    from keras2torch.exports import export
    from keras2torch.hub import push
    from keras2torch.inspection import Inspection, inspect
    from keras2torch.loading import load
    from keras2torch.parity.verify import verify

__all__ = [
    "Conversion",
    "Inspection",
    "__version__",
    "convert",
    "export",
    "inspect",
    "load",
    "push",
    "verify",
]

_HOMES = {
    "Conversion": "conversion",
    "convert": "conversion",
    "export": "exports",
    "Inspection": "inspection",
    "inspect": "inspection",
    "load": "loading",
    "push": "hub",
    "verify": "parity.verify",
}


def __getattr__(name: str) -> Any:
    # Each door opens its own room: whoever converts does not wait for what verifying imports.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

"""What a bundle can be exported to, and which packages each format needs. Imports none of them."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from keras2torch.errors import UsageError

FILES: Mapping[str, str] = {"pt2": "model.pt2", "onnx": "model.onnx"}
"""The file that each format becomes, in the order in which they are made."""

_NEEDED: Mapping[str, Sequence[str]] = {
    "pt2": ("torch", "safetensors"),
    "onnx": ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime"),
}


def formats_of(asked: Sequence[str]) -> tuple[str, ...]:
    """The formats in `asked`, in the order of `FILES`.

    Raises `UsageError` for a format that there is not, and where a package that one needs is not installed.
    """
    unknown = [item for item in asked if item not in FILES]
    if unknown:
        raise UsageError(f"cannot export to {unknown[0]!r}, only to {', '.join(FILES)}")
    _check_installed(asked)
    return tuple(name for name in FILES if name in asked)


def _check_installed(formats: Sequence[str]) -> None:
    """Looking for a module does not import it."""
    needed = dict.fromkeys(name for each in formats for name in _NEEDED[each])
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"exporting to {','.join(formats)} needs {', '.join(missing)}: pip install 'keras2torch[export]'"
        )

"""Layer rules from outside: a file that the caller names, and packages with entry points in `keras2torch.layers`.

Both are their owner's code, run as such; nothing of a model file says what is loaded.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import ModuleType

from keras2torch.errors import UsageError
from keras2torch.layers import _registry
from keras2torch.options import UserFile

GROUP = "keras2torch.layers"


def load_entry_points() -> None:
    """Import what installed packages offer. Raises `UsageError` for one that cannot be imported."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise UsageError(f"the plug-in {entry.name} ({entry.value}) cannot be loaded: {error}") from error


@contextmanager
def rules_of(files: Sequence[UserFile]) -> Iterator[None]:
    """Have the rules in `files` hold while this lasts, beside those that are always there.

    Raises `UsageError` for a file that cannot be run, or that holds no rule.
    """
    with _registry.collecting() as collected:
        for file in files:
            before = len(collected)
            run_file(file)
            if len(collected) == before:
                raise UsageError(
                    "has no rule for a layer (a function decorated with converts)", file=str(file.path)
                )
    with _registry.active(collected):
        yield


def run_file(file: UserFile) -> ModuleType:
    """Run a file of the caller's as a module. Raises `UsageError` with what went wrong in it."""
    name = f"keras2torch_user_{file.sha256[:16]}"
    spec = importlib.util.spec_from_file_location(name, file.path)
    if spec is None or spec.loader is None:
        raise UsageError("is not a Python file", file=str(file.path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"cannot be run ({type(error).__name__}: {error})", file=str(file.path)) from error
    finally:
        sys.modules.pop(name, None)
    return module

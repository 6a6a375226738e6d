"""What runs in the sandbox's children. The worker process never imports the engine's working parts; these do.

A refusal is a result, not an error: the file is a stranger's, and most strangers' files can be refused.
"""

from pathlib import Path
from typing import Any


def convert(payload: dict[str, Any]) -> dict[str, Any]:
    """Convert `source` into the folder `out`; `name` is what the file is called in messages.

    Returns an empty object, or `{"refused": {...}}`.
    """
    import keras2torch
    from keras2torch import errors

    try:
        keras2torch.convert(Path(payload["source"]), Path(payload["out"]), **payload["options"])
    except errors.Keras2TorchError as error:
        error.file = payload["name"]
        return {"refused": {"kind": error.kind, "message": str(error), "reasons": _reasons(error)}}
    return {}


def _reasons(error: Exception) -> list[dict[str, Any]]:
    return [
        {
            "kind": reason.kind,
            "subject": f"{reason.class_name} {reason.option}" if reason.option else reason.class_name,
            "layer": reason.layer,
            "message": reason.message,
        }
        for reason in getattr(error, "reasons", ())
    ]

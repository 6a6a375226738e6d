"""What runs in the engine's sandbox. Its server imports this file and what it names, so that no child has to.

A refusal is a result, not an error: the file is a stranger's, and most strangers' files can be refused.
"""

from pathlib import Path
from typing import Any

import keras2torch
from keras2torch import errors
from keras2torch.errors import one_line
from keras2torch.layers import _registry
from keras2torch.parity import compare, prepare

#: Loading the rules takes longer than converting a small model.
PRELOADED = (_registry.rules(), compare, prepare)


def convert(payload: dict[str, Any]) -> dict[str, Any]:
    """Convert `source` into the folder `out`; `name` is what the file is called in messages.

    Returns an empty object, or `{"refused": {...}}`.
    """
    try:
        keras2torch.convert(Path(payload["source"]), Path(payload["out"]), **payload["options"])
    except errors.CannotWrite:
        raise  # the machine's trouble, not the file's
    except errors.Keras2TorchError as error:
        error.file = payload["name"]
        return {"refused": {"kind": error.kind, "message": str(error), "reasons": _reasons(error)}}
    return {}


def _reasons(error: errors.Keras2TorchError) -> list[dict[str, Any]]:
    reasons = error.reasons if isinstance(error, errors.UnsupportedModel) else ()
    return [
        {
            "kind": reason.kind,
            "subject": one_line(
                f"{reason.class_name} {reason.option}" if reason.option else reason.class_name
            ),
            "layer": one_line(reason.layer),
            "message": one_line(reason.message),
        }
        for reason in reasons
    ]

"""What a file says of how its model was compiled for training. Of no bearing on what the model computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from keras2torch.errors import RefusedFile
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import Limits

_BYTES = 1 << 20
_ITEMS = 10_000

Compiled = Mapping[str, Any] | str | None
"""The parsed configuration, still in the file's own spelling; or why it cannot be read; or None where there is none."""


def compiled_config(raw: Any, limits: Limits) -> Compiled:
    """The `training_config` of an `.h5` file, as JSON with bounds of its own. Never a reason to refuse the file."""
    if not isinstance(raw, bytes | str):
        return "training_config is no text"
    bounds = replace(
        limits, config_bytes=min(_BYTES, limits.config_bytes), json_items=min(_ITEMS, limits.json_items)
    )
    try:
        return parse_object(raw, bounds)
    except RefusedFile as error:
        return error.message.replace("model_config", "training_config")

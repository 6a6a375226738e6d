"""What runs in a sandbox child for `test_architectures`."""

import importlib
from collections.abc import Mapping
from typing import Any

from tests.parity.keras_models import randomise


def save_weights(payload: Mapping[str, Any]) -> None:
    """Save the weights alone of an application without its classifier, in the layout of published ones."""
    keras = importlib.import_module("tf_keras")
    model = getattr(keras.applications, payload["name"])(weights=None, include_top=False)
    randomise(model)
    model.save_weights(payload["path"])

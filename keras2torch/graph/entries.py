"""The layer entries of a configuration, checked and in one form, whichever Keras wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import BadConfig
from keras2torch.graph import wiring
from keras2torch.source.model import Generation

MODEL_CLASSES = frozenset({"Sequential", "Functional", "Model"})
"""Containers. `Model` is what Functional was called before TensorFlow 2.3."""


LAYERS_AND_OPERATIONS = frozenset(
    {
        "Add",
        "Average",
        "Concatenate",
        "Dot",
        "Maximum",
        "Minimum",
        "Multiply",
        "Reshape",
        "Softmax",
        "Subtract",
    }
)
"""Names that Keras 3 has for a layer and for an operation."""
OPERATION = "ops."


@dataclass(frozen=True)
class Entry:
    """One layer or nested model of a container. Only a Sequential may have a list for a `config`."""

    name: str
    class_name: str
    config: Any
    calls: Sequence[wiring.SavedCall] = ()
    nested: bool = False

    @property
    def is_input(self) -> bool:
        return self.class_name == "InputLayer"

    @property
    def trainable(self) -> bool:
        return is_trainable(self.config)


def parse_entry(entry: Mapping[str, Any], generation: Generation) -> Entry:
    """Raises `BadConfig` for an entry that lacks what every layer has."""
    class_name, config = class_and_config(entry)
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else class_name.lower())
    if not isinstance(name, str) or not name:
        raise BadConfig("a layer without a name", spot=class_name)
    if generation is Generation.KERAS3:
        class_name = operation_class(entry) or class_name
    return Entry(name, class_name, config, wiring.saved_calls(entry, generation), is_model(entry))


def operation_class(entry: Mapping[str, Any]) -> str | None:
    """The class of an entry of Keras 3 that may be an operation and no layer, or None if it is a layer.

    Ten operations have the name of a layer: those get `ops.` in front. Every layer says whether it is trainable and of
    what type; operations never do, except that some have a `dtype` among their arguments.
    """
    class_name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(class_name, str) or not isinstance(config, Mapping) or "trainable" in config:
        return None
    if class_name not in LAYERS_AND_OPERATIONS:
        return class_name
    return None if "dtype" in config else f"{OPERATION}{class_name}"


def input_entry(name: str, config: Mapping[str, Any], shape: Any) -> Entry:
    """The InputLayer of a model that says what it takes only in the layer `config` at its front."""
    dtype = config.get("dtype", "float32")
    return Entry(name, "InputLayer", {"name": name, "batch_shape": shape, "dtype": dtype})


def layer_entries(class_name: str, model: Any) -> list[Mapping[str, Any]]:
    """The layer entries of a container; Sequential stored a bare list before Keras 2.2.3."""
    layers = model if isinstance(model, list) else model.get("layers") if isinstance(model, Mapping) else None
    if not isinstance(layers, list) or any(not isinstance(layer, Mapping) for layer in layers):
        raise BadConfig(f"{class_name} has no list of layers")
    if not layers:
        raise BadConfig(f"a {class_name} model without layers")
    return layers


def class_and_config(entry: Mapping[str, Any]) -> tuple[str, Any]:
    class_name, config = entry.get("class_name"), entry.get("config")
    if isinstance(class_name, str) and (
        isinstance(config, Mapping) or (isinstance(config, list) and class_name == "Sequential")
    ):
        return class_name, config
    raise BadConfig("a layer without class_name and config", spot=str(entry.get("name") or "model_config"))


def is_model(entry: Mapping[str, Any]) -> bool:
    """Whether a layer entry is a nested model."""
    class_name, config = entry.get("class_name"), entry.get("config")
    if isinstance(class_name, str) and class_name in MODEL_CLASSES:
        return True
    # A user's own subclass of Model, saved as a Functional one.
    return isinstance(config, Mapping) and "layers" in config and "output_layers" in config


def is_trainable(config: Any) -> bool:
    return not (isinstance(config, Mapping) and config.get("trainable") is False)


def input_shape_of(config: Mapping[str, Any]) -> Any:
    """The shape that a layer entry declares for its input, in any generation's spelling, or None."""
    return config.get("batch_shape", config.get("batch_input_shape"))


def model_name(config: Any, class_name: str) -> str:
    name = config.get("name") if isinstance(config, Mapping) else None
    return name if isinstance(name, str) and name else class_name.lower()

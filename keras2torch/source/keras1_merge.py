"""A Keras 1 Sequential that begins by merging other models, as one Functional model.

Such a model held its branches in the configuration of its first layer, and stored the weights of their layers as if
they were its own: the branches are laid flat here in the same way (`flattened_layers` in `keras/models.py` of 1.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras2torch.errors import BadConfig

Config = dict[str, Any]
_Tensor = list[Any]
"""[layer, node, tensor]"""


def starts_with_branches(layers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a Sequential of these layers has several models before its first layer."""
    return bool(layers) and layers[0].get("class_name") == "Merge" and "layers" in layers[0]["config"]


def branches_laid_flat(layers: Sequence[Mapping[str, Any]], groups: Sequence[str]) -> Config:
    """The Functional configuration of a Sequential for which `starts_with_branches`. Raises `BadConfig`.

    `groups`: the names under which the file stores its layers, for models among them that the list does not name.
    """
    flat = _Flat(groups)
    output = flat.chain(layers)
    return {"layers": flat.layers, "input_layers": flat.inputs, "output_layers": [output]}


class _Flat:
    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups
        self.layers: list[Config] = []
        self.inputs: list[_Tensor] = []

    def chain(self, layers: Sequence[Mapping[str, Any]]) -> _Tensor:
        """Add the layers of one Sequential; returns what the last one yields."""
        if not layers:
            raise BadConfig("a Sequential model without layers")
        first, rest = layers[0], layers[1:]
        if starts_with_branches(layers):
            tensors = [self._branch(branch) for branch in _list_of_objects(first["config"]["layers"])]
            config = {key: value for key, value in first["config"].items() if key != "layers"}
            current = self._add({**first, "config": config}, tensors)
        elif first.get("class_name") == "InputLayer":
            current = self._input(first)
        else:
            config = first["config"]
            shape = config.get("batch_input_shape") if isinstance(config, Mapping) else None
            if shape is None:
                raise BadConfig("a branch that does not say what it takes", spot=_name(first))
            name = f"{_name(first)}_input"
            made = {"name": name, "batch_input_shape": shape, "dtype": "float32"}
            current = self._add(first, [self._input({"class_name": "InputLayer", "config": made})])
        for layer in rest:
            current = self._add(layer, [current])
        return current

    def _branch(self, entry: Mapping[str, Any]) -> _Tensor:
        config = entry.get("config")
        if entry.get("class_name") == "Sequential" and isinstance(config, list):
            return self.chain(config)
        if entry.get("class_name") == "Model" and isinstance(config, Mapping):
            return self._model(config)
        return self.chain([entry])

    def _model(self, config: Mapping[str, Any]) -> _Tensor:
        outputs = config.get("output_layers")
        if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], list):
            raise BadConfig("a branch that has not one output", spot=str(config.get("name")))
        inputs = config.get("input_layers")
        self.layers += [dict(layer) for layer in _list_of_objects(config.get("layers"))]
        self.inputs += inputs if isinstance(inputs, list) else []
        return outputs[0]

    def _input(self, entry: Mapping[str, Any]) -> _Tensor:
        tensor = self._add(entry, [])
        self.inputs.append(tensor)
        return tensor

    def _name_by_place(self) -> str:
        place = sum(has_group(layer) for layer in self.layers)
        return self._groups[place] if place < len(self._groups) else f"model_{place + 1}"

    def _add(self, entry: Mapping[str, Any], tensors: list[_Tensor]) -> _Tensor:
        name = _name(entry) or self._name_by_place()
        self.layers.append({**entry, "name": name, "inbound_nodes": [tensors] if tensors else []})
        nested = isinstance(entry["config"], list) or "layers" in entry["config"]
        return [name, 1 if nested else 0, 0]  # building a nested model was its call 0


def has_group(layer: Mapping[str, Any]) -> bool:
    """Whether the file has a group for a layer here, be it an empty one."""
    return layer.get("class_name") not in ("InputLayer", "Merge")


def _name(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    return name if isinstance(name, str) else ""


def _list_of_objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not value or any(not isinstance(item, Mapping) for item in value):
        raise BadConfig("a Merge without a list of models")
    return value

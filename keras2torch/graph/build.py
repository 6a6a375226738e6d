"""A parsed configuration becomes a flat `Graph`: Sequential, Functional, nested and shared layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import BadConfig, LimitExceeded
from keras2torch.graph import wiring
from keras2torch.graph.model import Container, Graph, Layer, Node, TensorRef
from keras2torch.graph.stored_masks import without_stored_masks
from keras2torch.source.limits import DEFAULT
from keras2torch.source.model import Generation

MODEL_CLASSES = frozenset({"Sequential", "Functional", "Model"})
"""Containers. `Model` is what Functional was called before TensorFlow 2.3."""

_MOST_NODES = 100_000
_DEEPEST_NESTING = 32


def build_graph(config: Mapping[str, Any], generation: Generation) -> Graph:
    """The graph of `config`, the parsed `model_config`. Raises `BadConfig` or `LimitExceeded`."""
    class_name, model = _class_and_config(config)
    builder = _Builder(generation)
    if class_name == "Sequential" and not _sequential_has_input(model):
        raise BadConfig(
            "a Sequential model that was never given an input shape", spot=_model_name(model, class_name)
        )
    is_functional = class_name != "Sequential"
    if is_functional and not isinstance(model, Mapping):
        raise BadConfig(f"the configuration of a {class_name} is not an object")
    if is_functional and ("layers" not in model or "output_layers" not in model):
        raise BadConfig(
            f"{class_name} is a subclassed model: its configuration does not say how layers are called"
        )
    inputs, outputs, tree = builder.model("", class_name, model, None, 0)
    return Graph(
        name=_model_name(model, class_name),
        generation=generation,
        layers=builder.layers,
        nodes=tuple(builder.nodes),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        tree=tree,
    )


def layer_entries(class_name: str, model: Any) -> list[Mapping[str, Any]]:
    """The layer entries of a container; Sequential stored a bare list before Keras 2.2.3."""
    layers = model if isinstance(model, list) else model.get("layers") if isinstance(model, Mapping) else None
    if not isinstance(layers, list) or any(not isinstance(layer, Mapping) for layer in layers):
        raise BadConfig(f"{class_name} has no list of layers")
    if len(layers) > DEFAULT.layers:
        raise LimitExceeded(f"more than {DEFAULT.layers} layers")
    return layers


def _class_and_config(entry: Mapping[str, Any]) -> tuple[str, Any]:
    class_name, config = entry.get("class_name"), entry.get("config")
    if not isinstance(class_name, str) or not isinstance(config, Mapping | list):
        raise BadConfig("a layer without class_name and config", spot=str(entry.get("name") or ""))
    return class_name, config


def _entry_name(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str) or not name:
        raise BadConfig("a layer without a name", spot=str(entry.get("class_name")))
    return name


def _model_name(model: Any, class_name: str) -> str:
    name = model.get("name") if isinstance(model, Mapping) else None
    return name if isinstance(name, str) and name else class_name.lower()


def _is_container(entry: Mapping[str, Any]) -> bool:
    if entry.get("class_name") in MODEL_CLASSES:
        return True
    config = entry.get("config")  # a user's own subclass of Model, saved as a Functional one
    return isinstance(config, Mapping) and "layers" in config and "output_layers" in config


def input_shape_of(config: Mapping[str, Any]) -> Any:
    """The shape that a layer entry declares for its input, in any generation's spelling, or None."""
    return config.get("batch_shape", config.get("batch_input_shape"))


def _sequential_has_input(model: Any) -> bool:
    entries = layer_entries("Sequential", model)
    if not entries:
        raise BadConfig("a Sequential model without layers")
    if isinstance(model, Mapping) and model.get("build_input_shape"):
        return True
    class_name, config = _class_and_config(entries[0])
    if class_name == "Sequential":
        return _sequential_has_input(config)
    return _is_container(entries[0]) or (isinstance(config, Mapping) and input_shape_of(config) is not None)


@dataclass
class _Entry:
    name: str
    class_name: str
    config: Any
    calls: Sequence[wiring.SavedCall]
    nested: bool
    trainable: bool


class _Builder:
    """Grows the node list while it descends; one instance a model."""

    def __init__(self, generation: Generation):
        self._generation = generation
        self.layers: dict[str, Layer] = {}
        self.nodes: list[Node] = []
        self._calls: dict[str, int] = {}

    def model(
        self, prefix: str, class_name: str, config: Any, arguments: Sequence[TensorRef] | None, depth: int
    ) -> tuple[list[TensorRef], list[TensorRef], Container]:
        """Lay one container flat. `arguments` are the tensors it is called on, None for the outermost."""
        if depth > _DEEPEST_NESTING:
            raise LimitExceeded(f"models nested deeper than {_DEEPEST_NESTING}", spot=prefix)
        stored = layer_entries(class_name, config)
        if (
            self._generation is Generation.KERAS3
            and isinstance(config, Mapping)
            and class_name != "Sequential"
        ):
            ends = (config.get("input_layers"), config.get("output_layers"))
            stored = without_stored_masks(
                stored, frozenset(ref.layer for end in ends for ref in wiring.boundary_refs(end))
            )
        entries = [self._entry(entry) for entry in stored]
        names = [entry.name for entry in entries]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise BadConfig("two layers of one model have the same name", spot=prefix + twice)
        functional = class_name != "Sequential"
        lay = self._functional if functional else self._sequential
        inputs, outputs, containers = lay(prefix, config, entries, arguments, depth)
        children = tuple(containers.get(entry.name, prefix + entry.name) for entry in entries)
        trainable = not (isinstance(config, Mapping) and config.get("trainable") is False)
        return inputs, outputs, Container(prefix.rstrip("/"), trainable, children)

    def _entry(self, entry: Mapping[str, Any]) -> _Entry:
        class_name, config = _class_and_config(entry)
        return _Entry(
            name=_entry_name(entry)
            if not isinstance(config, list)
            else str(entry.get("name") or class_name.lower()),
            class_name=class_name,
            config=config,
            calls=wiring.saved_calls(entry, self._generation),
            nested=_is_container(entry),
            trainable=not (isinstance(config, Mapping) and config.get("trainable") is False),
        )

    def _call(
        self, prefix: str, entry: _Entry, inputs: Sequence[TensorRef], kwargs: Mapping[str, Any], depth: int
    ) -> tuple[list[TensorRef], Container | None]:
        """Append the node(s) of one call; returns the tensors it yields (one per output for containers)."""
        if len(self.nodes) >= _MOST_NODES:
            raise LimitExceeded(f"more than {_MOST_NODES} layer calls once nested models are laid flat")
        path = prefix + entry.name
        if entry.nested:
            _, outputs, tree = self.model(path + "/", entry.class_name, entry.config, inputs, depth + 1)
            return outputs, tree
        if path not in self.layers:
            if len(self.layers) >= DEFAULT.layers:
                raise LimitExceeded(f"more than {DEFAULT.layers} layers")
            self.layers[path] = Layer(
                path, entry.class_name, entry.config, path.split("/")[0], entry.trainable
            )
        call = self._calls.get(path, 0)
        self._calls[path] = call + 1
        self.nodes.append(Node(path, call, tuple(inputs), kwargs))
        return [TensorRef(len(self.nodes) - 1)], None

    def _input(self, prefix: str, entry: _Entry) -> TensorRef:
        (reference,), _ = self._call(prefix, entry, (), {}, 0)
        return reference

    def _sequential(
        self,
        prefix: str,
        config: Any,
        entries: list[_Entry],
        arguments: Sequence[TensorRef] | None,
        depth: int,
    ) -> tuple[list[TensorRef], list[TensorRef], dict[str, Container]]:
        containers: dict[str, Container] = {}
        rest = list(entries)
        explicit = rest[0].class_name == "InputLayer"
        if arguments is not None:
            here = list(arguments)
            rest = rest[1:] if explicit else rest
        elif explicit:
            here = [self._input(prefix, rest.pop(0))]
        elif rest[0].nested:
            here = self._implied_inputs(prefix, rest[0])
        else:
            shape = input_shape_of(rest[0].config) or (
                isinstance(config, Mapping) and config["build_input_shape"]
            )
            dtype = rest[0].config.get("dtype", "float32")
            here = [self._input(prefix, _input_entry(f"{rest[0].name}_input", shape, dtype))]
        inputs = list(here)
        for entry in rest:
            if len(here) != 1 and not entry.nested:
                raise BadConfig("a Sequential model passes several tensors on", spot=prefix + entry.name)
            here, container = self._call(prefix, entry, here, {}, depth)
            if container:
                containers[entry.name] = container
        return inputs, here, containers

    def _implied_inputs(self, prefix: str, entry: _Entry) -> list[TensorRef]:
        """Input nodes for a model whose first layer is a model that knows its own inputs."""
        inner = layer_entries(entry.class_name, entry.config)
        made = []
        for layer in inner:
            if layer.get("class_name") == "InputLayer":
                parsed = self._entry(layer)
                shape, dtype = input_shape_of(parsed.config), parsed.config.get("dtype", "float32")
                made.append(self._input(prefix, _input_entry(f"{entry.name}_{parsed.name}", shape, dtype)))
        if not made:
            first = self._entry(inner[0])
            if first.nested:
                return self._implied_inputs(prefix, first)
            shape, dtype = input_shape_of(first.config), first.config.get("dtype", "float32")
            made.append(self._input(prefix, _input_entry(f"{first.name}_input", shape, dtype)))
        return made

    def _functional(
        self,
        prefix: str,
        config: Any,
        entries: list[_Entry],
        arguments: Sequence[TensorRef] | None,
        depth: int,
    ) -> tuple[list[TensorRef], list[TensorRef], dict[str, Container]]:
        by_name = {entry.name: entry for entry in entries}
        input_refs = wiring.boundary_refs(config.get("input_layers"))
        output_refs = wiring.boundary_refs(config.get("output_layers"))
        bases = self._bases(by_name, output_refs, prefix)
        done: dict[tuple[str, int], list[TensorRef]] = {}
        containers: dict[str, Container] = {}
        if arguments is not None and len(arguments) != len(input_refs):
            raise BadConfig(f"called on {len(arguments)} tensors, has {len(input_refs)} inputs", spot=prefix)
        for position, ref in enumerate(input_refs):
            entry = self._known(by_name, ref, prefix)
            value = arguments[position] if arguments is not None else self._input(prefix, entry)
            done[entry.name, 0] = [value]

        def resolve(value: Any, *, output: bool = False) -> Any:
            if isinstance(value, wiring.NamedRef):
                entry = self._known(by_name, value, prefix)
                call = value.node - bases[entry.name, output]
                yielded = done.get((entry.name, call))
                if yielded is None:
                    raise _NotYet
                if entry.nested or value.tensor < len(yielded):
                    if value.tensor >= len(yielded):
                        raise BadConfig(f"has no output {value.tensor}", spot=prefix + entry.name)
                    return yielded[value.tensor]
                return TensorRef(yielded[0].node, value.tensor)
            if isinstance(value, list | tuple):
                return [resolve(item) for item in value]
            if isinstance(value, Mapping):
                return {key: resolve(item) for key, item in value.items()}
            return value

        waiting = [
            (entry, number, call)
            for entry in entries
            for number, call in enumerate(entry.calls)
            if (entry.name, number) not in done
        ]
        # The order of layers in the file is not an order of execution: go round until nothing more becomes ready.
        while waiting:
            left = []
            for entry, number, call in waiting:
                if number and (entry.name, number - 1) not in done:
                    left.append((entry, number, call))
                    continue
                try:
                    inputs = [ref for arg in call.args for ref in _flat(resolve(arg))]
                    kwargs = {key: resolve(value) for key, value in call.kwargs.items()}
                except _NotYet:
                    left.append((entry, number, call))
                    continue
                done[entry.name, number], container = self._call(prefix, entry, inputs, kwargs, depth)
                if container:
                    containers[entry.name] = container
            if len(left) == len(waiting):
                raise BadConfig(
                    "inbound_nodes form a cycle or name a call that never happens",
                    spot=prefix + left[0][0].name,
                )
            waiting = left
        try:
            outputs = [resolve(ref, output=True) for ref in output_refs]
        except _NotYet:
            raise BadConfig("output_layers names a call that never happens", spot=prefix) from None
        return [done[ref.layer, 0][0] for ref in input_refs], outputs, containers

    def _known(self, by_name: Mapping[str, _Entry], ref: wiring.NamedRef, prefix: str) -> _Entry:
        try:
            return by_name[ref.layer]
        except KeyError:
            raise BadConfig(f"names the layer {ref.layer!r}, which is not there", spot=prefix) from None

    def _bases(
        self, by_name: Mapping[str, _Entry], outputs: Sequence[wiring.NamedRef], prefix: str
    ) -> dict[tuple[str, bool], int]:
        """(layer name, whether named by output_layers) -> node index of that layer's first saved call."""
        used: dict[tuple[str, bool], set[int]] = {}
        for entry in by_name.values():
            for call in entry.calls:
                for ref in wiring.named_refs_in((call.args, call.kwargs)):
                    used.setdefault((ref.layer, False), set()).add(ref.node)
        for ref in outputs:
            used.setdefault((ref.layer, True), set()).add(ref.node)
        bases = {}
        for entry in by_name.values():
            for output in (False, True):
                try:
                    bases[entry.name, output] = wiring.first_index(
                        calls=len(entry.calls),
                        used=used.get((entry.name, output), set()),
                        nested=entry.class_name if entry.nested else None,
                        has_input_layer=entry.nested and _has_input_layer(entry),
                        generation=self._generation,
                        output=output,
                    )
                except BadConfig as error:
                    error.spot = prefix + entry.name
                    raise
        return bases


class _NotYet(Exception):
    """A tensor that no node has produced so far."""


def _has_input_layer(entry: _Entry) -> bool:
    return any(
        layer.get("class_name") == "InputLayer" for layer in layer_entries(entry.class_name, entry.config)
    )


def _input_entry(name: str, shape: Any, dtype: Any) -> _Entry:
    return _Entry(name, "InputLayer", {"name": name, "batch_shape": shape, "dtype": dtype}, (), False, True)


def _flat(value: Any) -> list[TensorRef]:
    if isinstance(value, TensorRef):
        return [value]
    if isinstance(value, list):
        return [ref for item in value for ref in _flat(item)]
    if isinstance(value, Mapping):
        return [ref for key in sorted(value) for ref in _flat(value[key])]
    raise BadConfig(f"a layer is called on a constant ({type(value).__name__})")

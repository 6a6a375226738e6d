"""A parsed configuration becomes a flat `Graph`: Sequential, Functional, nested and shared layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.errors import BadConfig, LimitExceeded
from keras2torch.graph import wiring
from keras2torch.graph.entries import (
    Entry,
    class_and_config,
    input_entry,
    input_shape_of,
    is_model,
    is_trainable,
    layer_entries,
    model_name,
    parse_entry,
)
from keras2torch.graph.functional import Functional
from keras2torch.graph.model import Container, Graph, Layer, Node, Shape, TensorRef
from keras2torch.graph.stored_masks import without_stored_masks
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Generation


def build_graph(
    config: Mapping[str, Any],
    generation: Generation,
    *,
    called_on: Shape | None = None,
    limits: Limits = DEFAULT,
) -> Graph:
    """The graph of `config`, the parsed `model_config`. Raises `BadConfig` or `LimitExceeded`.

    `called_on`: the shape of the tensor that a model inside a layer is called on, for a Sequential that does not say.
    """
    class_name, model = class_and_config(config)
    name = model_name(model, class_name)
    if class_name == "Sequential" and called_on is None and not _sequential_has_input(model):
        raise BadConfig(
            "a Sequential model that was never given an input shape: say --input-shape 1=32,32,3 (its own)",
            spot=name,
        )
    if class_name != "Sequential" and not {"layers", "output_layers"} <= model.keys():
        raise BadConfig(
            f"{class_name} is a subclassed model: its configuration does not say how layers are called",
            spot=name,
        )
    builder = _Builder(generation, called_on, limits)
    built = builder.model(_Place(), class_name, model, None)
    return Graph(
        name=name,
        generation=generation,
        layers=builder.layers,
        nodes=tuple(builder.nodes),
        inputs=tuple(built.inputs),
        outputs=tuple(built.outputs),
        tree=built.tree,
    )


def _sequential_has_input(model: Any) -> bool:
    entries = layer_entries("Sequential", model)
    if isinstance(model, Mapping) and model.get("build_input_shape"):
        return True
    class_name, config = class_and_config(entries[0])
    if class_name == "Sequential":
        return _sequential_has_input(config)
    return is_model(entries[0]) or input_shape_of(config) is not None


@dataclass(frozen=True)
class _Place:
    """Where the builder is: in which nested model."""

    prefix: str = ""
    """What stands before the names of layers here: nothing, or the path of the model and a slash."""
    group: str | None = None
    """The top-level layer that all layers here belong to; None where they are the top-level layers."""
    depth: int = 0

    def inside(self, entry: Entry) -> _Place:
        return _Place(f"{self.prefix}{entry.name}/", self.group or entry.name, self.depth + 1)


@dataclass(frozen=True)
class _Parsed:
    """A container's layers, and how they are wired where that is written down; the same however often it is called."""

    config: Any
    entries: Sequence[Entry]
    functional: Functional | None


@dataclass(frozen=True)
class _Built:
    """A container laid flat."""

    inputs: Sequence[TensorRef]
    outputs: Sequence[TensorRef]
    tree: Container


class _Builder:
    """Grows the list of nodes while it descends; one instance a model."""

    def __init__(self, generation: Generation, called_on: Shape | None, limits: Limits):
        self._limits = limits
        self._generation = generation
        self._called_on = called_on
        self.layers: dict[str, Layer] = {}
        self.nodes: list[Node] = []
        self._calls: Counter[str] = Counter()
        self._containers: dict[str, _Parsed] = {}
        self._work = 0

    def model(
        self, place: _Place, class_name: str, config: Any, arguments: Sequence[TensorRef] | None
    ) -> _Built:
        """Lay one container flat. `arguments` are the tensors it is called on, None for the outermost."""
        if place.depth > self._limits.nesting:
            raise LimitExceeded(f"models nested deeper than {self._limits.nesting}", spot=place.prefix)
        self._count(1 + len(arguments or ()), place.prefix)
        parsed = self._parse(place, class_name, config)
        entries, functional = parsed.entries, parsed.functional
        containers: dict[str, Container] = {}

        def run(entry: Entry, inputs: list[TensorRef], kwargs: dict[str, Any]) -> list[TensorRef]:
            if not entry.nested:
                return [self._call(place, entry, inputs, kwargs)]
            built = self.model(place.inside(entry), entry.class_name, entry.config, inputs)
            containers[entry.name] = built.tree
            return list(built.outputs)

        if functional is None:
            inputs, entries_behind = self._sequential_inputs(place, config, entries, arguments)
            outputs = inputs
            for entry in entries_behind:
                outputs = run(entry, list(outputs), {})
        else:
            if arguments is None:
                arguments = [self._call(place, entry, [], {}) for entry in functional.inputs]
            if len(arguments) != len(functional.inputs):
                raise BadConfig(
                    f"called on {len(arguments)} tensors, has {len(functional.inputs)} inputs",
                    spot=place.prefix,
                )
            inputs, outputs = arguments, functional.connect(arguments, run)
        children = tuple(containers.get(entry.name, place.prefix + entry.name) for entry in entries)
        return _Built(inputs, outputs, Container(place.prefix.rstrip("/"), is_trainable(config), children))

    def _parse(self, place: _Place, class_name: str, config: Any) -> _Parsed:
        known = self._containers.get(place.prefix)
        if known is None:
            entries = self._entries(place, class_name, config)
            functional = None
            if class_name != "Sequential":
                functional = Functional(config, entries, place.prefix, self._generation)
            known = self._containers[place.prefix] = _Parsed(config, entries, functional)
        self._check_same(known.config, config, place.prefix)
        return known

    def _entries(self, place: _Place, class_name: str, config: Any) -> list[Entry]:
        stored = layer_entries(class_name, config)
        if len(stored) > self._limits.layers:
            raise LimitExceeded(f"more than {self._limits.layers} layers", spot=place.prefix)
        if self._generation is Generation.KERAS3 and class_name != "Sequential":
            ends = wiring.boundary_refs([config.get("input_layers"), config.get("output_layers")])
            stored = without_stored_masks(stored, frozenset(ref.layer for ref in ends))
        entries = [parse_entry(entry, self._generation) for entry in stored]
        name, times = Counter(entry.name for entry in entries).most_common(1)[0]
        if times > 1:
            raise BadConfig("two layers of one model have the same name", spot=place.prefix + name)
        return entries

    def _sequential_inputs(
        self, place: _Place, config: Any, entries: Sequence[Entry], arguments: Sequence[TensorRef] | None
    ) -> tuple[Sequence[TensorRef], Sequence[Entry]]:
        """What a Sequential starts with, and the entries behind that."""
        first = entries[0]
        behind = entries[1:] if first.is_input else entries
        if arguments is not None:
            return arguments, behind
        if first.is_input:
            made = [first]
        elif first.nested:
            made = list(self._implied_inputs(first))
        else:
            built = config.get("build_input_shape") if isinstance(config, Mapping) else None
            shape = input_shape_of(first.config) or built or self._called_on
            made = [input_entry(f"{first.name}_input", first.config, shape)]
        return [self._call(place, entry, [], {}) for entry in made], behind

    def _implied_inputs(self, model: Entry) -> list[Entry]:
        """The inputs of a model whose first layer is a `model` that knows its own."""
        inner = [
            parse_entry(entry, self._generation) for entry in layer_entries(model.class_name, model.config)
        ]
        explicit = [entry for entry in inner if entry.is_input]
        if explicit:
            return [
                input_entry(f"{model.name}_{entry.name}", entry.config, input_shape_of(entry.config))
                for entry in explicit
            ]
        if inner[0].nested:
            return self._implied_inputs(inner[0])
        return [input_entry(f"{inner[0].name}_input", inner[0].config, input_shape_of(inner[0].config))]

    def _call(
        self, place: _Place, entry: Entry, inputs: Sequence[TensorRef], kwargs: Mapping[str, Any]
    ) -> TensorRef:
        """Append the node of one call of a plain layer."""
        path = place.prefix + entry.name
        self._count(1 + len(inputs) + sum(1 for _ in wiring.leaves_in(kwargs)), path)
        if entry.is_input and inputs:
            raise BadConfig("an InputLayer behind other layers", spot=path)
        layer = self.layers.get(path)
        if layer is None:
            layer = Layer(path, entry.class_name, entry.config, place.group or entry.name, entry.trainable)
            self.layers[path] = layer
        self._check_same(layer.config, entry.config, path)
        self.nodes.append(Node(path, self._calls[path], tuple(inputs), kwargs))
        self._calls[path] += 1
        return TensorRef(len(self.nodes) - 1)

    def _check_same(self, known: Any, config: Any, path: str) -> None:
        # Names may hold slashes, so "a/b" may be a layer here and the layer b of a model a there.
        if known is not config:
            raise BadConfig("two layers have the same path", spot=path)

    def _count(self, work: int, spot: str) -> None:
        """Every call and every argument of one counts, those of models too, which leave no node behind."""
        self._work += work
        if self._work > self._limits.calls:
            raise LimitExceeded(
                f"more than {self._limits.calls} calls and arguments once nested models are laid flat",
                spot=spot,
            )

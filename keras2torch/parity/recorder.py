"""Writes down what every layer of a Keras model computes while the model runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras2torch.parity.arrays import ArrayWriter, logits_key, trace_key, write_sample
from keras2torch.parity.library import KerasError, Library


@dataclass
class Traces:
    """What was recorded, as [layer path, call], in order of execution."""

    layers: list[tuple[str, int]] = field(default_factory=list)
    logits: list[tuple[str, int]] = field(default_factory=list)
    """Layers of which the values before the activation were recorded too."""


@dataclass
class _Frame:
    """A layer being called. `path` is None inside a layer that is no model: how a wrapper works is its affair."""

    layer: Any
    path: str | None
    call: int
    nodes: Iterator[tuple[str, int, int]] | None
    """For a model, the calls it is about to make: (name, which call of it, how many calls of it there are)."""


class Recorder:
    """Sees every layer call of one model, nested models included, by standing in for Keras's `__call__`.

    Which call of a shared layer is running is told by Keras's own graph: calls are made in the order of its nodes,
    while the number of a call is its place among the nodes of that layer.
    """

    def __init__(self, library: Library, model: Any) -> None:
        self._library = library
        self._model = model
        self._stack: list[_Frame] = []
        # In Keras 3, what is no layer but a plain operation stands in the graph too.
        self._base = library.keras.Operation if library.name == "keras" else library.keras.layers.Layer

    @contextmanager
    def recording(self, writer: ArrayWriter, budget: int) -> Iterator[Traces]:
        """Record into `writer` while this lasts, until `budget` bytes are written."""
        traces = Traces()
        if budget:
            recording = _Recording(self._library, writer, budget, traces)
            with self._standing_in(recording), self._watching_activations(recording):
                yield traces
        else:
            yield traces

    @contextmanager
    def _standing_in(self, recording: "_Recording") -> Iterator[None]:
        original = self._base.__call__
        recorder = self

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            frame = recorder._enter(layer)
            try:
                result = original(layer, *args, **kwargs)
            finally:
                recorder._stack.pop()
            if frame.path and frame.nodes is None:
                recording.layer(frame.path, frame.call, result)
            return result

        self._base.__call__ = call
        try:
            yield
        finally:
            self._base.__call__ = original

    @contextmanager
    def _watching_activations(self, recording: "_Recording") -> Iterator[None]:
        """See what layers give to their activation: a saturated softmax hides all that stands before it.

        Of Dense layers, whatever the activation is; of others, what goes into a softmax or sigmoid.
        """

        def watched(layer: Any, activation: Any) -> Any:
            def activate(logits: Any) -> Any:
                frame = self._stack[-1]
                if frame.layer is layer and frame.path:
                    recording.logits(frame.path, frame.call, logits)
                return activation(logits)

            return activate

        with ExitStack() as stack:
            for layer in self._library.layers_of(self._model):
                if self._shows_logits(layer):
                    stack.callback(setattr, layer, "activation", layer.activation)
                    layer.activation = watched(layer, layer.activation)
            yield

    def _shows_logits(self, layer: Any) -> bool:
        layers = self._library.keras.layers
        activation = getattr(layer, "activation", None)
        if activation is None or isinstance(layer, layers.Activation):
            return False
        if isinstance(layer, layers.Dense):
            return activation is not self._library.keras.activations.linear
        # Recurrent layers and their cells call theirs at every step.
        recurrent = hasattr(layer, "state_size") or hasattr(layer, "cell")
        return not recurrent and getattr(activation, "__name__", "") in {"sigmoid", "softmax"}

    def _enter(self, layer: Any) -> _Frame:
        outer = self._stack[-1] if self._stack else None
        if outer is None:
            frame = _Frame(layer, "", 0, self._calls_of(layer))
        elif outer.nodes is None or outer.path is None:
            frame = _Frame(layer, None, 0, None)
        else:
            name, call, calls = next(outer.nodes)
            if name != layer.name:
                raise KerasError(f"Keras runs {layer.name} where its graph says {name}")
            path = f"{outer.path}/{name}" if outer.path else name
            frame = _Frame(layer, path, outer.call * calls + call, self._calls_of(layer))
        self._stack.append(frame)
        return frame

    def _calls_of(self, layer: Any) -> Iterator[tuple[str, int, int]] | None:
        """The calls that a model makes, in order; None for what is no model."""
        if not isinstance(layer, self._library.keras.Model):
            return None
        graph = getattr(layer, "_functional", None) or layer
        nodes = [
            node
            for depth in sorted(graph._nodes_by_depth, reverse=True)
            for node in graph._nodes_by_depth[depth]
            if not node.is_input
        ]
        known = {id(node) for node in nodes}

        def calls() -> Iterator[tuple[str, int, int]]:
            for node in nodes:
                made_by = node.operation if self._library.name == "keras" else node.layer
                own = [id(other) for other in made_by._inbound_nodes if id(other) in known]
                yield made_by.name, own.index(id(node)), len(own)

        return calls()


class _Recording:
    """One run's writing, within its budget."""

    def __init__(self, library: Library, writer: ArrayWriter, budget: int, traces: Traces) -> None:
        self._library = library
        self._writer = writer
        self._left = budget
        self._traces = traces

    def layer(self, path: str, call: int, result: Any) -> None:
        outputs = self._library.tensors(result)
        if outputs and self._left > 0:
            self._left -= write_sample(self._writer, trace_key(path, call), np.asarray(outputs[0]))
            self._traces.layers.append((path, call))

    def logits(self, path: str, call: int, logits: Any) -> None:
        if self._left > 0:
            self._left -= write_sample(self._writer, logits_key(path, call), np.asarray(logits))
            self._traces.logits.append((path, call))

"""The inside of a Functional model: which saved call comes first, and which tensors it gets."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from keras2torch.errors import BadConfig
from keras2torch.graph import wiring
from keras2torch.graph.entries import Entry, layer_entries
from keras2torch.graph.model import TensorRef
from keras2torch.source.model import Generation

Call = tuple[str, int]
"""A layer by name, and which of its saved calls."""
_Done = dict[Call, list[TensorRef]]
"""What each call that was laid flat yields."""


class Run(Protocol):
    """Lays one call flat; returns the tensors that it yields."""

    def __call__(self, entry: Entry, inputs: list[TensorRef], kwargs: dict[str, Any]) -> list[TensorRef]: ...


class _NotYet(Exception):
    """The tensor of a call that has not been laid flat so far."""

    def __init__(self, call: Call):
        self.call = call


class Functional:
    """One Functional model as its configuration describes it. `prefix` is its path, for messages."""

    def __init__(
        self, config: Mapping[str, Any], entries: Sequence[Entry], prefix: str, generation: Generation
    ):
        self._entries = {entry.name: entry for entry in entries}
        self._prefix = prefix
        self._generation = generation
        self._outputs = self._ends(config, "output_layers")
        self._first = self._first_indices()
        self.inputs = [self._input(ref) for ref in self._ends(config, "input_layers")]
        if len({entry.name for entry in self.inputs}) != len(self.inputs):
            raise BadConfig("input_layers names a layer twice", spot=prefix)
        given = {entry.name for entry in self.inputs}
        self._saved = [
            (entry, number, call)
            for entry in entries
            for number, call in enumerate(entry.calls)
            if number or entry.name not in given
        ]

    def connect(self, arguments: Sequence[TensorRef], run: Run) -> list[TensorRef]:
        """Run every saved call on the tensors that it names; returns the outputs, for these inputs."""
        done: _Done = {
            (entry.name, 0): [argument] for entry, argument in zip(self.inputs, arguments, strict=True)
        }
        self._run_all(done, run)
        try:
            return [self._tensor(done, ref, output=True) for ref in self._outputs]
        except _NotYet:
            raise BadConfig("output_layers names a call that never happens", spot=self._prefix) from None

    def _run_all(self, done: _Done, run: Run) -> None:
        # The order of layers in the file is no order of execution. Of the calls that could run, the first in the
        # file runs; one that lacks a tensor waits for the call that makes it.
        ready = list(range(len(self._saved)))
        waiting: dict[Call, list[int]] = {}
        while ready:
            position = heapq.heappop(ready)
            entry, number, call = self._saved[position]
            try:
                if number and (entry.name, number - 1) not in done:
                    raise _NotYet((entry.name, number - 1))
                inputs, kwargs = self._arguments(done, entry, call)
            except _NotYet as missing:
                waiting.setdefault(missing.call, []).append(position)
                continue
            except BadConfig as error:
                error.spot = error.spot or self._prefix + entry.name
                raise
            done[entry.name, number] = run(entry, inputs, kwargs)
            for released in waiting.pop((entry.name, number), ()):
                heapq.heappush(ready, released)
        if waiting:
            first = min(position for positions in waiting.values() for position in positions)
            raise BadConfig(
                "inbound_nodes form a cycle or name a call that never happens",
                spot=self._prefix + self._saved[first][0].name,
            )

    def _arguments(
        self, done: _Done, entry: Entry, call: wiring.SavedCall
    ) -> tuple[list[TensorRef], dict[str, Any]]:
        """Positional tensors are the inputs; a positional argument with a constant in it becomes `args[i]`."""
        inputs: list[TensorRef] = []
        kwargs = {key: self._resolved(done, value) for key, value in call.kwargs.items()}
        for position, argument in enumerate(call.args):
            leaves = list(wiring.leaves_in(_in_order_of_inputs(entry, argument)))
            if leaves and all(isinstance(leaf, wiring.NamedRef) for leaf in leaves):
                inputs += [self._tensor(done, leaf) for leaf in leaves]
            else:
                kwargs[f"args[{position}]"] = self._resolved(done, argument)
        return inputs, kwargs

    def _resolved(self, done: _Done, value: Any) -> Any:
        if isinstance(value, wiring.NamedRef):
            return self._tensor(done, value)
        if isinstance(value, list):
            return [self._resolved(done, item) for item in value]
        if isinstance(value, Mapping):
            return {key: self._resolved(done, item) for key, item in value.items()}
        return value

    def _tensor(self, done: _Done, ref: wiring.NamedRef, *, output: bool = False) -> TensorRef:
        entry = self._known(ref)
        call = (entry.name, ref.node - self._first[entry.name, output])
        if call not in done:
            raise _NotYet(call)
        yielded = done[call]
        if ref.tensor < len(yielded):
            return yielded[ref.tensor]
        if entry.nested or entry.is_input:
            raise BadConfig(f"has no output {ref.tensor}", spot=self._prefix + entry.name)
        # How many outputs a plain layer has is known to its rule only.
        return TensorRef(yielded[0].node, ref.tensor)

    def _ends(self, config: Mapping[str, Any], key: str) -> tuple[wiring.NamedRef, ...]:
        try:
            refs = wiring.boundary_refs(config.get(key))
        except BadConfig as error:
            error.spot = f"{self._prefix}{key}"
            raise
        if not refs:
            raise BadConfig("names no tensor", spot=f"{self._prefix}{key}")
        return refs

    def _input(self, ref: wiring.NamedRef) -> Entry:
        entry = self._known(ref)
        if not entry.is_input or ref.node or ref.tensor:
            raise BadConfig(
                f"input_layers names {ref.layer!r} ({ref.node}, {ref.tensor}), which is no InputLayer's output",
                spot=self._prefix,
            )
        return entry

    def _known(self, ref: wiring.NamedRef) -> Entry:
        try:
            return self._entries[ref.layer]
        except KeyError:
            raise BadConfig(f"names the layer {ref.layer!r}, which is not there", spot=self._prefix) from None

    def _first_indices(self) -> dict[tuple[str, bool], int]:
        """(layer, whether named by output_layers) -> node index of that layer's first saved call."""
        used: dict[tuple[str, bool], set[int]] = {}
        for entry in self._entries.values():
            for call in entry.calls:
                for ref in wiring.named_refs_in((call.args, call.kwargs)):
                    used.setdefault((ref.layer, False), set()).add(ref.node)
        for ref in self._outputs:
            used.setdefault((ref.layer, True), set()).add(ref.node)
        found = {}
        for entry in self._entries.values():
            for output in (False, True):
                try:
                    found[entry.name, output] = wiring.first_index(
                        calls=len(entry.calls),
                        used=used.get((entry.name, output), set()),
                        nested=entry.class_name if entry.nested else None,
                        has_input_layer=entry.nested and _has_input_layer(entry),
                        generation=self._generation,
                        output=output,
                    )
                except BadConfig as error:
                    error.spot = self._prefix + entry.name
                    raise
        return found


def _in_order_of_inputs(entry: Entry, argument: Any) -> Any:
    """What a nested model is called on: given by names, in the order of the inputs that are called so.

    They are the keys of a model made with a dict, else the names of the layers; other names are in alphabetical order.
    """
    if not entry.nested or not isinstance(argument, Mapping) or not isinstance(entry.config, Mapping):
        return argument
    made_with = entry.config.get("input_layers")
    if isinstance(made_with, Mapping):
        names = sorted(made_with)
    else:
        names = [ref.layer for ref in wiring.boundary_refs(made_with)] if made_with else []
    return [argument[name] for name in names] if names and set(names) <= argument.keys() else argument


def _has_input_layer(entry: Entry) -> bool:
    return any(
        layer.get("class_name") == "InputLayer" for layer in layer_entries(entry.class_name, entry.config)
    )

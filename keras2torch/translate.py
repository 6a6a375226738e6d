"""Graph -> Program: walks the calls in order and asks each layer's rule what becomes of it.

Collects every refusal of the model instead of stopping at the first; looks at no array (see `weights`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras2torch.arguments import Values, has_missing, has_tensor, pick, resolved
from keras2torch.dtype_policy import mixed_precision
from keras2torch.emit.code import Code, ModuleDecl, Raw, Statement, Value, call, render, values_in
from keras2torch.emit.in_place import overwrite
from keras2torch.emit.names import attribute_names
from keras2torch.emit.parts import never_trained
from keras2torch.errors import (
    LayerRefused,
    Reason,
    UnsupportedMask,
    UnsupportedModel,
    UnsupportedOption,
)
from keras2torch.graph.build import build_graph
from keras2torch.graph.model import Graph, Layer, Node, Shape, TensorRef
from keras2torch.graph.passes.fold_flatten import flattens_that_fold
from keras2torch.graph.passes.turn_back import norms_of_pictures
from keras2torch.layers import _registry
from keras2torch.layers._call import LayerCall, channels_first_axes
from keras2torch.layers._registry import FeatureAxis, Masks
from keras2torch.layers._replacement import parts_of, replaced, replacements_by_path
from keras2torch.options import Replacement
from keras2torch.program import LayerRecord, Program
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Array
from keras2torch.weights import Weight, WeightKey

StoredNames = Mapping[str, Sequence[tuple[str, tuple[int, ...]]]]
"""Top-level layer -> name and shape of each of its weights, in stored order."""
_WORD = re.compile(r"\w+")
_STATISTICS = frozenset({"running_mean", "running_var", "num_batches_tracked"})
"""Tensors of torch's own modules that are no parameters."""


_LOST = (
    "the file does not hold the tensors that it was called on: of arguments behind the first that have no name, "
    "as those of tf.einsum do, tf.keras saves none; write that call as a Lambda layer, and save the model again"
)


def translate(
    graph: Graph,
    *,
    io_layout: str = "torch",
    replace: Sequence[Replacement] = (),
    stored: StoredNames | None = None,
    keras_version: str | None = None,
    limits: Limits = DEFAULT,
) -> Program:
    """Translate a whole model. Raises `UnsupportedModel` with every reason.

    `replace`: layers that a class of the caller's stands in for; `stored`: names and shapes of the weights of each
    top-level layer, which are theirs; `keras_version`: as the file records it, for layers whose meaning changed within
    a generation.
    """
    return Translator(graph, io_layout, replace, stored or {}, keras_version, limits).run()


class Translator:
    """State of one translation; rules reach it through `LayerCall`."""

    def __init__(
        self,
        graph: Graph,
        io_layout: str,
        replace: Sequence[Replacement],
        stored: StoredNames,
        keras_version: str | None,
        limits: Limits,
    ):
        self.graph = graph
        self.keras_version = keras_version
        self._limits = limits
        self._io_layout = io_layout
        self._replacements = replacements_by_path(graph, replace)
        self._stored = stored
        self._program = Program(graph, [], [])
        self._names = attribute_names()
        self._declared: dict[tuple[str, str], tuple[str, str]] = {}
        self._constants: dict[tuple[str, tuple[int, ...], str], str] = {}
        self._bound: set[int] = set()
        self._torch_names: dict[str, str] = {}
        self._reasons: dict[Reason, None] = {}
        self._folding = flattens_that_fold(graph)
        self._turning_back = norms_of_pictures(graph)
        self._calls = Counter(node.layer for node in graph.nodes)
        self._at = ("", 0)
        self._model_channels_first = _is_channels_first(graph)

    def run(self) -> Program:
        values: dict[int, list[Value] | None] = {}
        for number, node in enumerate(self.graph.nodes):
            layer = self.graph.layers[node.layer]
            self._at = (layer.path, node.call)
            try:
                result = self._call(layer, node, values, stays=number in self._folding)
            except LayerRefused as refusal:
                self._refuse(layer, refusal)
                result = None
            if result and number in self._turning_back:
                result = [self._turned_back(layer, result[0], values[node.inputs[0].node], node.inputs[0])]
            values[number] = result
            for output in result or ():
                self._bind(output)
            if result:
                self._record(layer, node.call, result[0])
        self._at = ("", 0)
        for ref in self.graph.outputs:
            layer = self.graph.layers[self.graph.nodes[ref.node].layer]
            try:
                value = pick(values[ref.node], ref)
            except LayerRefused as refusal:
                self._refuse(layer, refusal)
            else:
                self._program.outputs += [] if value is None else [self._leave(layer, value)]
        if self._reasons:
            raise UnsupportedModel(list(self._reasons))
        self._drop_unread()
        program = self._program
        overwrite(program.statements, program.modules, program.outputs, self.is_bound)
        return self._program

    # --------------------------------------------------------------------------------- what LayerCall relies on

    def expected(self, layer: Layer) -> Sequence[WeightKey]:
        return self._program.expected.get(layer.path, ())

    def expect(self, key: WeightKey, after: WeightKey | None = None) -> None:
        keys = self._program.expected.setdefault(key.layer, [])
        if key in keys:
            return
        if any(other.role == key.role for other in keys):
            raise LayerRefused(f"called on inputs that need {key.role} in two different shapes")
        keys.insert(len(keys) if after is None else keys.index(after) + 1, key)

    def declare(self, layer: Layer, suffix: str, code: Code, state: Mapping[str, Weight]) -> str:
        text = render(code, lambda _: None)
        known = self._declared.get((layer.path, suffix))
        if known:
            name, before = known
            if before != text:
                raise LayerRefused("a shared layer is called in two ways that need different modules")
            return name
        name = self._names.unique(layer.path + (f"_{suffix}" if suffix else ""))
        self._declared[layer.path, suffix] = (name, text)
        if not suffix or layer.path not in self._torch_names:
            self._torch_names[layer.path] = name
        self._program.modules.append(ModuleDecl(name, code))
        self._program.state.update({f"{name}.{key}": weight for key, weight in state.items()})
        buffers, frozen = never_trained(text.partition("(")[0], self._program.own_parts)
        for key, weight in state.items():
            own = key.rpartition(".")[2]
            if own not in _STATISTICS | buffers:
                trained = any(source.trainable for source in weight.sources)
                self._program.trained[f"{name}.{key}"] = None if own in frozen else trained
        return name

    def declare_constant(self, layer: Layer, array: Array) -> str:
        """A buffer of these numbers: one for each layer and value, however often the layer is called."""
        content = hashlib.sha256(array.tobytes()).hexdigest()
        known = self._constants.get((layer.path, array.shape, content))
        if known is None:
            known = self._names.unique(f"{layer.path}_constant")
            self._constants[layer.path, array.shape, content] = known
            kind = {} if array.dtype.kind == "f" else {"dtype": Raw(f"torch.{array.dtype.name}")}
            self._program.modules.append(
                ModuleDecl(known, call("nn.Buffer", call("torch.empty", tuple(array.shape), **kind)))
            )
            self._program.state[known] = Weight.constant(array, "a constant of the model")
        return known

    def warn(self, layer: Layer, message: str, *, of_class: bool = False) -> None:
        text = f"{layer.class_name if of_class else f'{layer.path} ({layer.class_name})'}: {message}"
        if text not in self._program.warnings:
            self._program.warnings.append(text)

    def stand_in(self, layer: Layer, class_name: str) -> None:
        self._program.stand_ins[layer.path] = class_name

    def use_part(self, name: str) -> str:
        if name not in self._program.parts:
            self._program.parts.append(name)
        return name

    def emit(self, statement: Statement) -> None:
        statement.layer, statement.call = self._at
        self._program.statements.append(statement)
        self._bound |= {id(value) for value in (statement.value, *statement.also)}

    def calls(self, layer: Layer) -> int:
        return self._calls[layer.path]

    def is_bound(self, value: Value) -> bool:
        return id(value) in self._bound

    def check_size(self, shape: Shape, *, smallest: int = 1) -> None:
        size = 1
        for extent in shape:
            size *= extent or 1
        if size > self._limits.tensor_elements or any(
            extent is not None and extent < smallest for extent in shape[1:]
        ):
            raise LayerRefused(f"yields a tensor of shape {shape}")

    def model_input(self, layer: Layer, shape: Shape, dtype: str) -> Value:
        """A new input of the module, in the layout that was asked for."""
        self.check_size(shape, smallest=0)
        axes = self._io_axes(len(shape))
        value = Value(shape, dtype, axes, None, hint=layer.name)
        self._program.inputs.append(value)
        self._bound.add(id(value))
        return value

    def apply_model(
        self, layer: Layer, entry: Mapping[str, Any], inputs: Sequence[Value], role_prefix: str
    ) -> list[Value]:
        """Translate a model that stands in the configuration of `layer`; all its weights are that layer's."""
        graph = build_graph(entry, self.graph.generation, called_on=inputs[0].shape, limits=self._limits)
        if len(graph.inputs) != len(inputs):
            raise LayerRefused(f"the model inside has {len(graph.inputs)} inputs")
        values: dict[int, list[Value] | None] = {
            ref.node: [value] for ref, value in zip(graph.inputs, inputs, strict=True)
        }
        for number, node in enumerate(graph.nodes):
            if number in values:
                continue
            found = graph.layers[node.layer]
            inner = replace(
                found, path=layer.path, group=layer.group, trainable=layer.trainable and found.trainable
            )
            given = [value for ref in node.inputs if (value := pick(values[ref.node], ref))]
            kwargs = {key: resolved(value, values) for key, value in node.kwargs.items()}
            outputs = self.apply_rule(inner, given, kwargs, role_prefix=f"{role_prefix}{found.path}/")
            for output in outputs:
                self._bind(output)
            values[number] = outputs
        return [value for ref in graph.outputs if (value := pick(values[ref.node], ref))]

    def close(self, call: LayerCall, layer: Layer) -> None:
        """Refuse what the layer asks for and nobody read; remember what was read."""
        call.check_arguments()
        unread = call.options.unread()
        if unread:
            shown = ", ".join(f"{key}={layer.config[key]!r}"[:60] for key in unread)
            raise UnsupportedOption(f"options {shown} are not supported", unread[0])
        read = self._program.options_read.get(layer.path, frozenset())
        self._program.options_read[layer.path] = read | call.options.read

    # ------------------------------------------------------------------------------------------------- the walk

    def _call(self, layer: Layer, node: Node, values: Values, *, stays: bool) -> list[Value] | None:
        """What one call yields, or None where something before it was refused."""
        inputs = [pick(values[ref.node], ref) for ref in node.inputs]
        kwargs = {key: resolved(value, values) for key, value in node.kwargs.items()}
        given = [value for value in inputs if value is not None]
        if len(given) < len(inputs) or has_missing(kwargs):
            self._check_class_only(layer)
            return None
        if not given and layer.class_name != "InputLayer" and not has_tensor(kwargs):
            self._check_class_only(layer)
            raise LayerRefused(_LOST if layer.class_name == "TFOpLambda" else "called on no tensor")
        return self.apply_rule(layer, given, kwargs, stays=stays)

    def apply_rule(
        self,
        layer: Layer,
        inputs: Sequence[Value],
        kwargs: Mapping[str, Any],
        *,
        role_prefix: str = "",
        stays: bool = False,
    ) -> list[Value]:
        replacement = self._replacements.get(layer.path) if not role_prefix else None
        if replacement is not None:
            return self._replace(layer, replacement, inputs, kwargs)
        rule = _registry.find(layer.class_name, self.graph.generation, self.keras_version)
        refusal = _registry.refusal(layer.class_name, self.graph.generation, self.keras_version)
        if rule is None or refusal is not None:
            raise LayerRefused(refusal or layer.class_name)
        if rule.custom and not role_prefix:
            self._give(layer)
        if (policy := mixed_precision(layer.config)) is not None:
            self.warn(layer, f"computed in {policy} in Keras; converted as float32")
        if any(0 in value.shape[1:] for value in inputs):
            raise LayerRefused("reads a tensor without elements")
        if rule.masks is Masks.REFUSE and any(value.mask for value in inputs):
            raise UnsupportedMask(f"a mask reaches {layer.class_name}, which has no rule for masks")
        if rule.feature_axis is FeatureAxis.NEEDS and any(value.order for value in inputs):
            raise LayerRefused("reads flattened features as part of a layer that reorders them")
        call = LayerCall(self, layer, inputs, kwargs, role_prefix=role_prefix, feature_order_stays=stays)
        result = rule.function(call)
        outputs = result if isinstance(result, list) else [result]
        self.close(call, layer)
        for output in outputs:
            output.mask_spent = call.mask_spent
        if rule.masks is Masks.PASS and inputs:
            outputs[0] = _with_mask(outputs[0], inputs[0].mask)
        elif rule.masks is Masks.STOP and outputs[0].mask is not None:
            outputs[0] = _with_mask(outputs[0], None)
        return outputs

    def _replace(
        self, layer: Layer, replacement: Replacement, inputs: Sequence[Value], kwargs: Mapping[str, Any]
    ) -> list[Value]:
        if any(value.order for value in inputs):
            raise LayerRefused("reads flattened features as part of a layer that is replaced")
        self._program.own_parts.update(parts_of(replacement))
        self._give(layer)
        call = LayerCall(self, layer, inputs, kwargs)
        outputs = replaced(call, replacement, self._stored_of(layer))
        call.options.ignore_all()
        self.close(call, layer)
        return outputs

    def _give(self, layer: Layer) -> None:
        if layer.path not in self._program.given:
            self._program.given.append(layer.path)
            self.warn(layer, "computes what the caller's own code says; parity takes its output as given")

    def _stored_of(self, layer: Layer) -> dict[str, tuple[int, ...]]:
        """The layer's weights as the file names them, in stored order, without what stands before the layer's name."""
        found = {}
        for name, shape in self._stored.get(layer.group, ()):
            steps = name.removesuffix(":0").split("/")
            if layer.name in steps[:-1]:
                found[".".join(steps[steps.index(layer.name) + 1 :])] = shape
            elif layer.group == layer.path:
                found[steps[-1]] = shape
        return found

    def _bind(self, value: Value) -> None:
        if not self.is_bound(value):
            if value.code is None:
                raise AssertionError("a rule returned a value that it did not compute")
            self.emit(Statement(value, value.code))

    def _record(self, layer: Layer, call: int, value: Value) -> None:
        torch_name = self._torch_names.get(layer.path)
        self._program.records.append(LayerRecord(layer.path, layer.class_name, call, value, torch_name))

    def _turned_back(self, layer: Layer, output: Value, given: list[Value] | None, ref: TensorRef) -> Value:
        """`output` in the layout of the layer's input, where that is channels-first."""
        source = pick(given, ref)
        first = channels_first_axes(output.rank, "channels_last") if output.rank in (4, 5) else ()
        if source is None or source.axes != first:
            return output
        turned = LayerCall(self, layer, [output], {}).arranged(output, first)
        turned.mask, turned.mask_spent = output.mask, output.mask_spent
        return turned

    def _leave(self, layer: Layer, value: Value) -> Value:
        """An output of the model in the layout that was asked for."""
        wanted = self._io_axes(value.rank)
        if value.axes != wanted:
            value = LayerCall(self, layer, [value], {}).arranged(value, wanted)
            self._bind(value)
        return value

    def _io_axes(self, rank: int) -> tuple[int, ...]:
        if self._io_layout == "torch" and rank in (4, 5) and not self._model_channels_first:
            return channels_first_axes(rank, "channels_last")
        return tuple(range(rank))

    def _refuse(self, layer: Layer, refusal: LayerRefused) -> None:
        reason = Reason(refusal.kind, layer.path, layer.class_name, refusal.message, refusal.option)
        self._reasons[reason] = None

    def _check_class_only(self, layer: Layer) -> None:
        refusal = _registry.refusal(layer.class_name, self.graph.generation, self.keras_version)
        if refusal is not None and layer.path not in self._replacements:
            self._refuse(layer, LayerRefused(refusal))

    def _drop_unread(self) -> None:
        """Leave out optional statements that nothing reads, last first, so that whole chains go, and their parts."""
        needed = {id(value) for value in self._program.outputs}
        kept: list[Statement] = []
        for statement in reversed(self._program.statements):
            if statement.optional and id(statement.value) not in needed:
                continue
            kept.append(statement)
            needed.update(id(value) for value in values_in(statement.code, self.is_bound))
        self._program.statements = kept[::-1]
        written = [statement.code for statement in kept] + [module.code for module in self._program.modules]
        named = {word for code in written for word in _WORD.findall(render(code, self._placeholder))}
        self._program.parts = [part for part in self._program.parts if part in named]

    def _placeholder(self, value: Value) -> str | None:
        return "x" if self.is_bound(value) or value.code is None else None


def _with_mask(value: Value, mask: Value | None) -> Value:
    # Identity layers return the very value they got: that one must keep the mask it has.
    if value.mask is mask:
        return value
    value.mask = mask
    return value


def _is_channels_first(graph: Graph) -> bool:
    """Whether the model's images are channels-first in Keras already. Flatten and the 1D layers carry a data_format
    too, but say nothing about images.
    """
    formats = [
        layer.config.get("data_format")
        for layer in graph.layers.values()
        if "2D" in layer.class_name or "3D" in layer.class_name
    ]
    return "channels_first" in formats and "channels_last" not in formats

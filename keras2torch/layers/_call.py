"""What a rule sees: one call of one layer, and the means to say what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Code, Raw, Statement, Value, call, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.entries import is_model
from keras2torch.graph.model import Layer, Shape
from keras2torch.graph.stored_masks import IMPLICIT
from keras2torch.layers import _functions
from keras2torch.layers._options import Options
from keras2torch.source.generation import older_than
from keras2torch.source.model import Array, Generation
from keras2torch.weights import Weight, WeightKey

if TYPE_CHECKING:
    from keras2torch.translate import Translator

CHANNELS = ("channels_last", "channels_first")
_PLACE = re.compile(r"args\[([0-9]{1,3})\]")


class LayerCall:
    """One call. `inputs` are its tensors in Keras's order; `options` reads its configuration."""

    def __init__(
        self,
        translator: Translator,
        layer: Layer,
        inputs: Sequence[Value],
        kwargs: Mapping[str, Any],
        *,
        role_prefix: str = "",
        feature_order_stays: bool = False,
    ):
        self._translator = translator
        self._layer = layer
        self._role_prefix = role_prefix
        self._kwargs = dict(kwargs)
        self.inputs = list(inputs)
        self.options = Options(layer.config)
        self.feature_order_stays = feature_order_stays
        """For layers that flatten: whether everything behind can live with torch's order of elements."""
        self.mask_spent = any(value.mask_spent for value in inputs)
        """See `Value`; a rule may know better for what it returns."""

    # ------------------------------------------------------------------------------------------ what is there

    @property
    def generation(self) -> Generation:
        return self._translator.graph.generation

    def older_than(self, minor: int) -> bool:
        """Whether the file is known to be of a tf.keras before 2.`minor`."""
        return older_than(minor, self.generation, self._translator.keras_version)

    @property
    def class_name(self) -> str:
        return self._layer.class_name

    @property
    def name(self) -> str:
        return self._layer.name

    @property
    def input(self) -> Value:
        """The only input."""
        if len(self.inputs) != 1:
            raise LayerRefused(f"called on {len(self.inputs)} tensors, expected one")
        return self.inputs[0]

    def argument(self, name: str) -> Any:
        """A call argument beside the inputs (a `Value`, a list of them or a constant), or None."""
        return self._kwargs.pop(name, None)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The call arguments that nobody has read so far."""
        return self._kwargs

    def take_arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """All call arguments, inputs and constants in the order in which they stand, then the named ones.

        For rules that take whatever comes and refuse themselves what they do not know.
        """
        given, self._kwargs = self._kwargs, {}
        placed = {int(match[1]): given.pop(key) for key in list(given) if (match := _PLACE.fullmatch(key))}
        args: list[Any] = list(self.inputs)
        for position, value in sorted(placed.items()):
            args.insert(position, value)
        return args, given

    def check_arguments(self) -> None:
        """Refuse call arguments that nobody read and that ask for something."""
        stated = self._kwargs.get("mask")
        # Keras 3 states what the input brings along, be it made by layers or, once, by the caller.
        if any(value.mask and (stated == IMPLICIT or stated is value.mask) for value in self.inputs):
            del self._kwargs["mask"]
        # Keras 3 writes the default of a layer's own call here, and lets whoever calls the model overrule it.
        harmless = (True, False) if self.generation is Generation.KERAS3 else (False,)
        for name, value in self._kwargs.items():
            if value is not None and not (name == "training" and any(value is flag for flag in harmless)):
                raise UnsupportedOption(f"call argument {name}={_short(value)} is not supported", name)

    @property
    def frozen(self) -> bool:
        """Whether Keras does not train the layer (`trainable=False`)."""
        return not self._layer.trainable

    @property
    def called_once(self) -> bool:
        """Whether its module may be made for this one call: the layer is not shared, nor part of another."""
        return not self._role_prefix and self._translator.calls(self._layer) == 1

    @property
    def masked_elsewhere(self) -> bool:
        """Whether another call of the layer may have a mask: there is one, and something that makes masks."""
        return self._translator.calls(self._layer) > 1 and any(
            layer.class_name == "Masking" or layer.config.get("mask_zero") is True
            for layer in self._translator.graph.layers.values()
        )

    @property
    def batch_size(self) -> int | None:
        """The number of samples that the model was built for, where it was built for one."""
        return self._translator.graph.batch_size

    def data_format(self) -> str:
        """`channels_last` or `channels_first`; Keras writes null where its own default applied."""
        if self.options.take("data_format", default=None) is None:
            return "channels_last"
        return self.options.choice("data_format", among=CHANNELS)

    # ------------------------------------------------------------------------------------------ making things

    def weight(
        self, role: str, *shape: int, trainable: bool = True, after: WeightKey | None = None
    ) -> Weight:
        """The variable that Keras calls `role`. Ask in the order in which Keras creates them: files keep it.

        `after`: one of `weights_so_far` that this one follows, where that is not the last.
        """
        return Weight.stored(self.weight_key(role, shape, trainable=trainable, after=after))

    def weight_key(
        self,
        role: str,
        shape: tuple[int, ...],
        *,
        trainable: bool = True,
        after: WeightKey | None = None,
        other_shapes: tuple[tuple[int, ...], ...] = (),
    ) -> WeightKey:
        """As `weight`, for a variable that some files hold in another shape and form: see `weights.by_stored_shape`."""
        trainable = trainable and self._layer.trainable
        key = WeightKey(self._layer.path, self._role_prefix + role, shape, trainable, other_shapes)
        self._translator.expect(key, after)
        return key

    def weights_so_far(self) -> list[WeightKey]:
        """What this layer, and any layer inside it, has asked for."""
        known = self._translator.expected(self._layer)
        return [key for key in known if key.role.startswith(self._role_prefix)]

    def module(
        self,
        constructor: str,
        *args: Argument,
        state: Mapping[str, Weight] | None = None,
        suffix: str = "",
        **kwargs: Argument,
    ) -> Callable[..., Code]:
        """Declare a submodule (once, however often the layer is called); returns what applies it to arguments.

        `state` maps its parameter and buffer names to weights; `suffix` tells apart the submodules of one layer.
        """
        name = self.submodule(constructor, *args, state=state, suffix=suffix, **kwargs)

        def apply(*inputs: Argument, **options: Argument) -> Code:
            return call(name.text, *inputs, **options)

        return apply

    def submodule(
        self,
        constructor: str,
        *args: Argument,
        state: Mapping[str, Weight] | None = None,
        suffix: str = "",
        **kwargs: Argument,
    ) -> Raw:
        """Declare a submodule as `module` does; returns `self.<name>`, for functions that are given a module."""
        roles = [part for part in (*self._role_prefix.split("/"), suffix) if part]
        code = call(constructor, *args, **kwargs)
        return Raw(f"self.{self._translator.declare(self._layer, '_'.join(roles), code, state or {})}")

    def constant(self, array: Array) -> Code:
        """`self.<name>`, a buffer that holds `array` and is stored with the weights."""
        return Code((f"self.{self._translator.declare_constant(self._layer, array)}",))

    def part(self, name: str) -> str:
        """Name of a class or function of `keras2torch.parts`, whose source the emitted file will then hold."""
        return self._translator.use_part(name)

    def value(
        self,
        code: Code,
        shape: Shape,
        *,
        axes: tuple[int, ...] | None = None,
        dtype: str = "float32",
        hint: str | None = None,
        may_be_empty: bool = False,
    ) -> Value:
        """A tensor computed by `code`; `axes` default to Keras's own.

        Raises `LayerRefused` where an extent is below one, or with `may_be_empty` below zero.
        """
        self._translator.check_size(shape, smallest=0 if may_be_empty else 1)
        return Value(shape, dtype, axes or tuple(range(len(shape))), code, hint=hint or self.name)

    def like(self, source: Value, code: Code, *, dtype: str | None = None) -> Value:
        """A tensor computed by `code` with the shape and layout of `source`."""
        return Value(source.shape, dtype or source.dtype, source.axes, code, source.order, hint=self.name)

    def model_input(self, shape: Shape, dtype: str) -> Value:
        """A new argument of the emitted `forward`."""
        return self._translator.model_input(self._layer, shape, dtype)

    def bind(self, value: Value, pattern: str = "{}", *also: Value, optional: bool = False) -> Value:
        """Give `value` a variable now, because it is read more than once or stands in a tuple.

        `also`: further values that the same expression yields, in the pattern's order.
        """
        if value.code is not None and not self._translator.is_bound(value):
            self._translator.emit(Statement(value, value.code, pattern, optional, also))
        return value

    def stand_in(self, class_name: str) -> None:
        """Say that the layer means what its class has ceased to mean: `class_name` stands in for it in the reference.

        Raises `LayerRefused` for a layer inside another, which cannot be told apart there.
        """
        if self._role_prefix:
            raise LayerRefused(f"{self.class_name} of an older Keras inside another layer")
        self._translator.stand_in(self._layer, class_name)

    def warn(self, message: str, *, of_class: bool = False) -> None:
        """Tell the user something about this layer that is true of the module though parity cannot show it.

        `of_class`: it is true of every layer of its class, and told once.
        """
        self._translator.warn(self._layer, message, of_class=of_class)

    # ------------------------------------------------------------------------------------------------ layouts

    def arranged(self, source: Value, axes: tuple[int, ...]) -> Value:
        """`source` with torch axis i holding Keras axis axes[i]."""
        if source.axes == axes:
            return source
        if source.order is not None:
            raise AssertionError("a flattened axis in torch's order has no axes to permute")
        steps = tuple(source.axes.index(axis) for axis in axes)
        moved = [i for i, step in enumerate(steps) if i != step]
        code = method(source, "transpose", *moved) if len(moved) == 2 else method(source, "permute", *steps)
        return Value(source.shape, source.dtype, axes, code, hint=source.hint)

    def keras_layout(self, source: Value) -> Value:
        """`source` with exactly Keras's axes."""
        return self.arranged(source, tuple(range(source.rank)))

    def channels_first(self, source: Value, data_format: str) -> Value:
        """`source` as torch's convolutions and poolings want it: (N, C, spatial...)."""
        return self.arranged(source, channels_first_axes(source.rank, data_format))

    def bring_together(self, values: Sequence[Value]) -> list[Value]:
        """Tensors of one rank in one layout: that of most of them, so that the fewest are permuted."""
        layouts = [value.axes for value in values]
        best = max(layouts, key=lambda axes: (layouts.count(axes), -layouts.index(axes)))
        return [self.arranged(value, best) for value in values]

    # --------------------------------------------------------------------------------------- layers in layers

    def activation(self, source: Value, option: str = "activation") -> Value:
        """`source` behind the activation that an option names (a string, an object, or a layer)."""
        return self.apply_activation(source, self.options.take(option, default=None), option)

    def apply_activation(self, source: Value, spec: Any, option: str) -> Value:
        if _functions.is_function(spec):
            from keras2torch.layers._lambda import apply_function

            return apply_function(self, [source], spec)
        name, layer = _functions.parse(spec, option, self.generation)
        if layer is not None:
            return self.sublayer(layer, [source], f"{option}/")
        return _functions.apply(self, source, name or "linear", option)

    def sublayer(self, entry: Mapping[str, Any], inputs: Sequence[Value], role_prefix: str) -> Value:
        """Translate a layer or model in this one's configuration; its weights are this layer's, in stored order."""
        role_prefix = self._role_prefix + role_prefix
        if is_model(entry):
            outputs = self._translator.apply_model(self._layer, entry, inputs, role_prefix)
        else:
            outputs = self._translator.apply_rule(self._nested(entry), inputs, {}, role_prefix=role_prefix)
        if len(outputs) != 1:
            raise LayerRefused(f"the {entry['class_name']} inside has {len(outputs)} outputs")
        return outputs[0]

    def wrapped(self, entry: Any, role_prefix: str) -> LayerCall:
        """A layer in this one's configuration, to be read by the wrapper's own rule: `close` it when read."""
        return LayerCall(
            self._translator, self._nested(entry), [], {}, role_prefix=self._role_prefix + role_prefix
        )

    def close(self) -> None:
        """Refuse options of a wrapped layer that nobody read."""
        self._translator.close(self, self._layer)

    def _nested(self, entry: Any) -> Layer:
        class_name, config = (
            (entry.get("class_name"), entry.get("config")) if isinstance(entry, Mapping) else (None, None)
        )
        if not isinstance(class_name, str) or not isinstance(config, Mapping):
            raise UnsupportedOption("a nested layer without class_name and config")
        trainable = self._layer.trainable and config.get("trainable") is not False
        return Layer(self._layer.path, class_name, config, self._layer.group, trainable)


def channels_first_axes(rank: int, data_format: str) -> tuple[int, ...]:
    if data_format == "channels_first":
        return tuple(range(rank))
    return (0, rank - 1, *range(1, rank - 1))


def _short(value: Any) -> str:
    return "a tensor" if isinstance(value, Value) else repr(value)[:40]

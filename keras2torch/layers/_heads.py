"""Attention of several heads: what a call is given, which keys its masks leave, and the module that it becomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keras2torch.emit.code import Argument, Code, Raw, Value, call, index, method, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Generation
from keras2torch.weights import Weight, stacked

HIDDEN = -1e9
"""What Keras adds to the score of a masked key. In float32 no score shows beside it."""


@dataclass(frozen=True)
class Heads:
    """What a layer of several heads is made of."""

    heads: int
    key_value_heads: int
    width: int
    value_width: int
    output_shape: tuple[int, ...]
    """What the output has in place of the features, as a rule one axis."""
    bias: bool
    gate: bool
    dropout: float
    window: int | None

    @property
    def output(self) -> int:
        return math.prod(self.output_shape)

    def standard(self, features: int) -> bool:
        """Whether `nn.MultiheadAttention` is made of the same, for queries of so many features."""
        return (
            self.heads * self.width == features
            and self.output_shape == (features,)
            and self.value_width == self.width
            and self.key_value_heads == self.heads
            and not self.gate
        )


@dataclass(frozen=True)
class Arguments:
    """The tensors (N, steps, features) and the flags of one call."""

    query: Value
    key: Value
    value: Value
    mask: Value | None
    causal: bool
    weights: bool
    """Whether the weights are asked for too."""
    heeds_masks: bool = True
    """Whether the masks that come with the tensors act: before tf.keras 2.10 only the one that is an argument did."""

    @property
    def tensors(self) -> tuple[Value, Value, Value]:
        return self.query, self.key, self.value


def arguments(layer: LayerCall) -> Arguments:
    """What the layer is called on, by place or by name; keys default to the values."""
    if len(layer.inputs) > 3:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors in a row, expected query, value and key")
    found: dict[str, Value] = dict(zip(("query", "value", "key"), layer.inputs, strict=False))
    for name in ("query", "value", "key"):
        if name not in found:
            named = layer.argument(name)
            if isinstance(named, Value):
                found[name] = named
            elif named is not None:
                raise UnsupportedOption(f"call argument {name} is not a tensor", name)
    if "query" not in found or "value" not in found:
        raise LayerRefused("called without a query or without a value")
    query, value = found["query"], found["value"]
    key = found.get("key", value)
    if any(tensor.rank < 3 or tensor.rank != query.rank for tensor in (query, key, value)):
        raise LayerRefused(f"called on tensors of shape {query.shape}, {value.shape} and {key.shape}")
    mask = layer.argument("attention_mask")
    if mask is not None and not isinstance(mask, Value):
        raise UnsupportedOption("call argument attention_mask is not a tensor", "attention_mask")
    return Arguments(
        query, key, value, mask, flag(layer, "use_causal_mask"), flag(layer, "return_attention_scores")
    )


def flag(layer: LayerCall, name: str) -> bool:
    value = layer.argument(name)
    if value is not None and not isinstance(value, bool):
        raise UnsupportedOption(f"call argument {name} is not true or false", name)
    return bool(value)


def window(layer: LayerCall) -> int | None:
    if layer.options.take("sliding_window", default=None) is None:
        return None
    return layer.options.integer("sliding_window")


def output_shape(layer: LayerCall, query: Value) -> tuple[int, ...]:
    """The axes that the output has in place of the features."""
    shape = layer.options.take("output_shape", default=None)
    if not shape:
        return (features_of(query),)
    return layer.options.integers("output_shape", count=len(shape) if isinstance(shape, list | tuple) else 1)


def features_of(tensor: Value) -> int:
    if tensor.shape[-1] is None:
        raise LayerRefused("the number of input features is not known")
    return tensor.shape[-1]


def spread(layer: LayerCall, result: Value, output: tuple[int, ...]) -> Value:
    if len(output) == 1:
        return result
    result = layer.keras_layout(result)
    return layer.value(method(result, "unflatten", -1, output), (*result.shape[:-1], *output))


# ------------------------------------------------------------------------------------------------------- masks


def live_mask(layer: LayerCall, tensor: Value) -> Value | None:
    """The mask that reaches an attention layer with a tensor."""
    if tensor.mask is None or tensor.mask_spent:
        return None
    return layer.bind(tensor.mask)


def combined_mask(layer: LayerCall, given: Arguments, *, robust: bool) -> Value | None:
    """Which keys a query may see, as far as masks say it: (N, T, S), (N, heads, T, S), or (N, others..., T, S)."""
    pieces: list[Value | Code] = []
    rank = given.query.rank
    query_mask, value_mask, key_mask = (
        live_mask(layer, tensor) if given.heeds_masks else None
        for tensor in (given.query, given.value, given.key)
    )
    if query_mask is not None:
        pieces.append(index(query_mask, ":, :, None" if rank == 3 else "..., None"))
    if value_mask is not None:
        pieces.append(index(value_mask, ":, None" if rank == 3 else "..., None, :"))
    if key_mask is not None and key_mask is not value_mask:
        pieces.append(index(key_mask, ":, None" if rank == 3 else "..., None, :"))
    shape: Shape = (*given.query.shape[:-1], given.value.shape[-2])
    if given.mask is not None:
        stated = layer.keras_layout(given.mask)
        of_heads = rank == 3 and stated.rank == 4
        if (stated.rank != rank and not of_heads) or (of_heads and pieces):
            raise UnsupportedMask(f"an attention_mask of shape {stated.shape} is not supported")
        shape = stated.shape
        if stated.dtype == "bool":
            pieces.insert(0, stated)
        elif pieces or given.causal or layer.generation is Generation.KERAS3:
            pieces.insert(0, method(stated, "bool"))
        elif robust:
            pieces.insert(0, template("{} > 0.5", stated))
        else:  # numbers: they say how much of the penalty a key is spared
            return layer.like(stated, template("({} - 1) * {}", stated, -HIDDEN), dtype="float32")
    if not pieces:
        return None
    return layer.value(template(" & ".join(["{}"] * len(pieces)), *pieces), shape, dtype="bool")


def masked_score(layer: LayerCall, heads: Heads, given: Arguments, *, robust: bool) -> dict[str, float]:
    """The part's setting for the score of a masked key. It shows where a query may see no key at all."""
    if layer.generation is not Generation.KERAS3:
        return {} if robust else {"masked_score": HIDDEN}
    # Keras 3 has two ways to compute the same, and only there do they differ.
    return {"masked_score": -math.inf} if heads.dropout or given.weights or given.query.rank > 3 else {}


# --------------------------------------------------------------------------------------------------- the module


def attend(
    layer: LayerCall, heads: Heads, given: Arguments, mask: Value | None, hidden: Mapping[str, float]
) -> list[Value]:
    """What comes of (N, steps, features): (N, T, output), and the weights (N, heads, T, S) if they are asked for."""
    query, key, value = (layer.bind(layer.keras_layout(tensor)) for tensor in given.tensors)
    shape = (*query.shape[:2], heads.output)
    if mask is None and not given.causal and heads.window is None and heads.standard(features_of(query)):
        module = _standard(layer, heads, query, key, value)
        if not given.weights:
            code = call(module.text, query, key, value, need_weights=False)
            return [layer.value(index(code, "0"), shape)]
        code = call(module.text, query, key, value, average_attn_weights=False)
    else:
        settings = {} if mask is None and heads.window is None else hidden
        module = _part(layer, heads, query, key, value, settings)
        tensors = [query, key, value] if mask is None else [query, key, value, mask]
        flags = {"causal": True} if given.causal else {}
        if not given.weights:
            return [layer.value(call(module.text, *tensors, **flags), shape)]
        code = method(module, "with_weights", *tensors, **flags)
    result = layer.value(code, shape)
    weights = layer.value(code, (shape[0], heads.heads, shape[1], key.shape[1]), hint="weights")
    layer.bind(result, "{}, {}", weights)
    return [result, weights]


def _standard(layer: LayerCall, heads: Heads, query: Value, key: Value, value: Value) -> Raw:
    """`nn.MultiheadAttention`, which keeps its three input projections in one tensor if their inputs are alike."""
    width = features_of(query)
    weights, biases = _projections(layer, heads, query, key, value)
    state = {"out_proj.weight": weights["output"]}
    settings: dict[str, Argument] = {}
    inputs = [weights[role] for role in ("query", "key", "value")]
    if features_of(key) == features_of(value) == width:
        state["in_proj_weight"] = stacked(inputs, (3 * width, width), "query, key and value")
    else:
        state |= dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), inputs, strict=True))
        settings |= {"kdim": features_of(key), "vdim": features_of(value)}
    if heads.bias:
        inputs = [biases[role] for role in ("query", "key", "value")]
        state["in_proj_bias"] = stacked(inputs, (3 * width,), "query, key and value")
        state["out_proj.bias"] = biases["output"]
    else:
        settings["bias"] = False
    if heads.dropout:
        settings["dropout"] = heads.dropout
    return layer.submodule(
        "nn.MultiheadAttention", width, heads.heads, batch_first=True, state=state, **settings
    )


def _part(
    layer: LayerCall,
    heads: Heads,
    query: Value,
    key: Value,
    value: Value,
    masked_score: Mapping[str, float],
) -> Raw:
    weights, biases = _projections(layer, heads, query, key, value)
    state = {f"{role}.weight": weight for role, weight in weights.items()}
    state |= {f"{role}.bias": bias for role, bias in biases.items()}
    settings: dict[str, Argument] = {
        "num_heads": heads.heads,
        "head_dim": heads.width,
        "output_dim": heads.output,
    }
    optional: dict[str, tuple[Argument, Argument]] = {  # value, default
        "value_head_dim": (heads.value_width, heads.width),
        "key_value_heads": (heads.key_value_heads, heads.heads),
        "bias": (heads.bias, True),
        "gate": (heads.gate, False),
        "dropout": (heads.dropout, 0.0),
        "window": (heads.window, None),
    }
    settings |= {name: wanted for name, (wanted, default) in optional.items() if wanted != default}
    features = [features_of(tensor) for tensor in (query, key, value)]
    return layer.submodule(
        layer.part("MultiHeadAttention"), *features, state=state, **{**settings, **masked_score}
    )


def _projections(
    layer: LayerCall, heads: Heads, query: Value, key: Value, value: Value
) -> tuple[dict[str, Weight], dict[str, Weight]]:
    """Kernels and biases by role, as `nn.Linear` holds them."""
    inner = {
        "query": (query, heads.heads, heads.width),
        "key": (key, heads.key_value_heads, heads.width),
        **({"gate": (query, heads.heads, heads.value_width)} if heads.gate else {}),
        "value": (value, heads.key_value_heads, heads.value_width),
    }
    weights: dict[str, Weight] = {}
    biases: dict[str, Weight] = {}
    for role, (tensor, count, width) in inner.items():
        features = features_of(tensor)
        kernel = layer.weight(f"{role}/kernel", features, count, width)
        weights[role] = kernel.reshape(features, count * width).transpose(1, 0)
        if heads.bias:
            biases[role] = layer.weight(f"{role}/bias", count, width).reshape(count * width)
    joined = heads.heads * heads.value_width
    kernel = layer.weight("attention_output/kernel", heads.heads, heads.value_width, *heads.output_shape)
    weights["output"] = kernel.reshape(joined, heads.output).transpose(1, 0)
    if heads.bias:
        biases["output"] = layer.weight("attention_output/bias", *heads.output_shape).reshape(heads.output)
    return weights, biases


# ------------------------------------------------------------------------------------------ more axes than one


def attention_axes(layer: LayerCall, rank: int) -> tuple[int, ...]:
    """The axes along which queries look, from the batch axis on."""
    axes = layer.options.take("attention_axes", default=None)
    if axes is None:
        return tuple(range(1, rank - 1))
    axes = [axes] if isinstance(axes, int) else axes
    if not isinstance(axes, list | tuple) or not axes or len(set(axes)) < len(axes):
        raise UnsupportedOption(f"option attention_axes is {axes!r}", "attention_axes")
    if any(type(axis) is not int or not 1 <= axis < rank - 1 for axis in axes):
        raise UnsupportedOption(
            f"attention_axes {list(axes)} of a tensor of rank {rank} is not supported", "attention_axes"
        )
    return tuple(axes)


def over_axes(
    layer: LayerCall, heads: Heads, given: Arguments, axes: tuple[int, ...], *, robust: bool
) -> Value:
    """Attention over some axes of tensors that have more: the others join the batch, these become the steps."""
    rank = given.query.rank
    if given.causal or given.weights or heads.window is not None:
        raise LayerRefused(f"causal attention or its weights over tensors of rank {rank}")
    mask, hidden = (
        _mask_over_axes(layer, given, axes, robust=robust),
        masked_score(layer, heads, given, robust=robust),
    )
    others = tuple(axis for axis in range(1, rank - 1) if axis not in axes)
    order = (0, *others, *axes, rank - 1)

    def joined(tensor: Value) -> Value:
        ordered = layer.arranged(tensor, order)
        if len(axes) > 1:
            shape = (None, *(tensor.shape[axis] for axis in others), None, tensor.shape[-1])
            ordered = layer.value(method(ordered, "flatten", 1 + len(others), -2), shape)
        if others:
            ordered = layer.value(method(ordered, "flatten", 0, len(others)), (None, None, tensor.shape[-1]))
        return ordered

    query = given.query
    value = layer.bind(joined(given.value))
    key = value if given.key is given.value else layer.bind(joined(given.key))
    first = value if query is given.value else layer.bind(joined(query))
    (result,) = attend(layer, heads, replace(given, query=first, key=key, value=value), mask, hidden)
    shape = (*query.shape[:-1], heads.output)
    if others:
        extents = _extents([None, *(query.shape[axis] for axis in others)])
        code = method(result, "unflatten", 0, extents)
        if len(axes) == 1:
            return layer.value(code, shape, axes=order)
        result = layer.value(code, (None, *extents[1:], None, heads.output))
    code = method(result, "unflatten", 1 + len(others), _extents([query.shape[axis] for axis in axes]))
    return layer.value(code, shape, axes=order)


def _mask_over_axes(
    layer: LayerCall, given: Arguments, axes: tuple[int, ...], *, robust: bool
) -> Value | None:
    """The mask of attention along the last axis but one, with all axes before it joined to the batch."""
    rank = given.query.rank
    if (
        layer.generation is not Generation.KERAS3
        and given.heeds_masks
        and any(live_mask(layer, tensor) is not None for tensor in given.tensors)
    ):
        raise UnsupportedMask(
            f"a mask reaches attention over tensors of rank {rank}, where tf_keras takes the first axes for the steps"
        )
    mask = combined_mask(layer, given, robust=robust)
    if mask is None:
        return None
    if axes != (rank - 2,):
        raise UnsupportedMask(f"a mask reaches attention along axes {axes} of tensors of rank {rank}")
    code = method(mask, "flatten", 0, rank - 3)
    return layer.value(code, (None, *mask.shape[rank - 2 :]), dtype=mask.dtype)


def _extents(extents: Sequence[int | None]) -> tuple[int, ...]:
    if extents.count(None) > 1:
        raise LayerRefused("attention over axes of open extent")
    return tuple(-1 if extent is None else extent for extent in extents)

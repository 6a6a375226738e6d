"""Keras family "attention": layers in which one sequence reads another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keras2torch.emit.code import Argument, Value, call, index, template
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.layers import _heads
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import ONLY_KERAS3, SINCE_TF_KERAS, Masks, converts, example
from keras2torch.source.model import Generation
from keras2torch.weights import Weight

_SELF = {"value": "#0"}
_CROSS = {"value": "#1"}


@converts(
    "MultiHeadAttention",
    examples=[
        example((5, 6), num_heads=2, key_dim=3, _call=_SELF),
        example((5, 6), (4, 7), num_heads=3, key_dim=2, _call=_CROSS),
        example((5, 6), (4, 7), (4, 3), num_heads=2, key_dim=4, value_dim=3, use_bias=False, _call={}),
        example((5, 6), num_heads=2, key_dim=4, output_shape=5, _call={**_SELF, "use_causal_mask": True}),
        example((7, 4), (5, 4), num_heads=2, key_dim=3, _masked=True, _call=_CROSS),
        example(
            (5, 6),
            num_heads=2,
            key_dim=3,
            dropout=0.3,
            _masked=True,
            _call={**_SELF, "use_causal_mask": True},
        ),
        example(
            (5, 6),
            (4, 7),
            (5, 4),
            num_heads=2,
            key_dim=3,
            _dtypes=("float32", "float32", "bool"),
            _call={"value": "#1", "attention_mask": "#2", "return_attention_scores": True},
        ),
        example(
            (5, 6),
            (5, 5),
            num_heads=3,
            key_dim=2,
            _masked=True,
            _dtypes=("float32", "int32"),
            _call={"value": "#0", "key": "#0", "attention_mask": "#1"},
        ),
        example((5, 6), num_heads=2, key_dim=3, _call={**_SELF, "return_attention_scores": True}),
        example(
            (5, 6),
            (5, 5),
            num_heads=2,
            key_dim=4,
            _dtypes=("float32", "int32"),
            _call={"value": "#0", "attention_mask": "#1"},
        ),
        example((3, 4, 5), num_heads=2, key_dim=3, _call=_SELF),
        example((3, 4, 5), (3, 2, 5), num_heads=2, key_dim=3, attention_axes=2, _call=_CROSS),
        example((3, 4, 2, 5), num_heads=2, key_dim=3, attention_axes=[1, 3], _call=_SELF),
        example(
            (3, 4, 5),
            (3, 2, 5),
            num_heads=2,
            key_dim=3,
            attention_axes=2,
            _masked=True,
            _call=_CROSS,
            _only=Generation.KERAS3,
        ),
        example(
            (3, 4, 5),
            (3, 4, 4),
            num_heads=2,
            key_dim=3,
            attention_axes=2,
            _dtypes=("float32", "int32"),
            _call={"value": "#0", "attention_mask": "#1"},
        ),
        example(
            (5, 6),
            num_heads=2,
            key_dim=4,
            value_dim=5,
            use_gate=True,
            sliding_window=2,
            _call={**_SELF, "use_causal_mask": True},
            _only=Generation.KERAS3,
        ),
        example(
            (5, 6),
            num_heads=2,
            key_dim=4,
            sliding_window=2,
            _masked=True,
            _call={**_SELF, "return_attention_scores": True},
            _only=Generation.KERAS3,
        ),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
    since=4,
)
def multi_head_attention(layer: LayerCall) -> Value | list[Value]:
    """`nn.MultiheadAttention` where widths and masks allow; else a part round `F.scaled_dot_product_attention`."""
    options = layer.options
    given = _heads.arguments(layer)
    # The shapes are written down for the builder of the weights only.
    options.ignore("query_shape", "key_shape", "value_shape", "seed", "flash_attention")
    count, width = options.integer("num_heads"), options.integer("key_dim")
    heads = _heads.Heads(
        heads=count,
        key_value_heads=count,
        width=width,
        value_width=width
        if options.take("value_dim", default=None) is None
        else options.integer("value_dim"),
        output_shape=_heads.output_shape(layer, given.query),
        bias=options.flag("use_bias", default=True),
        gate=options.flag("use_gate", default=False),
        dropout=options.number("dropout", default=0.0, minimum=0.0),
        window=_heads.window(layer),
    )
    robust = options.flag("softmax_robust_masking", default=False)
    axes = _heads.attention_axes(layer, given.query.rank)
    if layer.older_than(10):
        if any(tensor.mask is not None for tensor in given.tensors):
            layer.stand_in("MultiHeadAttentionWithoutMasks")
        given = replace(given, heeds_masks=False)
    if given.query.rank > 3:
        results = [_heads.over_axes(layer, heads, given, axes, robust=robust)]
    else:
        mask = _heads.combined_mask(layer, given, robust=robust)
        hidden = _heads.masked_score(layer, heads, given, robust=robust)
        results = _heads.attend(layer, heads, given, mask, hidden)
    results[0] = _heads.spread(layer, results[0], heads.output_shape)
    results[0].mask = given.query.mask if given.heeds_masks else None
    if layer.generation is Generation.KERAS3:
        # While it runs, this layer takes the masks off the very tensors it was called on.
        layer.mask_spent = given.query.mask_spent
        for tensor in given.tensors:
            tensor.mask_spent = True
    return results


@converts(
    "GroupQueryAttention",
    "GroupedQueryAttention",
    examples=[
        example((5, 6), head_dim=3, num_query_heads=4, num_key_value_heads=2, _call=_SELF),
        example(
            (5, 6),
            (4, 6),
            head_dim=3,
            num_query_heads=6,
            num_key_value_heads=2,
            use_bias=False,
            use_gate=True,
            dropout=0.2,
            _masked=True,
            _call={**_CROSS, "return_attention_scores": True},
        ),
        example(
            (5, 6),
            head_dim=3,
            num_query_heads=3,
            num_key_value_heads=1,
            sliding_window=2,
            _masked=True,
            _call={**_SELF, "use_causal_mask": True},
        ),
    ],
    masks=Masks.HANDLE,
    generations=ONLY_KERAS3,
)
def group_query_attention(layer: LayerCall) -> list[Value]:
    """The part that `MultiHeadAttention` becomes, groups of whose heads read the same keys and values."""
    options = layer.options
    given = _heads.arguments(layer)
    if given.query.rank != 3:
        raise LayerRefused(f"called on a tensor of rank {given.query.rank}")
    if given.mask is not None and given.mask.dtype.startswith("float"):
        raise UnsupportedMask("an attention_mask of floating-point numbers")
    options.ignore("seed", "flash_attention")
    count, width = options.integer("num_query_heads"), options.integer("head_dim")
    groups = options.integer("num_key_value_heads")
    if count % groups:
        raise UnsupportedOption(f"{count} heads cannot share {groups}", "num_key_value_heads")
    heads = _heads.Heads(
        heads=count,
        key_value_heads=groups,
        width=width,
        value_width=width,
        output_shape=(_heads.features_of(given.query),),
        bias=options.flag("use_bias", default=True),
        gate=options.flag("use_gate", default=False),
        dropout=options.number("dropout", default=0.0, minimum=0.0),
        window=_heads.window(layer),
    )
    hidden = _heads.masked_score(layer, heads, given, robust=False)
    results = _heads.attend(layer, heads, given, _heads.combined_mask(layer, given, robust=False), hidden)
    results[0].mask = given.query.mask
    layer.mask_spent = given.query.mask_spent
    return results


# --------------------------------------------------------------------------------------------------- one head

_PAIR = {"inputs": ["#0", "#1"]}
_DENSE = [
    example((5, 4), (3, 4)),
    example((5, 4), (3, 4), (3, 4), use_scale=True),
    example((5, 4), (3, 4), dropout=0.2, _masked=True),
    example(
        (5, 4),
        (3, 4),
        (5,),
        (3,),
        _dtypes=("float32", "float32", "bool", "bool"),
        _call={**_PAIR, "mask": ["#2", "#3"]},
    ),
    example(
        (5, 4),
        (3, 4),
        _masked=True,
        _call={**_PAIR, "return_attention_scores": True, "use_causal_mask": True},
    ),
]


@converts(
    "Attention",
    examples=[
        *_DENSE,
        example((5, 4), (5, 4), score_mode="concat", _call={**_PAIR, "use_causal_mask": True}),
        example((5, 4), (3, 4), score_mode="concat", use_scale=True, _masked=True),
        example((5, 4), (5, 4), use_scale=True, _call={**_PAIR, "use_causal_mask": True}),
        example((2, 5, 4), (2, 3, 6), (2, 3, 4)),
        example((4,), (4,)),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
    since=2,
)
def attention(layer: LayerCall) -> list[Value]:
    """`F.scaled_dot_product_attention` without scale; a part for masks, weights, scores of another kind."""
    mode = layer.options.choice("score_mode", among=("dot", "concat"), default="dot")
    state = {"scale": layer.weight("scale")} if layer.options.flag("use_scale", default=False) else {}
    if mode == "concat":
        state["weight"] = layer.weight("concat_score_weight")
        return _one_head(layer, "ConcatAttention", state)
    return _one_head(layer, "DotProductAttention", state)


@converts(
    "AdditiveAttention",
    examples=[*_DENSE, example((5, 4), (3, 4), use_scale=False), example((5, 4), (3, 4))],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
    since=2,
)
def additive_attention(layer: LayerCall) -> list[Value]:
    """A part: the score of a key is a weighted sum of tanh(query + key)."""
    features = _heads.features_of(layer.inputs[0])
    scaled = layer.options.flag("use_scale", default=True)
    return _one_head(layer, "AdditiveAttention", {"scale": layer.weight("scale", features)} if scaled else {})


def _one_head(layer: LayerCall, part: str, state: dict[str, Weight]) -> list[Value]:
    """Attention whose scores `part` computes: what it yields, and the weights if they are asked for."""
    if not 2 <= len(layer.inputs) <= 3:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors, expected query, value and perhaps key")
    tensors = [layer.bind(layer.keras_layout(tensor)) for tensor in layer.inputs]
    query, value = tensors[:2]
    key = tensors[2] if len(tensors) == 3 else value
    if query.rank < 2 or any(tensor.rank != query.rank for tensor in tensors):
        raise LayerRefused(f"called on tensors of shape {query.shape}, {value.shape} and {key.shape}")
    if query.shape[-1] != key.shape[-1]:
        raise LayerRefused(f"queries of {query.shape[-1]} features and keys of {key.shape[-1]}")
    query_mask, value_mask = _masks(layer)
    causal = _heads.flag(layer, "use_causal_mask") or layer.options.flag("causal", default=False)
    weights = _heads.flag(layer, "return_attention_scores")
    if query.rank == 2:
        if causal or weights or query_mask or value_mask:
            raise LayerRefused("masks and weights of attention over the samples of a batch")
        layer.warn(
            "reads tensors without steps, so each sample attends to the others of its batch, as in Keras"
        )
    dropout = layer.options.number("dropout", default=0.0, minimum=0.0)
    layer.options.ignore("seed")
    flags: dict[str, Argument] = {"causal": True} if causal else {}
    shape = (*query.shape[:-1], value.shape[-1])
    if part == "DotProductAttention" and not (state or dropout or weights or value_mask):
        causality = {"is_causal": True} if causal else {}
        code = call("F.scaled_dot_product_attention", query, key, value, **causality, scale=1.0)
        results = [layer.value(code, shape)]
    else:
        settings: dict[str, Argument] = {"scale": state["scale"].shape} if "scale" in state else {}
        if dropout:
            settings["dropout"] = dropout
        module = layer.module(layer.part(part), state=state, **settings)
        if value_mask is not None:
            flags = {"mask": index(value_mask, ":, None"), **flags}
        code = module(query, key, value, **flags)
        if weights:
            results = [
                layer.value(code, shape),
                layer.value(code, (*query.shape[:-1], value.shape[-2]), hint="weights"),
            ]
            layer.bind(results[0], "{}, {}", results[1])
        else:
            results = [layer.value(index(code, "0"), shape)]
    if query_mask is not None:
        results[0] = layer.value(template("{} * {}", results[0], index(query_mask, "..., None")), shape)
    results[0].mask = query_mask or layer.inputs[0].mask
    layer.mask_spent = query_mask is None and layer.inputs[0].mask_spent
    return results


def _masks(layer: LayerCall) -> tuple[Value | None, Value | None]:
    """The masks of query and value that act in this call: the ones it names, else the ones that come with them."""
    stated = layer.argument("mask")
    if stated is None:
        query_mask, value_mask = (_heads.live_mask(layer, tensor) for tensor in layer.inputs[:2])
    elif isinstance(stated, list) and len(stated) > 1:
        query_mask, value_mask = (_stated(layer, mask) for mask in stated[:2])
    else:
        raise UnsupportedOption("call argument mask is not a list of masks", "mask")
    if (query_mask or value_mask) and layer.inputs[0].rank > 3:
        raise UnsupportedMask(f"a mask reaches attention over tensors of rank {layer.inputs[0].rank}")
    return query_mask, value_mask


def _stated(layer: LayerCall, mask: Any) -> Value | None:
    if mask is None:
        return None
    if not isinstance(mask, Value) or mask.rank != 2 or mask.dtype != "bool":
        raise UnsupportedMask("call argument mask does not hold boolean tensors (batch, steps)")
    return layer.bind(mask)

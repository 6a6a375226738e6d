"""Rewriting configurations: nothing gets through to Keras but what the conversion understood."""

from typing import Any

from keras2torch.parity.canonical import (
    canonical_model,
    with_attention_shapes,
    with_channels_last,
    with_float_type,
    with_modules,
)

HOSTILE = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": class_name.lower(), **config}}


def only(model: dict[str, Any]) -> dict[str, Any]:
    (entry,) = model["config"]["layers"]
    return dict(entry["config"])


def test_only_options_that_were_read_stay() -> None:
    dense = layer("Dense", units=3, activity_regularizer=HOSTILE, kernel_constraint=HOSTILE, surprise=HOSTILE)
    new = canonical_model(
        {**sequential({**dense, "module": "os", "registered_name": "x>Dense", "build_config": HOSTILE})},
        {"dense": frozenset({"units"})},
        keras2=False,
    )
    assert new["config"]["layers"] == [
        {"class_name": "Dense", "name": "dense", "config": {"name": "dense", "units": 3}}
    ]
    assert "os" not in str(new).split("'")


def test_an_attention_layer_gets_the_shapes_it_lacks() -> None:
    heads = layer("MultiHeadAttention", num_heads=2, query_shape=[None, 5, 6])
    config = only(with_attention_shapes(sequential(heads)))
    assert (config["query_shape"], config["key_shape"], config["value_shape"]) == ([None, 5, 6], None, None)


def test_a_shape_that_was_an_object_becomes_a_list() -> None:
    heads = layer("MultiHeadAttention", query_shape={"class_name": "TensorShape", "items": [None, 5, 6]})
    new = canonical_model(sequential(heads), {"multiheadattention": {"query_shape"}}, keras2=False)
    assert only(new)["query_shape"] == [None, 5, 6]


def test_initializers_become_zeros() -> None:
    new = canonical_model(
        sequential(layer("Dense", units=3, kernel_initializer=HOSTILE)), {"dense": {"units"}}, keras2=False
    )
    assert only(new)["kernel_initializer"] == "zeros"


def test_objects_within_options_lose_their_module() -> None:
    slope = {"module": "os", "class_name": "LeakyReLU", "config": {"negative_slope": 0.1, "secret": HOSTILE}}
    read = {"dense": frozenset({"activation", "negative_slope"})}
    new = canonical_model(sequential(layer("Dense", activation=slope)), read, keras2=False)
    assert only(new)["activation"] == {"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}
    new = canonical_model(sequential(layer("Dense", activation=HOSTILE)), read, keras2=False)
    assert only(new)["activation"] == "system"  # a name, which Keras looks for among its activations only


def test_keras_2_reset_after_is_supplied_also_in_wrappers() -> None:
    wrapper = layer("Bidirectional", layer=layer("GRU", units=3))
    read = {"gru": {"units"}, "bidirectional": {"layer", "units"}}
    for model, path in ((layer("GRU", units=3), ()), (wrapper, ("layer", "config"))):
        for keras2, expected in ((True, False), (False, None)):
            config = only(canonical_model(sequential(model), read, keras2=keras2))
            for key in path:
                config = config[key]
            assert config.get("reset_after") is expected
    explicit = layer("GRU", units=3, reset_after=True)
    read = {"gru": {"units", "reset_after"}}
    assert only(canonical_model(sequential(explicit), read, keras2=True))["reset_after"] is True


def test_nested_models_are_rewritten_by_path_and_lists_become_objects() -> None:
    inner = {"class_name": "Sequential", "name": "inner", "config": [layer("Dense", units=3, other=1)]}
    model = {
        "class_name": "CustomModel",
        "config": {
            "name": "outer",
            "layers": [{**inner, "inbound_nodes": [[["x", 0, 0, {}]]]}],
            "input_layers": [["x", 0, 0]],
            "output_layers": [["inner", 1, 0]],
        },
    }
    new = canonical_model(model, {"inner/dense": {"units"}}, keras2=False)
    assert new["class_name"] == "Functional"
    (entry,) = new["config"]["layers"]
    assert entry["inbound_nodes"] == [[["x", 0, 0, {}]]]
    assert entry["config"]["name"] == "inner"
    assert only(entry) == {"name": "dense", "units": 3}


def test_float_types_change_everywhere_and_others_stay() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}
    model = sequential(
        layer("InputLayer", dtype="int32"),
        layer("Embedding", dtype="float32"),
        layer("Bidirectional", dtype=policy, layer=layer("LSTM", dtype="float16")),
    )
    ids, embedding, both = with_float_type(model, "float64")["config"]["layers"]
    assert ids["config"]["dtype"] == "int32"
    assert embedding["config"]["dtype"] == both["config"]["dtype"] == "float64"
    assert both["config"]["layer"]["config"]["dtype"] == "float64"


def test_channels_first_is_wrapped_where_there_is_no_kernel() -> None:
    model = sequential(
        layer(
            "Conv2D",
            filters=4,
            data_format="channels_first",
            batch_input_shape=[None, 3, 8, 8],
            trainable=False,
        ),
        layer("Conv2D", filters=4, data_format="channels_last"),
        layer("Flatten", data_format="channels_first"),
        layer("TimeDistributed", layer=layer("MaxPooling2D", data_format="channels_first")),
    )
    conv, last, flatten, each = with_channels_last(model)["config"]["layers"]
    assert conv["class_name"] == "ChannelsFirst"
    assert conv["config"]["batch_input_shape"] == [None, 3, 8, 8]
    assert conv["config"]["trainable"] is False
    assert conv["config"]["layer"]["config"]["data_format"] == "channels_last"
    assert "batch_input_shape" not in conv["config"]["layer"]["config"]
    assert last["class_name"] == "Conv2D"
    assert flatten["class_name"] == "Flatten"
    assert each["config"]["layer"]["class_name"] == "ChannelsFirst"


def test_modules_are_keras_own() -> None:
    model = sequential(layer("Dense", activation=layer("LeakyReLU")))
    new = with_modules(model)
    assert new["module"] == "keras"
    assert only(new)["activation"]["module"] == new["config"]["layers"][0]["module"] == "keras.layers"

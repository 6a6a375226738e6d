"""What calls of operations emit, and what of them is refused; what they compute is judged against the libraries."""

from typing import Any

import pytest

from keras2torch.emit.module import write_module
from keras2torch.errors import BadConfig, Keras2TorchError, LayerRefused, UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.operations import Dialect, find, names
from keras2torch.operations._signature import spellings
from keras2torch.parity.canonical import canonical_model
from keras2torch.program import Program
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import Config, call3, functional, layer, tensor3

BACKWARDS = {"start": None, "stop": None, "step": -1}
SHAPE = (None, 4, 3)


def tf_model(*layers: Config, end: str = "op", shape: tuple[int | None, ...] = SHAPE) -> Config:
    source = layer("InputLayer", "a", batch_input_shape=list(shape), dtype="float32")
    return functional([source, *layers], [["a", 0, 0]], [[end, 0, 0]])


def op(symbol: str, *inbound: Any, name: str = "op", kind: str = "TFOpLambda") -> Config:
    return layer(kind, name, *inbound, function=symbol, trainable=True, dtype="float32")


def on(source: str = "a", /, **kwargs: Any) -> list[Any]:
    """A call on one tensor, as tf.keras writes that of an operation: not in a list."""
    return [source, 0, 0, kwargs]


def keras3_model(*layers: Config, end: str = "op", shape: tuple[int | None, ...] = SHAPE) -> Config:
    source = layer("InputLayer", "a", batch_shape=list(shape), dtype="float32")
    return functional([source, *layers], ["a", 0, 0], [end, 0, 0])


def translated(config: Config, generation: Generation = Generation.TF_KERAS) -> Program:
    return translate(build_graph(config, generation))


def body(config: Config, generation: Generation = Generation.TF_KERAS) -> list[str]:
    """The statements of the emitted `forward`, without the comments on shapes."""
    text = write_module(translated(config, generation), source_name="model.h5", keras_version=None).text
    lines = text.split("-> torch.Tensor:\n")[1].split("\n\n")[0].splitlines()
    return [line.split("  #")[0].strip() for line in lines]


def refusals(config: Config, generation: Generation = Generation.TF_KERAS) -> list[str]:
    with pytest.raises(UnsupportedModel) as caught:
        translated(config, generation)
    return [reason.message for reason in caught.value.reasons]


def test_an_operation_becomes_the_line_a_person_would_write() -> None:
    model = tf_model(
        op("math.reduce_mean", on(axis=-1, keepdims=True), name="mean"),
        op("math.subtract", on(y=["mean", 0, 0], name=None), name="centred"),
        op("math.multiply", ["_CONSTANT_VALUE", -1, 0.5, {"y": ["centred", 0, 0]}], name="op"),
    )
    assert body(model) == [
        "x = a.mean(dim=-1, keepdim=True)",
        "x = a - x",
        "x = 0.5 * x",
        "return x",
    ]


def test_sizes_are_python_numbers_until_they_are_a_shape_again() -> None:
    """`tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * 3])`: four layers and a single line."""
    model = tf_model(
        op("compat.v1.shape", on(name=None, out_type="int32"), name="shape"),
        op("__operators__.getitem", on("shape", slice_spec=0), name="batch", kind="SlicingOpLambda"),
        op("__operators__.getitem", on("shape", slice_spec=1), name="steps", kind="SlicingOpLambda"),
        op("math.multiply", on("steps", y=3, name=None), name="features"),
        op("reshape", on(shape=[["batch", 0, 0], ["features", 0, 0]]), name="op"),
    )
    assert body(model) == ["x = a.reshape(-1, 12)", "return x"]
    open_steps = {**model, "config": {**model["config"], "layers": list(model["config"]["layers"])}}
    open_steps["config"]["layers"][0] = layer("InputLayer", "a", batch_input_shape=[None, None, 3])
    assert body(open_steps) == ["x = a.reshape(a.shape[0], a.shape[1] * 3)", "return x"]


def test_sizes_that_somebody_reads_as_a_tensor_are_one() -> None:
    model = tf_model(op("compat.v1.shape", on(name=None, out_type="int32")))
    assert body(model) == ["x = torch.tensor((a.shape[0], 4, 3))", "return x"]


def test_channels_first_pictures_are_sliced_and_scaled_where_they_stand() -> None:
    model = tf_model(
        op("__operators__.getitem", on(slice_spec=[{"class_name": "__ellipsis__"}, BACKWARDS]), name="bgr"),
        op("math.subtract", on("bgr", y=[103.5, 116.25, 123.0], name=None)),
        shape=(None, 8, 8, 3),
    )  # fmt: skip
    assert body(model) == [
        "x = a.flip(1)",
        "x = x - x.new_tensor([[[103.5]], [[116.25]], [[123.0]]])",
        "return x",
    ]


def test_a_long_constant_is_stored_with_the_weights_and_not_in_the_source() -> None:
    numbers = [[0.1 * i + j for j in range(3)] for i in range(4)]
    program = translated(tf_model(op("math.multiply", on(y=numbers, name=None))))
    (name,) = program.state
    assert program.state[name].shape == (4, 3)
    text = write_module(program, source_name="model.h5", keras_version=None).text
    assert f"self.{name} = nn.Buffer(torch.empty((4, 3)))" in text
    assert "2.1" not in text


@pytest.mark.parametrize(
    "symbol",
    [
        "io.write_file",
        "io.gfile.makedirs",
        "py_function",
        "keras.utils.get_file",
        "__init__",
        "",
        "os.system",
    ],
)
def test_a_symbol_that_is_not_listed_is_refused_by_name(symbol: str) -> None:
    assert refusals(tf_model(op(symbol, on()))) == [f"the operation {symbol} is not supported"]


def test_a_call_whose_tensors_keras_did_not_save_says_so() -> None:
    """tf.keras writes `tf.einsum("bij,bkj->bik", x, y)` down as a call on its equation alone."""
    lost = op("einsum", ["_CONSTANT_VALUE", -1, "bij,bkj->bik", {}])
    (message,) = refusals(tf_model(lost))
    assert message.startswith("the file does not hold the tensors that it was called on: ")


@pytest.mark.parametrize("node", ["ReadFile", "WriteFile", "PyFunc", "EagerPyFunc"])
def test_a_node_that_is_not_listed_is_refused_by_name(node: str) -> None:
    model = tf_model(layer("TensorFlowOpLayer", "op", on(), node_def={"name": "n", "op": node}, constants={}))
    assert refusals(model) == [f"the operation {node} is not supported"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_def": "CgFh"}, "a node_def that is not written as an object"),
        ({"constants": {"one": 1}}, "constants that are not numbered"),
        (
            {"node_def": {"op": "Relu", "attr": {"surprise": {"b": True}}}},
            "Relu with surprise=True is not supported",
        ),
        ({"node_def": {"op": "Relu", "attr": {"surprise": 1}}}, "an attribute that cannot be read"),
        (
            {"node_def": {"op": "LeakyRelu", "attr": {"alpha": {"f": "NaN"}}}},
            "an attribute that cannot be read",
        ),
    ],
)
def test_a_node_that_cannot_be_read_is_refused(changes: dict[str, Any], message: str) -> None:
    config = {"node_def": {"name": "n", "op": "Relu"}, "constants": {}, **changes}
    assert refusals(tf_model(layer("TensorFlowOpLayer", "op", on(), **config))) == [message]


@pytest.mark.parametrize(
    ("symbol", "kwargs", "message"),
    [
        ("nn.relu", {"surprise": 1}, "nn.relu with surprise=1 is not supported"),
        ("math.reduce_mean", {"axis": 5}, "axis 5 of a tensor with 3 axes"),
        ("math.reduce_mean", {"axis": "x"}, "argument axis is 'x', not an integer"),
        ("reshape", {"shape": [-1, -1]}, "a reshape of (None, 4, 3) that leaves several axes open"),
        ("reshape", {}, "reshape lacks its argument shape"),
        ("gather", {"indices": [9], "axis": 1}, "elements [9] of 4"),
        ("compat.v1.transpose", {"perm": [0, 0, 1]}, "perm [0, 0, 1] is not a permutation"),
        ("clip_by_value", {"clip_value_min": float("nan"), "clip_value_max": 1.0}, None),
        ("math.add", {"y": [[1, 2], [3]]}, "argument a constant is [[1, 2], [3]], not numbers in equal rows"),
        ("math.add", {"y": ["_COMPOSITE_TYPE", "{}"]}, None),
        ("where", {}, "where without two tensors to choose from yields as many rows as are true"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(
    symbol: str, kwargs: dict[str, Any], message: str | None
) -> None:
    try:
        found = refusals(tf_model(op(symbol, on(**kwargs))))
    except Keras2TorchError:
        assert message is None
        return
    assert message is None or found == [message]


def test_names_that_layers_and_operations_share_are_told_apart() -> None:
    """The operation Add takes two arguments, the layer a list."""
    x = tensor3("a")
    operation = keras3_model(layer("Add", "op", call3(x, 1.0)))
    the_layer = keras3_model(layer("Add", "op", call3([x, x]), trainable=True, dtype="float32"))
    assert body(operation, Generation.KERAS3) == ["x = a + 1.0", "return x"]
    assert body(the_layer, Generation.KERAS3) == ["x = a + a", "return x"]
    classes = [
        build_graph(each, Generation.KERAS3).layers["op"].class_name for each in (operation, the_layer)
    ]
    assert classes == ["ops.Add", "Add"]


def test_the_reference_gets_an_operation_of_keras_3_with_nothing_else_in_it() -> None:
    hostile = {"module": "os", "class_name": "function", "config": "system"}
    entry = layer("Mean", "op", call3(tensor3("a")), axis=[1], keepdims=False)
    model = {**keras3_model({**entry, "module": "os", "registered_name": "x>y", "build_config": hostile})}
    read = translated(model, Generation.KERAS3).options_read
    rewritten = canonical_model(model, read, keras2=False)["config"]["layers"][1]
    assert rewritten == {
        "module": "keras.src.ops.numpy",
        "class_name": "Mean",
        "config": {"name": "op", "axis": [1], "keepdims": False},
        "name": "op",
        "inbound_nodes": [call3(tensor3("a"))],
    }


@pytest.mark.parametrize("kind", ["__lambda__", "__typespec__", "function", "Dense"])
def test_no_object_stands_among_the_arguments_of_a_call(kind: str) -> None:
    argument = {"class_name": kind, "config": {"value": "print(1)"}}
    model = keras3_model(layer("Add", "op", call3(tensor3("a"), argument)))
    assert refusals(model, Generation.KERAS3) == [f"called with a {kind!r}, which is no constant"]
    with pytest.raises(BadConfig, match="a call argument of class"):
        canonical_model(model, {}, keras2=False)


def test_arguments_are_bound_as_the_signature_says() -> None:
    first, second = spellings("a|b(value: x, axis=0, name=None, *, keep: k=False)")
    assert (first.name, second.name) == ("a", "b")
    assert first.bind([1], {"axis": 2, "name": "n"}) == {"x": 1, "axis": 2, "k": False}
    assert first.bind([1, 2, "n"], {"keep": True}) == {"x": 1, "axis": 2, "k": True}
    with pytest.raises(LayerRefused, match="lacks its argument value"):
        first.bind([], {})
    (joined,) = spellings("c(*xs, axis)")
    assert joined.bind([1, 2, 3], {}) == {"xs": [1, 2], "axis": 3}


def test_there_are_many() -> None:
    assert len(names(Dialect.TF)) >= 150
    assert len(names(Dialect.KERAS3)) >= 100
    assert len(names(Dialect.NODE)) >= 90
    assert find(Dialect.TF, "io.read_file") is None

"""From every spelling of a model to one flat list of calls."""

from dataclasses import replace
from typing import Any

import pytest

from keras2torch.errors import BadConfig, LimitExceeded
from keras2torch.graph.model import Container
from keras2torch.source.limits import DEFAULT
from keras2torch.source.model import Generation
from tests.crafted import call, call3, functional, layer, nested, sequential, tensor3
from tests.graph.drawn import built, drawn

KERAS1, KERAS2, TF_KERAS, KERAS3 = Generation


def source(name: str = "in", *inbound: Any) -> dict[str, Any]:
    return layer("InputLayer", name, *inbound, batch_input_shape=[None, 4])


def dense(name: str, *inbound: Any, **config: Any) -> dict[str, Any]:
    return layer("Dense", name, *inbound, units=4, **config)


# ------------------------------------------------------------------------------------------------------ Sequential

TWO_DENSE = [dense("a", batch_input_shape=[None, 4]), dense("b")]


@pytest.mark.parametrize(
    "config",
    [
        {"class_name": "Sequential", "config": TWO_DENSE},
        sequential(*TWO_DENSE),
        sequential(dense("a"), dense("b"), build_input_shape=[None, 4]),
        sequential(layer("Dense", "a", units=4, batch_shape=[None, 4]), dense("b")),
    ],
    ids=["list", "dict", "build_input_shape", "batch_shape"],
)
def test_a_sequential_makes_its_input_itself(config: dict[str, Any]) -> None:
    graph = built(config)
    assert drawn(graph) == ["a_input()", "a(a_input)", "b(a)", "-> b"]
    assert graph.layers["a_input"].config["batch_shape"] == [None, 4]
    assert graph.name == "sequential"


def test_a_sequential_has_an_explicit_input() -> None:
    assert drawn(built(sequential(source(), dense("a")))) == ["in()", "a(in)", "-> a"]


def test_names_of_layers_without_one_of_their_own_come_from_their_configuration() -> None:
    entries = [{"class_name": "Dense", "config": {"name": "a", "units": 4, "batch_input_shape": [None, 4]}}]
    assert drawn(built({"class_name": "Sequential", "config": entries})) == [
        "a_input()",
        "a(a_input)",
        "-> a",
    ]


def test_a_sequential_starts_with_a_model() -> None:
    inner = nested(sequential(source("inner_in"), dense("a"), name="inner"))
    assert drawn(built(sequential(inner, dense("b")))) == [
        "inner_inner_in()",
        "inner/a(inner_inner_in)",
        "b(inner/a)",
        "-> b",
    ]
    deep = nested(sequential(nested(sequential(*TWO_DENSE, name="deep")), name="inner"))
    assert drawn(built(sequential(deep))) == [
        "a_input()",
        "inner/deep/a(a_input)",
        "inner/deep/b(inner/deep/a)",
        "-> inner/deep/b",
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (sequential(), "without layers"),
        (sequential(dense("a")), "never given an input shape"),
        (sequential(nested(sequential(dense("a"), name="inner"))), "never given an input shape"),
        ({"class_name": "Sequential", "config": {"name": "s"}}, "no list of layers"),
        ({"class_name": "Sequential", "config": {"layers": [7]}}, "no list of layers"),
        (sequential(source(), dense("a"), dense("a")), "a: two layers of one model have the same name"),
        (sequential(source(), source("other")), "other: an InputLayer behind other layers"),
        (sequential(source(), {"class_name": "Dense", "config": [1]}), "without class_name and config"),
        (sequential(source(), {"class_name": ["Dense"], "config": {}}), "without class_name and config"),
        (sequential(source(), {"class_name": "Dense", "config": {}}), "Dense: a layer without a name"),
        (sequential(source(), nested(sequential(name="inner"))), "without layers"),
        ({"class_name": "MyModel", "config": {"units": 3}}, "a subclassed model"),
        ({"class_name": "Functional", "config": [1]}, "without class_name and config"),
        ({"class_name": "Functional"}, "without class_name and config"),
    ],
)
def test_configurations_that_cannot_be_wired(config: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        built(config)
    assert words in str(caught.value)


# ------------------------------------------------------------------------------------------------------ Functional


def two_ends(generation: Generation) -> dict[str, Any]:
    """Two inputs, two outputs, layers in no order of execution."""
    if generation is KERAS3:
        layers = [
            dense("b", call3(tensor3("sum"))),
            source("x"),
            layer("Add", "sum", call3([tensor3("x"), tensor3("a")])),
            dense("a", call3(tensor3("y"))),
            source("y"),
        ]
    else:
        layers = [
            dense("b", call("sum")),
            source("x"),
            layer("Add", "sum", call("x", "a")),
            dense("a", call("y")),
            source("y"),
        ]
    return functional(layers, [["y", 0, 0], ["x", 0, 0]], [["b", 0, 0], ["sum", 0, 0]])


@pytest.mark.parametrize("generation", [KERAS2, TF_KERAS, KERAS3])
def test_inputs_and_outputs_keep_their_order(generation: Generation) -> None:
    graph = built(two_ends(generation), generation)
    assert drawn(graph) == ["y()", "x()", "a(y)", "sum(x, a)", "b(sum)", "-> b, sum"]
    assert [graph.nodes[ref.node].layer for ref in graph.inputs] == ["y", "x"]


@pytest.mark.parametrize("class_name", ["Model", "Functional", "MyOwnModel"])
def test_functional_models_go_by_several_names(class_name: str) -> None:
    config = functional(
        [source(), dense("a", call("in"))], [["in", 0, 0]], [["a", 0, 0]], class_name=class_name
    )
    assert drawn(built(config)) == ["in()", "a(in)", "-> a"]


@pytest.mark.parametrize("ends", [["in", 0, 0], [["in", 0, 0]], {"in": ["in", 0, 0]}, [{"z": ["in", 0, 0]}]])
def test_ends_are_written_bare_in_lists_and_in_dicts(ends: Any) -> None:
    assert drawn(built(functional([source()], ends, ends), KERAS3)) == ["in()", "-> in"]


def test_dict_ends_come_by_sorted_key() -> None:
    layers = [source("one"), source("two")]
    ends = {"b": ["one", 0, 0], "a": ["two", 0, 0]}
    assert drawn(built(functional(layers, ends, ends)))[-1] == "-> two, one"


def test_calls_take_their_tensors_in_dicts_too() -> None:
    layers = [source("p"), source("q"), layer("Add", "sum", {"z": ["p", 0, 0, {}], "a": ["q", 0, 0, {}]})]
    graph = built(functional(layers, [["p", 0, 0], ["q", 0, 0]], [["sum", 0, 0]]))
    assert drawn(graph)[-2] == "sum(q, p)"


def test_a_first_argument_may_stand_bare() -> None:
    layers = [source(), layer("TFOpLambda", "op", ["in", 0, 0, {"y": 2.0}])]
    assert drawn(built(functional(layers, [["in", 0, 0]], [["op", 0, 0]])))[1] == "op(in, y=2.0)"


def test_tensors_among_the_call_arguments() -> None:
    layers = [source("q"), source("v"), layer("Attend", "mha", call("q", value=["v", 0, 0], flags=[1, "x"]))]
    ends = ([["q", 0, 0], ["v", 0, 0]], [["mha", 0, 0]])
    assert drawn(built(functional(layers, *ends)))[2] == "mha(q, value=v, flags=[1, 'x'])"
    layers[2] = layer("Attend", "mha", call3(tensor3("q"), value=[tensor3("v"), None], flag=True))
    assert drawn(built(functional(layers, *ends), KERAS3))[2] == "mha(q, value=[v, None], flag=True)"


def test_constants_among_the_arguments_keep_their_place() -> None:
    layers = [source(), layer("TFOpLambda", "op", [["_CONSTANT_VALUE", -1, 2.0, {"y": ["in", 0, 0]}]])]
    assert drawn(built(functional(layers, [["in", 0, 0]], [["op", 0, 0]])))[1] == "op(y=in, args[0]=2.0)"
    layers[1] = layer("Subtract", "op", call3(1.5, tensor3("in")))
    assert (
        drawn(built(functional(layers, [["in", 0, 0]], [["op", 0, 0]]), KERAS3))[1] == "op(in, args[0]=1.5)"
    )
    layers[1] = layer("GetItem", "op", call3(tensor3("in"), {"class_name": "__ellipsis__", "config": {}}))
    assert "args[1]={'class_name': '__ellipsis__'" in drawn(
        built(functional(layers, [["in", 0, 0]], [["op", 0, 0]]), KERAS3)
    )[1]  # fmt: skip


def test_several_outputs_of_one_layer() -> None:
    layers = [
        source(),
        layer("LSTM", "lstm", call("in")),
        layer("Add", "sum", call(("lstm", 0, 1), ("lstm", 0, 2))),
    ]
    graph = built(functional(layers, [["in", 0, 0]], [["sum", 0, 0], ["lstm", 0, 0]]))
    assert drawn(graph) == ["in()", "lstm(in)", "sum(lstm:1, lstm:2)", "-> sum, lstm"]


def test_a_shared_layer_is_one_layer_called_often() -> None:
    layers = [
        source("p"),
        source("q"),
        dense("shared", call("p"), call("q"), call(("shared", 1))),
        layer("Add", "sum", call("shared", ("shared", 2))),
    ]
    graph = built(functional(layers, [["p", 0, 0], ["q", 0, 0]], [["sum", 0, 0]]))
    assert drawn(graph)[2:] == [
        "shared(p)",
        "shared#1(q)",
        "shared#2(shared#1)",
        "sum(shared, shared#2)",
        "-> sum",
    ]
    assert len(graph.layers) == 4


def test_a_thousand_layers_in_reverse_take_no_thousand_rounds() -> None:
    count = 5000
    chain = [dense(f"d{i}", call(f"d{i - 1}" if i else "in")) for i in range(count)]
    graph = built(functional([*reversed(chain), source()], [["in", 0, 0]], [[f"d{count - 1}", 0, 0]]))
    assert [node.layer for node in graph.nodes] == ["in", *(f"d{i}" for i in range(count))]


def chain(
    *inbound: Any, inputs: Any = ("in", 0, 0), outputs: Any = ("a", 0, 0), **other: Any
) -> dict[str, Any]:
    """The model of an input and the Dense `a` called so; `other` layers by name, with what they are called on."""
    behind = [dense(name, call(*tensors)) for name, tensors in other.items()]
    ends = [list(end) if isinstance(end, tuple) else end for end in (inputs, outputs)]
    return functional([source(), dense("a", *inbound), *behind], *ends)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (chain(call("b"), b=["a"]), "a: inbound_nodes form a cycle"),
        (chain(call("a")), "a: inbound_nodes form a cycle"),
        (chain(call("gone")), "'gone', which is not there"),
        (chain(call(("in", 1))), "a: inbound_nodes form a cycle or name a call that never happens"),
        (chain(call(("in", 10**9))), "a: inbound_nodes form a cycle or name a call that never happens"),
        (chain(call(("in", 0, 1))), "in: has no output 1"),
        (chain(call("in"), outputs=("a", 1, 0)), "output_layers names a call that never happens"),
        (chain(call("in"), outputs=("gone", 0, 0)), "'gone', which is not there"),
        (chain(call("in"), inputs=("gone", 0, 0)), "'gone', which is not there"),
        (chain(call("in"), inputs=("a", 0, 0)), "which is no InputLayer's output"),
        (chain(call("in"), inputs=("in", 0, 1)), "which is no InputLayer's output"),
        (chain(call("in"), inputs=[["in", 0, 0], ["in", 0, 0]]), "names a layer twice"),
        (chain(call("in"), inputs=[]), "input_layers: names no tensor"),
        (chain(call("in"), outputs=[]), "output_layers: names no tensor"),
        (chain(call("in"), inputs=None), "input_layers: inputs or outputs of the model are not named"),
        (functional([source(), source("a", call("in"))], ["in", 0, 0], ["a", 0, 0]), "a: an InputLayer behind"),
        *[
            (chain(call(("in", index))), "a: a tensor is not named as")
            for index in (-1, True, 0.0, 1.5, "0", None, [0])
        ],
        *[
            (chain(nodes), "a: ")
            for nodes in ("in", 7, [["in", 0]], [["in", 0, 0, [1]]], [["in", 0, 0, 0, 0]], {"x": 1}, [7])
        ],
        (functional([source(), {**dense("a"), "inbound_nodes": 7}], ["in", 0, 0], ["a", 0, 0]), "is not a list"),
    ],
)  # fmt: skip
def test_wiring_that_leads_nowhere(config: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        built(config)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "node",
    [
        "in",
        [["in", 0, 0]],
        {"args": "in"},
        {"args": [], "kwargs": [1]},
        call3(tensor3("in", -1)),
        call3(tensor3("in", True)),
        call3(tensor3("in", 0, 0.5)),
        call3(tensor3("gone")),
        call3({"class_name": "__keras_tensor__", "config": None}),
        call3({"class_name": "__keras_tensor__", "config": {"keras_history": ["in", 0]}}),
    ],
)
def test_keras3_calls_that_cannot_be_read(node: Any) -> None:
    with pytest.raises(BadConfig):
        built(functional([source(), dense("a", node)], ["in", 0, 0], ["a", 0, 0]), KERAS3)


# ------------------------------------------------------------------------------------------------ models in models


def inner_model(kind: str, generation: Generation) -> dict[str, Any]:
    if kind == "Sequential":
        return sequential(dense("d", batch_input_shape=[None, 4]), name="inner")
    if kind == "Sequential with InputLayer":
        return sequential(source("i"), dense("d"), name="inner")
    inbound = call3(tensor3("i")) if generation is KERAS3 else call("i")
    return functional([source("i"), dense("d", inbound)], [["i", 0, 0]], [["d", 0, 0]], name="inner")


# (generation, kind of inner model, node index of its first saved call in inbound_nodes, the same in output_layers)
FIRST_CALL = [
    (KERAS1, "Functional", 1, 1),
    (KERAS1, "Sequential", 1, 1),
    (KERAS2, "Functional", 1, 1),
    (KERAS2, "Sequential", 1, 1),
    (TF_KERAS, "Functional", 1, 1),
    (TF_KERAS, "Sequential with InputLayer", 1, 1),
    (TF_KERAS, "Sequential", 0, 0),
    (KERAS3, "Functional", 0, 1),
    (KERAS3, "Sequential", 0, 0),
    (KERAS3, "Sequential with InputLayer", 0, 0),
]


@pytest.mark.parametrize(("generation", "kind", "inbound", "output"), FIRST_CALL)
def test_the_index_that_names_a_models_calls(
    generation: Generation, kind: str, inbound: int, output: int
) -> None:
    def node(name: str, index: int = 0) -> Any:
        return call3(tensor3(name, index)) if generation is KERAS3 else call((name, index))

    layers = [
        source(),
        nested(inner_model(kind, generation), node("in"), node("a")),
        dense("a", node("inner", inbound)),
    ]
    graph = built(functional(layers, [["in", 0, 0]], [["inner", output + 1, 0]]), generation)
    assert drawn(graph) == ["in()", "inner/d(in)", "a(inner/d)", "inner/d#1(a)", "-> inner/d#1"]


@pytest.mark.parametrize(("generation", "kind", "inbound", "output"), FIRST_CALL)
def test_the_generation_decides_where_the_indices_do_not(
    generation: Generation, kind: str, inbound: int, output: int
) -> None:
    # Of two calls, 1 is the second where counting starts at 0 and the first where it starts at 1.
    def node(name: str, index: int = 0) -> Any:
        return call3(tensor3(name, index)) if generation is KERAS3 else call((name, index))

    layers = [
        source(),
        nested(inner_model(kind, generation), node("in"), node("in")),
        dense("a", node("inner", 1)),
    ]
    graph = built(functional(layers, [["in", 0, 0]], [["a", 0, 0], ["inner", 1, 0]]), generation)
    calls = ["inner/d#1", "inner/d"]
    assert drawn(graph)[-2:] == [f"a({calls[inbound]})", f"-> a, {calls[output]}"]


def test_indices_that_show_another_rule_than_the_generations_decide() -> None:
    layers = [
        source(),
        nested(inner_model("Functional", TF_KERAS), call("in")),
        dense("a", call(("inner", 0))),
    ]
    assert drawn(built(functional(layers, [["in", 0, 0]], [["a", 0, 0]])))[2] == "a(inner/d)"
    layers[2] = layer("Add", "a", call(("inner", 0), ("inner", 1)))
    with pytest.raises(BadConfig, match="inner: node indices contradict each other"):
        built(functional(layers, [["in", 0, 0]], [["a", 0, 0]]))


def test_layers_of_nested_models_have_paths_and_belong_to_the_top() -> None:
    deep = nested(sequential(dense("d", batch_input_shape=[None, 4]), name="deep"))
    graph = built(sequential(source(), nested(sequential(deep, name="outer")), dense("x/y")))
    assert drawn(graph) == ["in()", "outer/deep/d(in)", "x/y(outer/deep/d)", "-> x/y"]
    assert graph.layers["outer/deep/d"].group == "outer"
    assert graph.layers["x/y"].group == "x/y"
    assert graph.layers["x/y"].name == "y"


def test_nested_models_have_several_inputs_and_outputs() -> None:
    inner = functional(
        [source("p"), source("q"), layer("Add", "sum", call("p", "q"))],
        [["p", 0, 0], ["q", 0, 0]],
        [["sum", 0, 0], ["p", 0, 0]],
        name="inner",
    )
    layers = [source("x"), source("y"), nested(inner, call("y", "x")), dense("a", call(("inner", 1, 1)))]
    graph = built(functional(layers, [["x", 0, 0], ["y", 0, 0]], [["a", 0, 0], ["inner", 1, 0]]))
    assert drawn(graph) == ["x()", "y()", "inner/sum(y, x)", "a(y)", "-> a, inner/sum"]
    layers[2] = nested(inner, call("x"))
    with pytest.raises(BadConfig, match="inner/: called on 1 tensors, has 2 inputs"):
        built(functional(layers, [["x", 0, 0], ["y", 0, 0]], [["a", 0, 0]]))
    layers[2:] = [nested(inner, call("x", "y")), dense("a", call(("inner", 1, 2)))]
    with pytest.raises(BadConfig, match="inner: has no output 2"):
        built(functional(layers, [["x", 0, 0], ["y", 0, 0]], [["a", 0, 0]]))


def test_the_tree_keeps_what_the_order_of_weights_depends_on() -> None:
    frozen = sequential(
        dense("d", batch_input_shape=[None, 4], trainable=False), name="inner", trainable=False
    )
    graph = built(sequential(source(), nested(frozen), dense("e")))
    assert graph.tree == Container("", True, ("in", Container("inner", False, ("inner/d",)), "e"))
    assert not graph.layers["inner/d"].trainable
    assert graph.layers["e"].trainable


def test_two_layers_of_one_path() -> None:
    inner = nested(sequential(dense("d", batch_input_shape=[None, 4]), name="inner"))
    with pytest.raises(BadConfig, match="inner/d: two layers have the same path"):
        built(sequential(source(), inner, dense("inner/d")))


# --------------------------------------------------------------------------------------------------------- bounds


def test_models_nested_without_end() -> None:
    model = sequential(dense("d", batch_input_shape=[None, 4]), name="m")
    for _ in range(40):
        model = sequential(nested(model), name="m")
    with pytest.raises(LimitExceeded, match="nested deeper than 32"):
        built(model)


LESS_WORK = replace(DEFAULT, calls=DEFAULT.calls // 10)
"""A tenth of the default, which would only take longer to reach."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plain_layers", [True, False])
def test_models_called_many_times_in_models_called_many_times(plain_layers: bool) -> None:
    # A few kilobytes of configuration; 20 ** 12 calls. Without a plain layer in the innermost none of them is a node.
    entries = [source("i"), dense("d", call("i"))] if plain_layers else [source("i")]
    model = functional(entries, [["i", 0, 0]], [[entries[-1]["name"], 0, 0]], name="m")
    for _ in range(12):
        calls = [call("i"), *(call(("m", k + 1)) for k in range(19))]
        model = functional([source("i"), nested(model, *calls)], [["i", 0, 0]], [["m", 20, 0]], name="m")
    with pytest.raises(LimitExceeded, match="once nested models are laid flat"):
        built(model, limits=LESS_WORK)


@pytest.mark.timeout(60)
def test_many_tensors_in_many_calls() -> None:
    many = [layer("Add", "sum", call(*["i"] * 2000))]
    inner = functional([source("i"), *many], [["i", 0, 0]], [["sum", 0, 0]], name="m")
    calls = [call("in"), *(call(("m", k + 1)) for k in range(500))]
    with pytest.raises(LimitExceeded, match="calls and arguments"):
        built(
            functional([source(), nested(inner, *calls)], [["in", 0, 0]], [["m", 500, 0]]), limits=LESS_WORK
        )


def test_more_layers_and_calls_than_were_allowed() -> None:
    model = sequential(source(), *(dense(f"d{i}") for i in range(8)))
    assert len(built(model, limits=replace(DEFAULT, layers=9, calls=18)).nodes) == 9
    for few in ({"layers": 8}, {"calls": 17}):
        with pytest.raises(LimitExceeded):
            built(model, limits=replace(DEFAULT, **few))


def test_more_layers_than_any_model_has() -> None:
    with pytest.raises(LimitExceeded, match="more than 20000 layers"):
        built(sequential(source(), *(dense(f"d{i}") for i in range(20_000))))

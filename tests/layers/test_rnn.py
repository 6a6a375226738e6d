"""What the rules for recurrent layers emit and refuse; what it computes is judged against Keras elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest

from keras2torch.emit.module import write_module
from keras2torch.errors import UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.program import Program
from keras2torch.source.model import Generation
from keras2torch.translate import translate

LSTM = {"units": 4, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
GRU = {**LSTM, "reset_after": True}
SIMPLE = {"units": 4, "activation": "tanh"}
X, STATE = [None, 7, 3], [None, 4]


def layer(class_name: str, config: Mapping[str, Any], name: str = "layer") -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


def wrapped(class_name: str, config: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    return {"layer": layer(class_name, config), **options}


def program_of(
    class_name: str,
    config: Mapping[str, Any],
    *,
    shapes: tuple[list[int | None], ...] = (X,),
    masked: bool = False,
    generation: Generation = Generation.TF_KERAS,
) -> Program:
    """A Functional model of one layer, called on one input a shape, the first behind a Masking if `masked`."""
    names = [f"x{i}" for i in range(len(shapes))]
    layers = [
        {**layer("InputLayer", {"batch_input_shape": shape}, name), "name": name, "inbound_nodes": []}
        for name, shape in zip(names, shapes, strict=True)
    ]
    called_on = [[name, 0, 0, {}] for name in names]
    if masked:
        node = [[["x0", 0, 0, {}]]]
        layers.append(
            {**layer("Masking", {"mask_value": 0.0}, "keep"), "name": "keep", "inbound_nodes": node}
        )
        called_on[0] = ["keep", 0, 0, {}]
    layers.append({**layer(class_name, config), "name": "layer", "inbound_nodes": [called_on]})
    model = {
        "name": "model",
        "layers": layers,
        "input_layers": [[name, 0, 0] for name in names],
        "output_layers": [["layer", 0, 0]],
    }
    return translate(build_graph({"class_name": "Functional", "config": model}, generation))


def body_of(class_name: str, config: Mapping[str, Any], **options: Any) -> list[str]:
    """The emitted declarations and statements, without comments and what is not trained."""
    source = write_module(program_of(class_name, config, **options), source_name="m.h5", keras_version=None)
    lines = [line.strip().split("  #")[0] for line in source.text.splitlines()]
    start = lines.index(
        "class ModelNet(nn.Module):" if "class ModelNet(nn.Module):" in lines else "class Model(nn.Module):"
    )
    end = next(i for i, line in enumerate(lines) if i > start and line.startswith("return "))
    return [
        line
        for line in lines[start + 1 : end]
        if line.startswith(("self.", "x", "y", "h", "c", "_", "mask")) and "requires_grad_" not in line
    ]


@pytest.mark.parametrize(
    ("class_name", "config", "lines"),
    [
        (
            "LSTM",
            LSTM,
            ["self.layer = nn.LSTM(3, 4, batch_first=True)", "x, _ = self.layer(x0)", "x = x[:, -1]"],
        ),
        (
            "LSTM",
            {**LSTM, "return_state": True, "return_sequences": True},
            [
                "self.layer = nn.LSTM(3, 4, batch_first=True)",
                "x, (h, c) = self.layer(x0)",
            ],
        ),
        (
            "GRU",
            {**GRU, "use_bias": False, "go_backwards": True, "return_sequences": True},
            ["self.layer = nn.GRU(3, 4, bias=False, batch_first=True)", "x, _ = self.layer(x0.flip(1))"],
        ),
        (
            "SimpleRNN",
            {**SIMPLE, "activation": "relu", "return_sequences": True},
            ['self.layer = nn.RNN(3, 4, nonlinearity="relu", batch_first=True)', "x, _ = self.layer(x0)"],
        ),
        (
            "LSTM",
            {**LSTM, "recurrent_activation": "hard_sigmoid", "return_sequences": True},
            [
                "self.layer = StepByStepLSTM(3, 4, recurrent_activation=hard_sigmoid)",
                "x, _ = self.layer(x0)",
            ],
        ),
        (
            "LSTM",
            {**LSTM, "activation": "leaky_relu", "return_sequences": True},
            [
                "self.layer = StepByStepLSTM(3, 4, activation=lambda x: F.leaky_relu(x, 0.2))",
                "x, _ = self.layer(x0)",
            ],
        ),
        (
            "GRU",
            {**GRU, "reset_after": False, "activation": "linear", "return_sequences": True},
            [
                "self.layer = StepByStepGRU(3, 4, activation=nn.Identity(), reset_after=False)",
                "x, _ = self.layer(x0)",
            ],
        ),
        (
            "Bidirectional",
            wrapped("LSTM", {**LSTM, "return_sequences": True}, merge_mode="concat"),
            [
                "self.layer = nn.LSTM(3, 4, batch_first=True, bidirectional=True)",
                "x, _ = self.layer(x0)",
            ],
        ),
        (
            "Bidirectional",
            wrapped("GRU", GRU, merge_mode="concat"),
            [
                "self.layer = nn.GRU(3, 4, batch_first=True, bidirectional=True)",
                "_, h = self.layer(x0)",
                "x = torch.cat([h[0], h[1]], dim=-1)",
            ],
        ),
        (
            "Bidirectional",
            wrapped("LSTM", {**LSTM, "return_sequences": True}, merge_mode="sum"),
            [
                "self.layer = nn.LSTM(3, 4, batch_first=True, bidirectional=True)",
                "x, _ = self.layer(x0)",
                "x, y = x.chunk(2, dim=-1)",
                "x = x + y",
            ],
        ),
        (
            "TimeDistributed",
            wrapped("Dense", {"units": 2, "activation": "linear"}),
            ["self.layer = nn.Linear(3, 2)", "x = self.layer(x0)"],
        ),
    ],
)
def test_a_person_would_have_written_this(class_name: str, config: dict[str, Any], lines: list[str]) -> None:
    assert body_of(class_name, config) == lines


def test_masked_layers_run_over_valid_steps() -> None:
    lines = body_of("LSTM", {**LSTM, "return_sequences": True}, masked=True)
    assert lines[-3:] == ["x = valid_first(x, mask)", "x, _ = self.layer(x)", "x = spread_valid(x, mask)"]
    lines = body_of("LSTM", {**LSTM, "return_state": True}, masked=True)
    assert lines[-2:] == ["x, _ = self.layer(x)", "h = last_valid(x, mask)"]
    lines = body_of("Bidirectional", wrapped("LSTM", {**LSTM, "return_sequences": True}), masked=True)
    assert lines[:2] == [
        "self.layer_forward = nn.LSTM(3, 4, batch_first=True)",
        "self.layer_backward = nn.LSTM(3, 4, batch_first=True)",
    ]
    assert lines[-7:] == [
        "x = valid_first(x, mask)",
        "y, _ = self.layer_forward(x)",
        "x = reverse_valid(x, mask)",
        "x, _ = self.layer_backward(x)",
        "x = reverse_valid(x, mask)",
        "y = torch.cat([y, x], dim=-1)",
        "y = spread_valid(y, mask, zero_masked=True)",
    ]
    cells = [layer("LSTMCell", LSTM), layer("GRUCell", GRU)]
    lines = body_of("RNN", {"cell": layer("StackedRNNCells", {"cells": cells})}, masked=True)
    assert lines[-4:] == [
        "x = valid_first(x, mask)",
        "x, _ = self.layer_cell_0(x)",
        "x, _ = self.layer_cell_1(x)",
        "x = last_valid(x, mask)",
    ]


def test_states_may_come_from_elsewhere() -> None:
    lines = body_of("LSTM", {**LSTM, "return_sequences": True}, shapes=(X, STATE, STATE))
    assert lines[-1] == "x, _ = self.layer(x0, (x1[None], x2[None]))"
    lines = body_of(
        "Bidirectional", wrapped("GRU", {**GRU, "return_sequences": True}), shapes=(X, STATE, STATE)
    )
    assert lines[-1] == "x, _ = self.layer(x0, torch.stack([x1, x2]))"


def test_states_are_kept_for_the_samples_that_the_model_was_built_for() -> None:
    lines = body_of("LSTM", {**LSTM, "stateful": True, "return_sequences": True}, shapes=([2, 7, 3],))
    assert lines == [
        "self.layer = Stateful(nn.LSTM(3, 4, batch_first=True), (1, 2, 4), cell_state=True)",
        "x, _ = self.layer(x0)",
    ]


def test_cells_run_one_over_the_other() -> None:
    cells = [layer("LSTMCell", LSTM), layer("GRUCell", {**GRU, "units": 2})]
    config = {"cell": layer("StackedRNNCells", {"cells": cells}), "return_sequences": True}
    assert body_of("RNN", config) == [
        "self.layer_cell_0 = nn.LSTM(3, 4, batch_first=True)",
        "self.layer_cell_1 = nn.GRU(4, 2, batch_first=True)",
        "x, _ = self.layer_cell_0(x0)",
        "x, _ = self.layer_cell_1(x)",
    ]


def test_convolutional_cells_are_two_convolutions() -> None:
    config = {**LSTM, "filters": 4, "kernel_size": [3, 2], "padding": "same", "return_sequences": True}
    del config["units"]
    lines = body_of("ConvLSTM2D", config, shapes=([None, 5, 7, 6, 3],))
    assert lines[0] == "self.layer = StepByStepConvLSTM("
    assert "x, _ = self.layer(x)" in lines


def test_weights_of_either_form_are_known() -> None:
    """CuDNN's bias is twice as long, and tells that the matrices are cuDNN's too."""
    (keys,) = program_of("CuDNNGRU", {"units": 4}, generation=Generation.KERAS2).expected.values()
    assert [(key.shape, key.other_shapes) for key in keys] == [
        ((3, 12), ()),
        ((4, 12), ()),
        ((2, 12), ((24,),)),
    ]
    (keys,) = program_of("GRU", {**GRU, "reset_after": False}).expected.values()
    assert not any(key.other_shapes for key in keys)


def test_weights_are_asked_for_in_keras_order() -> None:
    (keys,) = program_of("Bidirectional", wrapped("GRU", GRU)).expected.values()
    assert [(key.role, key.shape) for key in keys] == [
        ("forward/kernel", (3, 12)),
        ("forward/recurrent_kernel", (4, 12)),
        ("forward/bias", (2, 12)),
        ("backward/kernel", (3, 12)),
        ("backward/recurrent_kernel", (4, 12)),
        ("backward/bias", (2, 12)),
    ]


def test_a_gru_without_the_option_resets_before() -> None:
    """As Keras wrote it before version 2.1.5."""
    config = {key: value for key, value in GRU.items() if key != "reset_after"}
    program = program_of("GRU", config, generation=Generation.KERAS2)
    assert "StepByStepGRU" in program.parts
    assert [key.shape for key in program.expected["layer"]] == [(3, 12), (4, 12), (12,)]


def test_hard_sigmoid_is_that_of_the_generation() -> None:
    config = {**LSTM, "recurrent_activation": "hard_sigmoid"}
    assert "hard_sigmoid" in program_of("LSTM", config).parts
    # Keras 3 keeps its graph in another form; a Sequential has the same one everywhere.
    sequential = {
        "name": "model",
        "layers": [layer("InputLayer", {"batch_shape": X}, "x"), layer("LSTM", config)],
    }
    graph = build_graph({"class_name": "Sequential", "config": sequential}, Generation.KERAS3)
    source = write_module(translate(graph), source_name="m.h5", keras_version=None)
    assert "StepByStepLSTM(3, 4, recurrent_activation=F.hardsigmoid)" in source.text


def test_dropout_is_kept_for_training_and_what_is_not_is_said() -> None:
    rates = {"dropout": 0.2, "recurrent_dropout": 0.1}
    program = program_of("LSTM", {**LSTM, **rates})
    assert program.parts == ["SharedDropout", "RecurrentDropout"]
    assert program.warnings == []
    lines = body_of("LSTM", {**LSTM, **rates, "return_sequences": True})
    assert lines[1] == "self.layer = RecurrentDropout(nn.LSTM(3, 4, batch_first=True), 0.1)"
    both = body_of("Bidirectional", wrapped("GRU", {**GRU, "recurrent_dropout": 0.1}))
    assert both[0] == "self.layer_forward = RecurrentDropout(nn.GRU(3, 4, batch_first=True), 0.1)"
    program = program_of("LSTM", {**LSTM, **rates, "activation": "relu"})
    assert program.warnings == [
        "layer (LSTM): recurrent_dropout, which acts in training only, is not converted in a loop over the steps"
    ]


def test_a_masked_bidirectional_of_keras_2_is_warned_about() -> None:
    config = wrapped("LSTM", {**LSTM, "return_sequences": True})
    program = program_of("Bidirectional", config, masked=True, generation=Generation.KERAS2)
    assert len(program.warnings) == 1
    assert not program_of("Bidirectional", config, masked=True).warnings


@pytest.mark.parametrize(
    ("class_name", "config", "options", "says"),
    [
        ("LSTM", {**LSTM, "stateful": True}, {}, "stateful=True"),
        ("CuDNNLSTM", {"units": 4}, {"masked": True}, "mask"),
        ("Bidirectional", wrapped("CuDNNLSTM", {"units": 4}), {"masked": True}, "mask"),
        (
            "LSTM",
            {**LSTM, "stateful": True},
            {"shapes": ([2, 7, 3], [2, 4], [2, 4]), "generation": Generation.KERAS2},
            "initial states",
        ),
        (
            "RNN",
            {"cell": [layer("GRUCell", GRU)] * 2, "stateful": True},
            {"shapes": ([2, 7, 3], [2, 4], [2, 4])},
            "in a stack with initial states",
        ),
        (
            "RNN",
            {"cell": [layer("LSTMCell", LSTM)] * 2, "return_state": True},
            {"generation": Generation.KERAS2},
            "from the last cell to the first",
        ),
        (
            "RNN",
            {"cell": layer("StackedRNNCells", {"cells": [], "reverse_state_order": True})},
            {},
            "reverse_state_order",
        ),
        ("RNN", {"cell": layer("MyCell", {})}, {}, "runs cells of class MyCell"),
        ("RNN", {"cell": layer("LSTMCell", LSTM), "num_constants": 1}, {}, "constants"),
        ("RNN", {"cell": layer("StackedRNNCells", {"cells": []})}, {}, "no cells"),
        ("RNN", {"cell": layer("LSTMCell", {**LSTM, "new_option": 1})}, {}, "new_option"),
        ("LSTMCell", LSTM, {}, "wrap it in RNN"),
        ("ConvLSTM2D", {"filters": 2, "kernel_size": 3, **LSTM}, {}, "rank 3, expected 5"),
        ("LSTM", LSTM, {"shapes": (X, STATE)}, "initial_state has 1 tensors, expected 2"),
        ("GRU", GRU, {"shapes": ([None, 7, 3, 2],)}, "rank 4"),
        ("LSTM", LSTM, {"shapes": ([None, 7, None],)}, "features is not known"),
        ("LSTM", {**LSTM, "activation": "no_such"}, {}, "no_such"),
        (
            "LSTM",
            {**LSTM, "activation": layer("PReLU", {"shared_axes": None})},
            {},
            "a layer with weights",
        ),
        ("LSTM", {**LSTM, "activation": "glu"}, {}, "no meaning inside a recurrent layer"),
        ("LSTM", {**LSTM, "new_option": 1}, {}, "new_option"),
        ("Bidirectional", wrapped("LSTM", LSTM, merge_mode="max"), {}, "merge_mode"),
        ("Bidirectional", wrapped("Dense", {"units": 2}), {}, "wraps Dense"),
        ("Bidirectional", wrapped("LSTM", {**LSTM, "new_option": 1}), {}, "new_option"),
        (
            "Bidirectional",
            wrapped("LSTM", LSTM, backward_layer=layer("LSTM", LSTM)),
            {},
            "opposite directions",
        ),
        (
            "Bidirectional",
            wrapped("LSTM", {**LSTM, "unroll": True, "return_sequences": True}),
            {"masked": True},
            "unroll=True",
        ),
        (
            "Bidirectional",
            wrapped(
                "LSTM",
                LSTM,
                backward_layer=layer("LSTM", {**LSTM, "units": 5, "go_backwards": True}),
                merge_mode="sum",
            ),
            {},
            "different numbers of units",
        ),
        ("TimeDistributed", wrapped("Dense", {"units": 2}), {"shapes": ([None, 7],)}, "rank 2"),
        (
            "TimeDistributed",
            wrapped("Conv1D", {"filters": 2, "kernel_size": 1}),
            {"masked": True, "shapes": ([None, 5, 7, 3],)},
            "mask",
        ),
        (
            "TimeDistributed",
            wrapped("LSTM", {**LSTM, "stateful": True}),
            {"shapes": ([2, 5, 7, 3],)},
            "at each step of another",
        ),
        (
            "TimeDistributed",
            wrapped("LSTM", {**LSTM, "return_state": True}),
            {"shapes": ([None, 5, 7, 3],)},
            "3 outputs",
        ),
    ],
)
def test_what_has_no_exact_meaning_is_refused(
    class_name: str, config: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UnsupportedModel, match=says) as refusal:
        program_of(class_name, config, **options)
    assert refusal.value.reasons[0].layer == "layer"

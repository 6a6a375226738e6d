"""Masks that Keras 3 wrote into the wiring as operations: those it makes by itself go, all others stay."""

from typing import Any

import pytest

from keras2torch.graph.stored_masks import IMPLICIT, without_stored_masks
from tests.crafted import call3, layer, tensor3


def masked_model(not_equal: float = 0.0, mask_value: float = 0.0) -> list[dict[str, Any]]:
    """Masking in front of an LSTM, as Keras 3 saves it: the mask is `Any(NotEqual(in, 0))`."""
    return [
        layer("InputLayer", "in", batch_shape=[None, 5, 3]),
        layer("Masking", "masking", call3(tensor3("in")), mask_value=mask_value),
        layer("NotEqual", "not_equal", call3(tensor3("in"), not_equal)),
        layer("Any", "any", call3(tensor3("not_equal"))),
        layer("LSTM", "lstm", call3(tensor3("masking"), mask=tensor3("any"), training=False), units=4),
    ]


def names(entries: Any) -> list[str]:
    return [entry["name"] for entry in entries]


def test_a_mask_that_a_layer_makes_goes() -> None:
    kept = without_stored_masks(masked_model(), frozenset({"in", "lstm"}))
    assert names(kept) == ["in", "masking", "lstm"]
    assert kept[-1]["inbound_nodes"] == [call3(tensor3("masking"), mask=IMPLICIT, training=False)]


def test_masks_on_the_way_go_with_it() -> None:
    model = [
        *masked_model(),
        layer("ExpandDims", "wide", call3(tensor3("any"))),
        layer("LogicalOr", "either", call3(tensor3("wide"), tensor3("any"))),
        layer("GRU", "gru", call3(tensor3("masking"), mask=tensor3("either")), units=4),
    ]
    assert names(without_stored_masks(model, frozenset())) == ["in", "masking", "lstm", "gru"]


@pytest.mark.parametrize(
    "change",
    [
        {"not_equal": 1.0},  # compares with something else than the layer does
        {"mask_value": 2.0},
    ],
)
def test_another_mask_than_the_layers_stays(change: dict[str, float]) -> None:
    model = masked_model(**change)
    assert without_stored_masks(model, frozenset()) == model


def test_an_operation_that_is_read_as_a_tensor_stays() -> None:
    model = [*masked_model(), layer("Dense", "dense", call3(tensor3("any")), units=2)]
    kept = without_stored_masks(model, frozenset())
    assert names(kept) == names(model)
    assert kept[4]["inbound_nodes"][0]["kwargs"]["mask"] == IMPLICIT


def test_an_operation_at_the_end_of_the_model_stays() -> None:
    assert names(without_stored_masks(masked_model(), frozenset({"any"}))) == names(masked_model())


def test_a_mask_of_an_unknown_operation_stays() -> None:
    model = masked_model()
    model[3] = layer("Roll", "any", call3(tensor3("not_equal")))
    assert without_stored_masks(model, frozenset()) == model


def test_masks_in_a_circle_stay() -> None:
    model = masked_model()
    model[2:4] = [
        layer("Any", "not_equal", call3(tensor3("any"))),
        layer("Any", "any", call3(tensor3("not_equal"))),
    ]
    assert without_stored_masks(model, frozenset()) == model


@pytest.mark.parametrize("junk", [None, 7, "x", [], [[]], {"class_name": "LSTM"}, {"name": ["a"]}])
def test_junk_is_left_to_those_who_refuse_it(junk: Any) -> None:
    model = masked_model()
    for key in ("name", "config", "inbound_nodes", "class_name"):
        broken = [*model[:2], {**model[2], key: junk}, *model[3:]]
        assert len(without_stored_masks(broken, frozenset())) >= 3
        masking = {**model[1], "config": {"mask_value": junk}}
        assert len(without_stored_masks([model[0], masking, *model[2:]], frozenset())) >= 3


@pytest.mark.timeout(30)
def test_long_chains_take_time_in_proportion() -> None:
    chain = [layer("Any", f"m{i}", call3(tensor3(f"m{i - 1}" if i else "any"))) for i in range(5000)]
    readers = [layer("LSTM", f"r{i}", call3(tensor3("masking"), mask=tensor3(f"m{i}"))) for i in range(5000)]
    kept = without_stored_masks([*masked_model(), *chain, *readers], frozenset())
    assert len(kept) == 3 + 5000

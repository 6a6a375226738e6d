"""The registry of layer rules holds itself to its own promises."""

from collections.abc import Iterator
from typing import Any

import pytest

from keras2torch.emit.code import Value
from keras2torch.errors import UnsupportedModel
from keras2torch.graph.build import build_graph
from keras2torch.layers import _registry
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import Example, converts, converts_all, example, find, rules
from keras2torch.program import Program
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import Config, layer, sequential


@pytest.fixture
def registry() -> Iterator[dict[str, Any]]:
    """The registry, put back as it was."""
    rules()
    before = dict(_registry._RULES)
    yield _registry._RULES
    _registry._OTHERS.clear()
    _registry._RULES.clear()
    _registry._RULES.update(before)


def identity(layer: LayerCall) -> Value:
    """Nothing."""
    return layer.input


def test_a_rule_is_found_by_every_name_of_its_class(registry: dict[str, Any]) -> None:
    converts("Nothing", "Nought", examples=[example((3,))])(identity)
    for name in ("Nothing", "Nought"):
        rule = find(name)
        assert rule is not None
        assert (rule.name, rule.classes, rule.torch) == ("Nothing", ("Nothing", "Nought"), "Nothing.")
    assert [rule.name for rule in converts_all()].count("Nothing") == 1
    assert find("NoSuchLayer") is None


def test_a_class_has_one_rule(registry: dict[str, Any]) -> None:
    before = dict(registry)
    with pytest.raises(ValueError, match="Dense has a rule already, in core"):
        converts("Nothing", "Dense", examples=[example((3,))])(identity)
    assert registry == before


def test_a_plug_in_speaks_for_a_class_only_where_it_is_not_keras_own(registry: dict[str, Any]) -> None:
    ours = registry["LayerNormalization"]
    converts("LayerNormalization", examples=[example((3,))])(identity)
    assert registry["LayerNormalization"] is ours
    assert find("LayerNormalization", Generation.TF_KERAS, "2.15.0") is ours
    theirs = find("LayerNormalization", Generation.KERAS2, "2.2.4")
    assert theirs is not None
    assert theirs.custom
    with pytest.raises(ValueError, match="LayerNormalization has a rule already"):
        converts("LayerNormalization", examples=[example((3,))])(identity)


def test_a_rule_has_an_example(registry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the rule for Nothing has no example"):
        converts("Nothing", examples=[])(identity)
    assert "Nothing" not in registry


def test_a_rule_says_what_the_layer_becomes(registry: dict[str, Any]) -> None:
    def silent(layer: LayerCall) -> Value:
        return layer.input

    with pytest.raises(ValueError, match="does not say what the layer becomes"):
        converts("Nothing", examples=[example((3,))])(silent)
    assert "Nothing" not in registry


def test_every_rule_has_a_summary_a_family_and_examples() -> None:
    for rule in converts_all():
        assert rule.torch.endswith((".", "`"))
        assert rule.examples or rule.family == "ops"  # whose examples are those of the operations
        assert rule.function.__module__ == f"keras2torch.layers.{rule.family}"
        for each in rule.examples:
            assert each.shapes
            assert all(isinstance(extent, int) or extent is None for shape in each.shapes for extent in shape)


def test_rules_come_by_family_and_name() -> None:
    order = [(rule.family, rule.name) for rule in converts_all()]
    assert order == sorted(order)
    assert len(order) == len(set(order))


def test_examples_in_short() -> None:
    made = example((3, None), (4,), units=2, _masked=True, _inner=("LSTM", {"units": 1}))
    assert made == Example(((3, None), (4,)), {"units": 2}, masked=True, inner=("LSTM", {"units": 1}))
    with pytest.raises(TypeError):
        example((3,), _no_such_field=1)


# ------------------------------------------------------------------------------------- options that nobody has read


def translated(config: Config) -> Program:
    return translate(build_graph(config, Generation.TF_KERAS))


def dense(**options: Any) -> Config:
    return sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3], **options))


@pytest.mark.parametrize(
    "options",
    [
        {"surprise": 1},
        {"surprise": None},
        {"lora_rank": 4},
        {"use_bias": "yes"},
        {"activation": {"class_name": "Thing", "config": {}}},
        {"activation": {"class_name": "LeakyReLU", "config": {"alpha": 0.1, "surprise": 1}}},
    ],
)
def test_an_option_that_no_rule_has_read_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        translated(dense(**options))
    [reason] = caught.value.reasons
    assert (reason.layer, reason.class_name) == ("d", "Dense")
    assert reason.kind in ("unsupported-option", "unsupported-layer")


@pytest.mark.parametrize(
    "options",
    [
        {"trainable": False, "dtype": "float32"},
        {"kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}},
        {"kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}}, "bias_constraint": None},
        {"lora_rank": None, "quantization_config": None},
    ],
)
def test_options_without_effect_on_what_a_trained_layer_computes_are_not(options: dict[str, Any]) -> None:
    assert translated(dense(**options)).options_read["d"] >= {"units", "use_bias", "activation"}

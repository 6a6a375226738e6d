"""A check that cannot fail proves nothing: every fault planted in a right bundle must be caught, at its layer."""

from collections.abc import Mapping

import pytest

from keras2torch.sandbox import Sandbox
from tests.parity.fault_models import FAULT_MODELS
from tests.parity.planted_faults import FAULTS
from tests.parity.planting import PAGE, Planted, fault_of, learned_otherwise, plant_all, table

EVERY = [(model, fault.what) for model, faults in FAULTS.items() for fault in faults]
OF_LEARNING = [(model, what) for model, what in EVERY if fault_of(model, what).learning]
OF_LAYERS = [
    (model, what) for model, what in EVERY if fault_of(model, what).layer and (model, what) not in OF_LEARNING
]
OF_OUTPUTS = [(model, what) for model, what in EVERY if not fault_of(model, what).layer]


@pytest.fixture(scope="module")
def planted(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return plant_all(sandboxes, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("model", FAULT_MODELS)
def test_the_right_bundle_passes(model: str, planted: Planted) -> None:
    judged = planted.right[model]
    assert judged.report.passed, judged.report.failures
    assert judged.report.structure_error < 1e-12
    assert judged.report.warnings == []
    assert judged.plain  # or what it catches would be worth nothing


@pytest.mark.parametrize(("model", "what"), OF_LAYERS)
def test_a_fault_is_caught_at_its_layer(model: str, what: str, planted: Planted) -> None:
    report = planted.faulty[model, what].report
    assert not report.passed
    assert report.first_departure is not None
    assert report.first_departure.layer == fault_of(model, what).layer
    assert report.first_departure.error > 5 * report.structure_limit


@pytest.mark.parametrize(("model", "what"), OF_OUTPUTS)
def test_a_fault_of_the_outputs_is_caught(model: str, what: str, planted: Planted) -> None:
    report = planted.faulty[model, what].report
    assert not report.passed
    assert all(failure.startswith("output ") for failure in report.failures)


@pytest.mark.parametrize(("model", "what"), OF_LEARNING)
def test_a_fault_that_only_learning_shows_is_caught(model: str, what: str, planted: Planted) -> None:
    judged = planted.faulty[model, what]
    assert judged.plain
    assert judged.report.first_departure is None, "inference shows it already"
    kind, figures = learned_otherwise(judged.report)
    assert figures is not None
    assert (kind, figures.name) == (fault_of(model, what).learning, fault_of(model, what).layer)
    assert not judged.report.passed


HINTS = {
    # Of some faults, a word that the likely cause must hold.
    ("menagerie", "padding on the wrong side"): "padding",
    ("menagerie", "epsilon a thousandth off"): "epsilon",
    ("menagerie", "slope a millionth off"): "slope",
    ("menagerie", "LSTM gates swapped"): "order of the gates",
    ("menagerie", "nearest for bilinear"): "interpolation",
    ("menagerie", "transposed convolution cropped in front"): "cropped on the wrong side",
    ("menagerie", "transposed convolution cropped too little"): "how much is cropped",
    ("menagerie", "sigmoid for softmax"): "the activation (softmax)",
    ("pictures", "flattened channels last"): "flattened in another order",
    ("sequences", "causal mask ignored"): "causal mask",
    ("sequences", "branches joined in another order"): "order",
    ("sequences", "a step masked by any of its numbers"): "only where steps are masked",
    ("vectors", "softmax over the last axis"): "axis",
    ("vectors", "boundary belongs to the lower bin"): "boundary",
}


@pytest.mark.parametrize("fault", HINTS)
def test_the_likely_cause_is_among_those_named(fault: tuple[str, str], planted: Planted) -> None:
    departure = planted.faulty[fault].report.first_departure
    assert departure is not None
    assert HINTS[fault] in departure.likely_cause


def test_a_departure_shows_the_options_of_its_layer(planted: Planted) -> None:
    departure = planted.faulty["menagerie", "torch's own epsilon"].report.first_departure
    assert departure is not None
    assert departure.options["epsilon"] == 1e-3
    assert any("epsilon=0.001" in line for line in departure.details())


def test_the_page_shows_this_run(planted: Planted) -> None:
    page = PAGE.read_text(encoding="utf-8")
    # All but the figures, which a machine may round otherwise.
    for line in _without_figures(table(planted)):
        assert line in _without_figures(page), "make faults"


def _without_figures(text: str) -> list[str]:
    return [
        "|".join(cell for number, cell in enumerate(line.split("|")) if number != 3)
        for line in text.splitlines()
    ]

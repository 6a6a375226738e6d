"""What only learning shows: a step in training mode, and gradients, of inputs and weights."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from keras2torch import convert
from keras2torch.bundle import read_manifest
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox

MODELS = {
    "convolutional": "keras",
    "wrapped": "tf_keras",
    "grouped": "keras",
    "masked_norms": "keras",
}


@pytest.fixture(scope="module")
def sources(sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("learning")
    for model, library in MODELS.items():
        outcome = sandboxes[library].run(
            "tests.parity.keras_models:save",
            {"library": library, "model": model, "path": str(folder / f"{model}.h5")},
            workdir=folder,
        )
        assert outcome.ok, outcome.log_tail
    return {model: folder / f"{model}.h5" for model in MODELS}


@pytest.mark.parametrize(
    ("model", "statistics"),
    [
        ("convolutional", {"norm.running_mean", "norm.running_var"}),
        # In a wrapper, and in a nested model that has frozen weights.
        ("wrapped", {"each.running_mean", "each.running_var"}),
        ("grouped", set()),
        (
            "masked_norms",
            {f"{norm}.running_{which}" for norm in ("norm", "steps", "plain") for which in ("mean", "var")},
        ),
    ],
)
def test_a_right_bundle_learns_as_keras_does(
    model: str, statistics: set[str], sources: dict[str, Path], tmp_path: Path, verifier: Verifier
) -> None:
    bundle = convert(sources[model], tmp_path / "bundle").path
    report = verifier.verify(bundle, sources[model], training=True, gradients=True)
    assert report.passed, report.failures
    assert report.warnings == []
    assert {figures.name for figures in report.training} >= {"output-0", *statistics}
    assert {figures.name for figures in report.gradients} == {
        *([] if model == "masked_norms" else ["input-0"]),
        *_parameters(bundle),
    }
    assert max(figures.structure.error for figures in report.gradients) < 1e-12


def _parameters(bundle: Path) -> set[str]:
    """The tensors of the bundle that have gradients, and a weight of Keras's behind them."""
    return {
        entry["torch"]
        for entry in read_manifest(bundle)["weights"]
        if entry["keras"] and "running" not in entry["torch"]
    }

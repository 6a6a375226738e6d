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
            {f"{norm}.running_{which}" for norm in ("steps", "plain") for which in ("mean", "var")},
        ),
    ],
)
def test_a_right_bundle_learns_as_keras_does(
    model: str, statistics: set[str], sources: dict[str, Path], tmp_path: Path, verifier: Verifier
) -> None:
    bundle = convert(sources[model], tmp_path / "bundle").path
    report = verifier.verify(bundle, sources[model], training=True, gradients=True)
    assert report.passed, report.failures
    shared = "norm.running_mean, norm.running_var"  # by two calls, of which either may come last
    assert [warning.rpartition(": ")[2] for warning in report.warnings] == (
        [shared] if model == "masked_norms" else []
    )
    # A step is compared on every weight, frozen or not, and on what Keras does not have at all.
    assert {figures.name for figures in report.training} >= {"output-0", *statistics, *_parameters(bundle)}
    assert max(figures.structure.error for figures in report.training) < 1e-12
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


def test_what_keras_does_not_train_must_not_move(
    sources: dict[str, Path], tmp_path: Path, verifier: Verifier
) -> None:
    bundle = convert(sources["masked_norms"], tmp_path / "bundle").path
    text = (bundle / "model.py").read_text()
    assert text.count("requires_grad_(False)") == 2
    (bundle / "model.py").write_text(text.replace("requires_grad_(False)", "requires_grad_(True)"))
    report = verifier.verify(bundle, sources["masked_norms"], training=True)
    assert report.first_departure is None, "inference shows it already"
    moved = {figures.name for figures in report.training if not figures.structure.passed}
    assert moved == {"lstm.bias_hh_l0", "frozen.weight", "frozen.bias"}

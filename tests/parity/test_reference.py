"""The reference, against what the libraries themselves say of models they built themselves."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch.parity.arrays import write_arrays
from keras2torch.sandbox import Outcome, Sandbox
from tests.parity.keras_models import BUILDERS, CHANNELS_FIRST

LIBRARIES = ["keras", "tf_keras"]


def build(
    sandboxes: dict[str, Sandbox], library: str, folder: Path, function: str = "build_and_run", **more: Any
) -> None:
    outcome = sandboxes[library].run(
        f"tests.parity.keras_models:{function}",
        {"library": library, "folder": str(folder), **more},
        workdir=folder,
    )
    assert outcome.ok, outcome.log_tail


def run_reference(sandboxes: dict[str, Sandbox], library: str, folder: Path) -> Outcome:
    return sandboxes[library].run(
        "keras2torch.parity.reference:run_reference", {"workdir": str(folder)}, workdir=folder
    )


def error(expected: Any, actual: Any) -> float:
    assert expected.shape == actual.shape
    return float(np.max(np.abs(expected - actual)) / np.max(np.abs(expected)))


@pytest.mark.parametrize("library", LIBRARIES)
# A hundred layers in a row show nothing more here, and every one is asked for its truth.
@pytest.mark.parametrize("model", [name for name in BUILDERS if name != "long_names"])
def test_the_rebuilt_model_computes_the_same(
    library: str, model: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model=model)
    outcome = run_reference(sandboxes, library, tmp_path)
    assert outcome.ok, outcome.log_tail
    truth = np.load(tmp_path / "truth.npz")
    exact, rounded = np.load(tmp_path / "expected64" / "a.npz"), np.load(tmp_path / "expected32" / "a.npz")
    assert outcome.result["cases"]["a"]["outputs"] == sum(key.startswith("output") for key in truth)
    for key in truth:
        assert exact[key].dtype == np.float64
        shape = exact[f"{key}@shape"] if f"{key}@shape" in exact else exact[key].shape
        assert error(truth[key], exact[key].reshape(shape)) <= 1e-14, key
        if key.startswith("output"):
            assert rounded[key].dtype == np.float32
            assert 0 < error(truth[key], rounded[key]) < 1e-5, key


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("layer", CHANNELS_FIRST)
def test_channels_first_runs_on_a_cpu(
    library: str, layer: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, "build_channels_first", layer=layer)
    outcome = run_reference(sandboxes, library, tmp_path)
    assert outcome.ok, outcome.log_tail
    assert outcome.result["cases"]["a"]["traces"] == [["l", 0]]
    truth, exact = np.load(tmp_path / "truth.npz"), np.load(tmp_path / "expected64" / "a.npz")
    assert error(truth["output-0"], exact["output-0"]) <= 1e-14


@pytest.mark.parametrize("library", LIBRARIES)
def test_calls_are_numbered_as_in_the_configuration(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="shared")
    traces = run_reference(sandboxes, library, tmp_path).result["cases"]["a"]["traces"]
    assert sorted(map(tuple, traces)) == [("d", 0), ("d", 1), ("e", 0), ("e", 1), ("sum", 0)]
    arrays = np.load(tmp_path / "expected64" / "a.npz")
    weights, case = np.load(tmp_path / "weights.npz"), np.load(tmp_path / "cases" / "a.npz")
    early = case["1"] @ weights["d:0"] + weights["d:1"]
    assert error(early.reshape(-1), arrays["layer-d:1"]) < 1e-14
    assert error(early.reshape(-1), arrays["layer-d:0"]) > 1e-2


@pytest.mark.parametrize("library", LIBRARIES)
def test_layers_of_nested_models_are_seen_at_every_call(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="nested")
    traces = run_reference(sandboxes, library, tmp_path).result["cases"]["a"]["traces"]
    calls = {path: sorted(call for seen, call in traces if seen == path) for path, _ in traces}
    assert calls["stem/block/frozen"] == calls["stem/block/norm"] == [0, 1, 2, 3]
    assert calls["stem/out"] == [0, 1]
    assert calls["tail/last"] == [0]
    assert not any("stem" in path and path.count("/") == 0 for path in calls)


@pytest.mark.parametrize("library", LIBRARIES)
def test_traces_keep_within_their_budget(library: str, sandboxes: dict[str, Sandbox], tmp_path: Path) -> None:
    build(sandboxes, library, tmp_path, model="dense", trace_bytes=3 * 4 * 8 + 1)
    outcome = run_reference(sandboxes, library, tmp_path)
    assert len(outcome.result["cases"]["a"]["traces"]) == 1
    assert "output-0" in np.load(tmp_path / "expected64" / "a.npz")


def change(folder: Path, **values: Any) -> None:
    path = folder / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_that_do_not_fit_are_told_by_layer(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="shared")
    for weights, message in (
        ({"d": ["d:0"], "e": ["e:0", "e:1"]}, "d: Keras has 2 weights, the file 1"),
        ({"d": ["d:1", "d:0"], "e": ["e:0", "e:1"]}, "d: "),
        (
            {"d": ["d:0", "d:1"], "e": ["e:0", "e:1"], "f": ["e:0"]},
            "weights for layers that Keras does not have: f",
        ),
    ):
        change(tmp_path, weights=weights)
        outcome = run_reference(sandboxes, library, tmp_path)
        assert outcome.error is not None
        assert outcome.error["kind"] == "reference-failed"
        assert message in outcome.error["message"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_only_cases_that_may_be_are_refused(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="convolutional")
    write_arrays(tmp_path / "cases" / "b.npz", {"0": np.zeros((1, 2, 2, 3))})
    case = {"name": "b", "trace_bytes": 0, "last_resort": False}
    change(tmp_path, cases=[{**case, "may_be_refused": True}])
    assert "refused" in run_reference(sandboxes, library, tmp_path).result["cases"]["b"]
    change(tmp_path, cases=[{**case, "may_be_refused": False, "last_resort": False}])
    outcome = run_reference(sandboxes, library, tmp_path)
    assert outcome.error is not None
    assert outcome.error["kind"] == "reference-failed"


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_last_resort_is_run_only_if_all_else_was_refused(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="dense")
    write_arrays(tmp_path / "cases" / "bad.npz", {"0": np.zeros((1, 9))})
    write_arrays(tmp_path / "cases" / "last.npz", {"0": np.zeros((1, 5))})
    good = {"name": "a", "trace_bytes": 0, "last_resort": False, "may_be_refused": True}
    bad, last = {**good, "name": "bad"}, {**good, "name": "last", "last_resort": True}
    change(tmp_path, cases=[bad, good, last])
    assert set(run_reference(sandboxes, library, tmp_path).result["cases"]) == {"a", "bad"}
    change(tmp_path, cases=[bad, last])
    assert run_reference(sandboxes, library, tmp_path).result["cases"]["last"]["outputs"] == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_a_dense_layer_hands_to_its_activation_is_seen(
    library: str, sandboxes: dict[str, Sandbox], tmp_path: Path
) -> None:
    build(sandboxes, library, tmp_path, model="convolutional")
    answer = run_reference(sandboxes, library, tmp_path).result["cases"]["a"]
    assert answer["logits"] == [["head", 0]]
    arrays = np.load(tmp_path / "expected64" / "a.npz")
    logits = arrays["logits-head:0"].reshape(arrays["logits-head:0@shape"])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    assert error(softmax.reshape(-1), arrays["layer-head:0"]) < 1e-14

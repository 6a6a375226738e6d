"""The verdict, on arrays made for the purpose: each way to be wrong must fail, and being right must pass."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch.parity.arrays import write_arrays
from keras2torch.parity.compare import compare, deployment_limit
from keras2torch.parity.report import ParityReport
from tests.parity.judging import CPU

LAYERS = ["conv", "norm", "dense"]


class Run:
    """A finished run of reference and candidate, right to the last digit, for a test to damage and then
    judge.
    """

    def __init__(self, folder: Path, cases: int = 2) -> None:
        self.folder = folder
        rng = np.random.default_rng(0)
        names = [f"case{n}" for n in range(cases)]
        self.plan: dict[str, Any] = {
            "cases": [{"name": name, "description": "random"} for name in names],
            "float32_constants": [],
            "given": [],
            "constructed": [],
            "depth": 4,
            "options": {"norm": {"epsilon": 1e-3}},
            "changed_files": [],
            "rounded_to": None,
            "fused": [],
        }
        self.manifest: dict[str, Any] = {
            "outputs": [{"name": "first", "axes": None}, {"name": "second", "axes": None}],
            "layers": [
                {
                    "keras_name": name,
                    "keras_class": name.title(),
                    "torch_name": name,
                    "outputs": [{"call": 0, "module": "", "line": 1, "axes": None}],
                }
                for name in LAYERS
            ],
        }
        traces = [[name, 0] for name in LAYERS]
        self.expected: dict[str, Any] = {
            "library": "keras",
            "versions": {"keras": "3"},
            "cases": {
                name: {"traces": list(traces), "logits": [["dense", 0]], "outputs": 2} for name in names
            },
        }
        self.actual: dict[str, Any] = {
            "device_facts": asdict(CPU),
            "versions": {"torch": "2"},
            "cases": {name: {"outputs": 2} for name in names},
        }
        self.arrays: dict[str, dict[str, Any]] = {}
        for name in names:
            exact = {f"output-{n}": rng.normal(size=(3, 4)) * 10 for n in range(2)}
            for key in (*(f"layer-{layer}:0" for layer in LAYERS), "logits-dense:0"):
                exact |= {key: rng.normal(size=15), f"{key}@shape": np.array([3, 5])}
            single = {
                key: value.astype(np.float32) for key, value in exact.items() if key.startswith("output")
            }
            for side, values in (
                ("expected64", exact),
                ("actual64", exact),
                ("expected32", single),
                ("actual32", single),
            ):
                self.arrays[f"{side}/{name}"] = {key: value.copy() for key, value in values.items()}

    def __getitem__(self, file: str) -> dict[str, Any]:
        return self.arrays[file]

    def judge(self) -> ParityReport:
        for name in ("plan", "expected", "actual", "manifest"):
            (self.folder / f"{name}.json").write_text(json.dumps(getattr(self, name)))
        for file, arrays in self.arrays.items():
            path = self.folder / f"{file}.npz"
            path.parent.mkdir(exist_ok=True)
            write_arrays(path, arrays)
        return compare(self.folder, self.folder)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_equal_passes(run: Run) -> None:
    report = run.judge()
    assert report.passed
    assert report.structure_error == 0.0
    assert 0 < report.deployment_error < 1e-7
    assert [f.title for f in report.layers] == ["conv", "norm", "dense before its activation", "dense"]
    assert report.first_departure is None
    assert report.warnings == []


def test_double_rounding_passes(run: Run) -> None:
    run["actual64/case0"]["output-0"] *= 1 + 1e-13
    run["actual64/case0"]["layer-norm:0"] *= 1 - 1e-13
    assert run.judge().passed


def test_a_small_error_in_one_element_fails(run: Run) -> None:
    run["actual64/case1"]["output-1"][1, 2] += 1e-6
    report = run.judge()
    assert not report.passed
    assert "output second, float64" in report.failures[0]
    assert "case1" in report.failures[0]


def test_a_layer_that_departs_fails_even_if_the_outputs_agree(run: Run) -> None:
    """A saturated softmax or a deep net may swallow what a layer does wrong."""
    run["actual64/case0"]["layer-norm:0"] += 1e-4
    run["actual64/case0"]["layer-dense:0"] += 1e-3
    report = run.judge()
    assert not report.passed
    departure = report.first_departure
    assert departure is not None
    assert (departure.layer, departure.class_name, departure.last_good) == ("norm", "Norm", "conv")
    assert "norm (Norm)" in str(departure)


def test_what_a_saturated_activation_hides_is_seen_before_it(run: Run) -> None:
    run["actual64/case0"]["logits-dense:0"] += 1e-4
    report = run.judge()
    assert report.failures[0].startswith("layer dense before its activation: error")
    assert report.first_departure is not None
    assert (report.first_departure.layer, report.first_departure.last_good) == ("dense", "norm")


def test_a_layer_of_another_shape_fails_even_with_equal_elements(run: Run) -> None:
    run["actual64/case0"]["layer-norm:0@shape"] = np.array([5, 3])
    assert "layer norm: shape (5, 3) instead of (3, 5)" in run.judge().failures[0]


def test_swapped_outputs_fail(run: Run) -> None:
    for file in ("actual64/case0", "actual32/case0", "actual64/case1", "actual32/case1"):
        arrays = run[file]
        arrays["output-0"], arrays["output-1"] = arrays["output-1"], arrays["output-0"]
    report = run.judge()
    assert len(report.failures) == 4


@pytest.mark.parametrize("side", ["actual64", "actual32"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_of_our_own_fail(run: Run, side: str, value: float) -> None:
    run[f"{side}/case0"]["output-0"][0, 0] = value
    report = run.judge()
    assert not report.passed
    assert "NaN or infinity in other places" in report.failures[0]
    json.dumps(report.as_json(), allow_nan=False)


def test_nan_in_the_same_places_passes_and_elsewhere_fails(run: Run) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        run[f"{side}/case0"]["output-0"][0, 0] = np.nan
        run[f"{side}/case0"]["output-1"][:] = np.nan  # a mask that hides everything
    assert run.judge().passed
    run["actual64/case0"]["output-0"][0, 0] = 1.0
    assert not run.judge().passed


def test_the_sign_of_infinity_counts(run: Run) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        run[f"{side}/case0"]["output-0"][0, 0] = np.inf
    assert run.judge().passed
    run["actual64/case0"]["output-0"][0, 0] = -np.inf
    assert not run.judge().passed


def test_what_overflows_in_keras_float32_may_overflow_in_ours(run: Run) -> None:
    run["expected32/case0"]["output-0"][0, 0] = np.inf
    assert not run.judge().passed
    run["actual32/case0"]["output-0"][0, 0] = np.inf
    assert run.judge().passed


def test_a_wrong_shape_fails_even_where_it_would_broadcast(run: Run) -> None:
    run["actual64/case0"]["output-0"] = run["actual64/case0"]["output-0"][:1]
    report = run.judge()
    assert "shape (1, 4) instead of (3, 4)" in report.failures[0]


def test_a_missing_output_fails(run: Run) -> None:
    for side in ("actual64", "actual32"):
        for case in ("case0", "case1"):
            del run[f"{side}/{case}"]["output-1"]
    run.actual["cases"] = {name: {"outputs": 1} for name in run.actual["cases"]}
    report = run.judge()
    assert [failure for failure in report.failures if "output second" in failure and "missing" in failure]


def test_an_output_too_many_fails(run: Run) -> None:
    for side in ("actual64", "actual32"):
        for case in ("case0", "case1"):
            run[f"{side}/{case}"]["output-2"] = np.zeros((3, 4))
    run.actual["cases"] = {name: {"outputs": 3} for name in run.actual["cases"]}
    report = run.judge()
    assert [failure for failure in report.failures if "Keras has no such output" in failure]


def test_a_manifest_that_hides_an_output_fails(run: Run) -> None:
    run.manifest["outputs"].pop()
    run["actual64/case0"]["output-1"] += 1
    assert not run.judge().passed


def test_a_case_that_the_candidate_did_not_run_fails(run: Run) -> None:
    del run.actual["cases"]["case1"]
    for side in ("actual64", "actual32"):
        run[f"{side}/case1"].clear()
    assert not run.judge().passed


def test_a_place_that_was_never_passed_fails(run: Run) -> None:
    for case in ("case0", "case1"):
        del run[f"actual64/{case}"]["layer-norm:0"]
    report = run.judge()
    assert "layer norm: missing" in report.failures[0]


def test_a_layer_without_a_place_is_counted(run: Run) -> None:
    run.manifest["layers"][1]["outputs"] = []
    report = run.judge()
    assert report.passed
    assert {f.layer for f in report.layers} == {"conv", "dense"}
    assert report.layers_not_visible == 1


def test_errors_are_relative_to_scale(run: Run) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        for case in ("case0", "case1"):
            run[f"{side}/{case}"]["output-0"] *= np.float32(1e-6)
    assert run.judge().passed
    run["actual64/case0"]["output-0"][0, 0] += 1e-11  # small, but a millionth of this tensor
    assert not run.judge().passed


def test_a_tensor_near_zero_in_one_case_is_measured_by_the_others(run: Run) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        run[f"{side}/case0"]["output-0"][:] = 0
    run["actual64/case0"]["output-0"][0, 0] = 1e-15
    assert run.judge().passed
    run["actual64/case0"]["output-0"][0, 0] = 1e-9
    assert not run.judge().passed


def test_a_tensor_that_is_always_zero_must_stay_so_and_is_pointed_out(run: Run) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        for case in ("case0", "case1"):
            run[f"{side}/{case}"]["output-0"][:] = 0
    report = run.judge()
    assert report.passed
    assert "zero in every case" in report.warnings[0]
    run["actual64/case0"]["output-0"][0, 0] = 1e-6
    assert not run.judge().passed


def test_float32_is_held_to_keras_own_rounding(run: Run) -> None:
    scale = np.abs(run["expected64/case0"]["output-0"]).max()
    at_most = 64 * 2**-24 * 2  # depth 4
    run["actual32/case0"]["output-0"] += np.float32(0.9 * at_most * scale)
    assert run.judge().passed
    run["actual32/case0"]["output-0"] += np.float32(0.3 * at_most * scale)
    report = run.judge()
    assert [failure.split(":")[0] for failure in report.failures] == ["output first, float32"]
    assert report.first_departure is None


def test_a_loss_that_keras_shares_is_a_warning(run: Run) -> None:
    scale = np.abs(run["expected64/case0"]["output-0"]).max()
    run["expected32/case0"]["output-0"] += np.float32(2e-5 * scale)
    run["actual32/case0"]["output-0"] -= np.float32(5e-5 * scale)
    report = run.judge()
    assert report.passed
    assert "output first: float32 is off by 5.0e-05" in report.warnings[0]


@pytest.mark.parametrize(
    ("own", "likely", "limit"),
    [
        (0.0, 0.0, 64 * 2**-24 * 2),  # rounding by itself
        (1e-6, 1e-6, 8e-6),
        (1e-9, 1e-6, 8e-6),  # lucky in this case
        (1e-5, 1e-5, 8e-5),
        (2e-5, 2e-5, 1e-4),  # the ceiling
        (1e-9, 1e-3, 1e-4),
        (1e-3, 1e-3, 4e-3),  # an input that Keras itself cannot compute well
    ],
)
def test_float32_is_limited_by_what_keras_loses(own: float, likely: float, limit: float) -> None:
    assert deployment_limit(own, likely, depth=4) == pytest.approx(limit)


@pytest.mark.parametrize(("larger", "passes"), [(10, True), (1000, False)])
def test_luck_of_keras_in_one_case_is_evened_by_cases_of_like_scale(
    run: Run, larger: float, passes: bool
) -> None:
    for side in ("expected64", "expected32", "actual64", "actual32"):
        run[f"{side}/case1"]["output-0"] *= np.float32(larger)
    scale = np.abs(run["expected64/case0"]["output-0"]).max()
    run["expected32/case1"]["output-0"] += np.float32(1e-5 * scale)
    run["actual32/case0"]["output-0"] += np.float32(5e-5 * scale)
    assert run.judge().passed is passes


def test_the_wider_limit_is_only_for_float32_constants_and_says_so(run: Run) -> None:
    run["actual64/case0"]["output-0"] *= 1 + 1e-7
    assert not run.judge().passed
    run.plan["float32_constants"] = ["rescaling"]
    report = run.judge()
    assert report.passed
    assert report.structure_limit == 2e-7
    assert "rescaling" in (report.structure_limit_reason or "")


def test_refused_cases_are_skipped_unless_all_are(run: Run) -> None:
    run.expected["cases"]["case0"] = {"refused": "too small", "traces": [], "logits": []}
    del run.actual["cases"]["case0"]
    report = run.judge()
    assert report.passed
    assert [case.refused for case in report.cases] == ["too small", None]
    run.expected["cases"]["case1"] = {"refused": "too small", "traces": [], "logits": []}
    report = run.judge()
    assert not report.passed
    assert "nothing was compared" in report.failures[0]


def test_the_json_is_the_same_every_time_and_knows_no_clock(run: Run) -> None:
    first, second = run.judge(), run.judge()
    assert json.dumps(first.as_json()) == json.dumps(second.as_json())
    assert "timings" not in first.as_json()
    first.write(run.folder / "parity.json")
    assert json.loads((run.folder / "parity.json").read_text())["verdict"] == "passed"
    assert not list(run.folder.glob(".parity*"))


def test_logits_of_other_layers_than_dense_ones_count_where_they_show(run: Run) -> None:
    """A Conv2D may end in a softmax too; whether that stands by itself is up to the emitted code."""
    for name in ("case0", "case1"):
        run.expected["cases"][name]["logits"].append(["conv", 0])
        exact = {"logits-conv:0": np.arange(15.0), "logits-conv:0@shape": np.array([3, 5])}
        run[f"expected64/{name}"].update(exact)
    report = run.judge()
    assert report.passed
    assert "conv before its activation" not in [f.title for f in report.layers]
    for name in ("case0", "case1"):
        wrong = {"logits-conv:0": np.arange(15.0) + 1e-3, "logits-conv:0@shape": np.array([3, 5])}
        run[f"actual64/{name}"].update(wrong)
    report = run.judge()
    assert report.failures[0].startswith("layer conv before its activation: error")


@pytest.mark.parametrize(
    "setting", [{"tf32_matmul": True}, {"tf32_cudnn": True}, {"float32_matmul_precision": "high"}]
)
def test_a_gpu_that_rounded_more_than_float32_does_is_told(run: Run, setting: dict[str, Any]) -> None:
    gpu = {"device": "cuda", "name": "Some GPU", "deterministic": "where possible", "cuda": "13", "cudnn": 9}
    run.actual["device_facts"] |= gpu
    report = run.judge()
    assert (report.device, report.warnings) == ("Some GPU", [])
    assert report.extent.endswith("on Some GPU, TensorFloat-32 off")
    assert report.as_json()["device_facts"]["tf32_cudnn"] is False
    run.actual["device_facts"] |= setting
    report = run.judge()
    assert "TensorFloat-32" in report.warnings[0]
    assert report.extent.endswith("TensorFloat-32 ON")

"""The candidate, on a bundle written by hand: what is observed is what the module computed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch.parity.arrays import write_arrays
from keras2torch.sandbox import Outcome, Sandbox

MODEL = """\
import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.constant_(self.conv.weight, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        y: Tensor = x * 2
        y += 1
        return y / 4


class Split(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        def half(x):
            z = x / 2
            return z

        return half(x), x * 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.stages = nn.ModuleList([Block(), Block()])
        self.split = Split()
        self.head = nn.Linear(3, 1)
        nn.init.constant_(self.head.weight, -1.0)
        nn.init.constant_(self.head.bias, 0.5)

    def forward(self, x: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        x = self.block(self.block(x))
        for stage in self.stages:
            x = stage(x)
        low, high = self.split(x)
        _, third = low, high
        shares = torch.softmax(low, dim=1)
        scores = self.head(low.mean(dim=(2, 3))).relu()
        return low.flatten(1), ids + high.sum().long()


def load_model(weights=None, *, device="cpu", dtype=torch.float32):
    torch.manual_seed(0)
    return Net().to(device=device, dtype=dtype).eval()
"""


def line_of(text: str) -> int:
    """Number of the only line that holds `text`."""
    (number,) = [n for n, line in enumerate(MODEL.splitlines(), 1) if text in line]
    return number


def place(call: int, module: str, text: str | None, axes: list[int] | None = None) -> dict[str, Any]:
    return {"call": call, "module": module, "line": line_of(text) if text else None, "axes": axes}


TO_FIRST = [0, 3, 1, 2]
HEAD = place(0, "", "scores = self.head")
LAYERS = {
    "conv": [
        place(0, "block", "x = self.conv(x)", TO_FIRST),
        place(1, "block", "x = self.conv(x)", TO_FIRST),
    ],
    "double": [place(0, "block", "y: Tensor = x * 2", TO_FIRST)],
    "more": [place(0, "block", "y += 1", TO_FIRST), place(1, "block", "y += 1", TO_FIRST)],
    "stage": [place(0, "stages.1", "return y / 4", TO_FIRST)],
    "stage_module": [place(0, "stages.1", None, TO_FIRST)],
    "split": [place(0, "", "low, high = self.split(x)", TO_FIRST)],
    "second": [place(0, "", "_, third = low, high", TO_FIRST)],
    "shares": [place(0, "", "shares = torch.softmax", TO_FIRST)],
    "never": [place(0, "stages.7", "y += 1")],
}


@pytest.fixture
def run(sandboxes: dict[str, Sandbox], tmp_path: Path) -> Any:
    def run(model: str = MODEL, **expected: Any) -> Outcome:
        bundle, workdir = tmp_path / "bundle", tmp_path / "work"
        for folder in (bundle, workdir, workdir / "cases"):
            folder.mkdir(exist_ok=True)
        (bundle / "model.py").write_text(model)
        manifest = {
            "inputs": [{"dtype": "float32", "axes": TO_FIRST}, {"dtype": "int64", "axes": None}],
            "outputs": [{"axes": None}, {"axes": None}],
            "layers": [
                {"keras_name": "head", "keras_class": "Dense", "torch_name": "head", "outputs": [HEAD]},
                *(
                    {"keras_name": name, "keras_class": "Conv2D", "torch_name": None, "outputs": places}
                    for name, places in LAYERS.items()
                ),
            ],
        }
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        case = {
            "0": np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype("float32"),
            "1": np.array([1, 2], "int32"),
        }
        write_arrays(workdir / "cases" / "a.npz", case)
        traces = [["head", 0], *([name, place["call"]] for name in LAYERS for place in LAYERS[name])]
        answer = {
            "cases": {
                "a": {"traces": traces, "logits": [["head", 0], ["shares", 0]], "outputs": 2},
                **expected,
            }
        }
        (workdir / "expected.json").write_text(json.dumps(answer))
        return sandboxes["torch"].run(
            "keras2torch.parity.candidate:run_candidate",
            {"workdir": str(workdir), "bundle": str(bundle), "device": "cpu"},
            workdir=workdir,
            readable=[bundle],
        )

    return run


def test_every_place_is_observed_in_keras_axes(run: Any, tmp_path: Path) -> None:
    outcome = run(b={"refused": "too small"})
    assert outcome.ok, outcome.log_tail
    assert outcome.result["cases"] == {"a": {"outputs": 2}}
    facts = outcome.result["device_facts"]
    assert {facts[key] for key in ("tf32_matmul", "tf32_cudnn")} == {False}
    assert (facts["name"], facts["threads"], facts["deterministic"]) == ("cpu", 1, "yes")
    seen = np.load(tmp_path / "work" / "actual64" / "a.npz")

    def conv(x: Any) -> Any:
        return np.repeat(x.sum(axis=-1, keepdims=True), 3, axis=-1)

    def block(x: Any) -> Any:
        return (conv(x) * 2 + 1) / 4

    x = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3).astype("float64")
    once, twice = block(x), block(block(x))
    last = block(block(twice))
    truth = {
        "layer-conv:0": conv(x),
        "layer-conv:1": conv(once),
        "layer-double:0": conv(x) * 2,
        "layer-more:0": conv(x) * 2 + 1,
        "layer-more:1": conv(once) * 2 + 1,
        "layer-stage:0": last,
        "layer-stage_module:0": last,
        "layer-split:0": last / 2,
        "layer-head:0": np.zeros((2, 1)),
        "logits-head:0": 0.5 - (last / 2).mean(axis=(1, 2)).sum(axis=-1, keepdims=True),
        "layer-second:0": last * 3,
        "layer-shares:0": np.full_like(last, 1 / 3),
        "logits-shares:0": last / 2,
        "output-0": (last / 2).transpose(0, 3, 1, 2).reshape(2, -1),
        "output-1": np.array([1, 2]) + int((last * 3).sum()),
    }
    assert {key for key in seen if not key.endswith("@shape")} == set(truth)
    for key, value in truth.items():
        shape = tuple(seen.get(f"{key}@shape", seen[key].shape))
        assert shape == value.shape, key
        np.testing.assert_allclose(seen[key].reshape(shape), value, rtol=1e-12, err_msg=key)
    rounded = np.load(tmp_path / "work" / "actual32" / "a.npz")
    assert set(rounded) == {"output-0", "output-1"}
    assert rounded["output-0"].dtype == np.float32


def test_the_bundle_is_not_written_to(run: Any, tmp_path: Path) -> None:
    assert run().ok
    assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == ["manifest.json", "model.py"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("class Net(", "class Net)("), "invalid syntax"),
        (("nn.Conv2d(3, 3, 1", "nn.Conv2d(4, 3, 1"), "to have 4 channels, but got 3"),
        (("return low.flatten(1), ids", "return 1, ids"), "expected a tensor, found int"),
    ],
)
def test_a_broken_bundle_is_an_error(run: Any, change: tuple[str, str], message: str) -> None:
    outcome = run(MODEL.replace(*change))
    assert outcome.error is not None
    assert message in outcome.error["message"].replace("unmatched ')'", "invalid syntax")

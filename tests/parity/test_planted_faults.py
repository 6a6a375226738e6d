"""A check that cannot fail proves nothing: every fault planted in a right bundle must be caught, at its layer."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from keras2torch import convert
from keras2torch.parity.compare import compare
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import ParityReport
from keras2torch.sandbox import Sandbox

Weights = dict[str, NDArray[Any]]

CODE: dict[str, tuple[str, str, str]] = {
    # name: what to replace in model.py (a regular expression, found once), what by, the layer that departs
    "padding on the wrong side": (r"F\.pad\(picture, \(1, 1, 0, 1\)\)", "F.pad(picture, (1, 1, 1, 0))", "conv"),
    "padding on the wrong axis": (r"F\.pad\(picture, \(1, 1, 0, 1\)\)", "F.pad(picture, (0, 1, 1, 1))", "conv"),
    "reflecting padding": (r"\(1, 1, 0, 1\)\)", '(1, 1, 0, 1), mode="reflect")', "conv"),
    "torch's own epsilon": (r"eps=0\.001", "eps=1e-5", "norm"),
    "epsilon a thousandth off": (r"eps=0\.001", "eps=0.001001", "norm"),
    "training mode": (r"dtype=dtype\)\.eval\(\)", "dtype=dtype)", "norm"),
    "no normalization": (r"x = self\.norm\(x\)", "x = x * 1", "norm"),
    "the other gelu": (r"F\.gelu\(x\)", 'F.gelu(x, approximate="tanh")', "gelu"),
    "silu for gelu": (r"F\.gelu\(x\)", "F.silu(x)", "gelu"),
    "pool padded with zeros": (r', value=float\("-inf"\)', "", "maxpool"),
    "pool padded in front": (r"\(0, 1, 0, 1\)", "(1, 0, 1, 0)", "maxpool"),
    "mean for maximum": (r"nn\.MaxPool2d\(2\)", "nn.AvgPool2d(2)", "maxpool"),
    "aligned corners": (r'mode="bilinear"', 'mode="bilinear", align_corners=True', "up"),
    "nearest for bilinear": (r'mode="bilinear"', 'mode="nearest"', "up"),
    "bicubic for bilinear": (r'mode="bilinear"', 'mode="bicubic"', "up"),
    "maximum for mean": (r"x\.mean\(dim=\(2, 3\)\)", "x.amax(dim=(2, 3))", "pool"),
    "mean over batch": (r"x\.mean\(dim=\(2, 3\)\)", "(x.mean(dim=(2, 3)) + 0 * x.mean()).roll(1, 0)", "pool"),
    "ids off by one": (r"self\.embed\(words\)", "self.embed((words + 1) % 11)", "embed"),
    "no mask": (r"words != 0", "words >= 0", "both"),
    "mask of another id": (r"words != 0", "words != 1", "both"),
    "masked steps not zeroed": (r"(both_forward, \w, mask), zero_masked=True", r"\1", "both"),
    "backward half not turned back": (r"zero_masked=True\)\.flip\(1\)", "zero_masked=True)", "both"),
    "backward half not reversed": (r"y\.flip\(1\), mask\.flip\(1\)", "y, mask", "both"),
    "mask not reversed": (r"mask\.flip\(1\)", "mask", "both"),
    "halves swapped": (r"torch\.cat\(\[z, y\], dim=-1\)", "torch.cat([y, z], dim=-1)", "both"),
    "first step for last": (r"z = z\[:, -1\]", "z = z[:, 0]", "gru"),
    "state before the first step": (r"latest >= 0", "latest >= -1", "gru"),
    "circular padding": (r"padding=1, bias", 'padding=1, padding_mode="circular", bias', "square"),
    "dilation": (r"padding=1, bias", "padding=2, dilation=2, bias", "square"),
    "torch's own slope": (r"F\.leaky_relu\(y, [\d.]+\)", "F.leaky_relu(y)", "leaky"),
    "slope a millionth off": (r"F\.leaky_relu\(y, [\d.]+\)", "F.leaky_relu(y, 0.3000003)", "leaky"),
    "cropped in front": (r"\[:, :, :-1, :-1\]", "[:, :, 1:, 1:]", "deconv"),
    "cropped on one axis": (r"\[:, :, :-1, :-1\]", "[:, :, 1:, :-1]", "deconv"),
    "cropped too little": (r"\[:, :, :-1, :-1\]", "[:, :, :-1]", "deconv"),
    "joined in another order": (r"torch\.cat\(\[x, z\]", "torch.cat([z, x]", "join"),
    "softmax over the batch": (r"softmax\(self\.head\(x\), dim=-1\)", "softmax(self.head(x), dim=0)", "head"),
    "sigmoid for softmax": (r"softmax\(self\.head\(x\), dim=-1\)", "sigmoid(self.head(x))", "head"),
    "no activation": (r"torch\.softmax\(self\.head\(x\), dim=-1\)", "self.head(x) * 1", "head"),
    "half precision": (r"y = self\.square\(picture\)", "y = self.square(picture).half().to(picture)", "square"),
    "single precision": (r"y = self\.square\(picture\)", "y = self.square(picture).float().to(picture)", "square"),
}  # fmt: skip
"""Faults of model.py. "single precision" is too small for float32 to see: only the float64 tier can."""

OUTPUTS: dict[str, tuple[str, str]] = {
    "outputs swapped": (r"return x, y", "return y, x"),
    "an output missing": (r"return x, y", "return (x,)"),
    "an output too many": (r"return x, y", "return x, y, x"),
    "an output scaled after its layer": (r"return x, y", "return x, y * 1.0001"),
    "NaN in one place": (
        r"return x, y",
        "return x, y.index_put((torch.tensor(0),) * 4, y.new_tensor(torch.nan))",
    ),
}


def swap(first: str, second: str) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[first], weights[second] = weights[second], weights[first]

    return change


def edit(name: str, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        weights[name] = np.ascontiguousarray(function(weights[name]))

    return change


def gates(*order: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda array: np.concatenate([np.split(array, len(order))[gate] for gate in order])


def one_element(array: NDArray[Any]) -> NDArray[Any]:
    new = array.copy()
    new.flat[0] *= np.float32(1 + 1e-6)
    return new


WEIGHTS: dict[str, tuple[Callable[[Weights], None], str]] = {
    "kernel flipped": (edit("conv.weight", lambda w: w[:, :, ::-1, ::-1]), "conv"),
    "kernel transposed": (edit("conv.weight", lambda w: w.transpose(0, 1, 3, 2)), "conv"),
    "input channels reversed": (edit("conv.weight", lambda w: w[:, ::-1]), "conv"),
    "bias off by a millionth": (edit("conv.bias", lambda b: b + np.float32(1e-6)), "conv"),
    "one weight a millionth off": (edit("square.weight", one_element), "square"),
    "bias lost": (edit("conv.bias", np.zeros_like), "conv"),
    "gamma and beta swapped": (swap("norm.weight", "norm.bias"), "norm"),
    "mean and variance swapped": (swap("norm.running_mean", "norm.weight"), "norm"),
    "variance for its root": (edit("norm.running_var", np.sqrt), "norm"),
    "rows of the embedding shifted": (edit("embed.weight", lambda w: np.roll(w, 1, axis=0)), "embed"),
    "row of the masked id shifted in": (edit("embed.weight", lambda w: np.roll(w, -1, axis=0)), "embed"),
    "LSTM gates swapped": (edit("both_forward.weight_ih_l0", gates(0, 1, 3, 2)), "both"),
    "LSTM recurrent gates swapped": (edit("both_forward.weight_hh_l0", gates(1, 0, 2, 3)), "both"),
    "LSTM recurrent kernel transposed": (
        edit("both_backward.weight_hh_l0", lambda w: w.reshape(4, 3, 3).transpose(0, 2, 1).reshape(12, 3)),
        "both",
    ),
    "directions swapped": (swap("both_forward.weight_hh_l0", "both_backward.weight_hh_l0"), "both"),
    "GRU gates in Keras's order": (edit("gru.weight_ih_l0", gates(1, 0, 2)), "gru"),
    "GRU biases swapped": (swap("gru.bias_ih_l0", "gru.bias_hh_l0"), "gru"),
    "transposed kernel transposed": (edit("deconv.weight", lambda w: w.transpose(1, 0, 2, 3)), "deconv"),
    "transposed kernel flipped": (edit("deconv.weight", lambda w: w[:, :, ::-1, ::-1]), "deconv"),
    "columns of the head rolled": (edit("head.weight", lambda w: np.roll(w, 1, axis=1)), "head"),
    "classes of the head permuted": (edit("head.weight", lambda w: w[[1, 0, 2]]), "head"),
}


def replaced_once(text: str, pattern: str, by: str) -> str:
    new, count = re.subn(pattern, by, text)
    assert count == 1, f"{pattern!r} stands {count} times in model.py: nowhere to plant this fault"
    return new


@pytest.fixture(scope="module")
def reports(
    sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, ParityReport]:
    """The verdict on every faulty bundle, and on the right one (""); the reference runs once for all."""
    folder = tmp_path_factory.mktemp("faults")
    source, right, workdir = folder / "menagerie.h5", folder / "right", folder / "work"
    workdir.mkdir()
    made = sandboxes["tf_keras"].run(
        "tests.parity.keras_models:save",
        {"library": "tf_keras", "model": "menagerie", "path": str(source)},
        workdir=folder,
    )
    assert made.ok, made.log_tail
    convert(source, right)
    prepare(source, right, workdir)
    expected = sandboxes["tf_keras"].run(
        "keras2torch.parity.reference:run_reference", {"workdir": str(workdir)}, workdir=workdir
    )
    assert expected.ok, expected.log_tail
    (workdir / "expected.json").write_text(json.dumps(expected.result))
    bundles = {"": right}
    for name in [*CODE, *OUTPUTS, *WEIGHTS]:
        bundle = folder / re.sub(r"\W", "_", name)
        shutil.copytree(right, bundle)
        bundles[name] = bundle
        if name in WEIGHTS:
            weights = load_file(right / "model.safetensors")
            WEIGHTS[name][0](weights)
            save_file(weights, bundle / "model.safetensors")
        else:
            pattern, by = (CODE.get(name) or OUTPUTS[name])[:2]
            text = replaced_once((right / "model.py").read_text(), pattern, by)
            (bundle / "model.py").write_text(text)
    payloads = {}
    for name, bundle in bundles.items():
        own = folder / f"{bundle.name}.work"
        shutil.copytree(workdir, own)
        payloads[name] = {"bundle": str(bundle), "workdir": str(own)}
    outcome = sandboxes["torch"].run(
        "tests.parity.registry_models:run_all",
        {"step": "keras2torch.parity.candidate:run_candidate", "payloads": payloads},
        workdir=folder,
    )
    assert outcome.ok, outcome.log_tail
    reports = {}
    for name, answer in outcome.result.items():
        assert isinstance(answer, dict), f"{name}: {answer}"
        own = Path(payloads[name]["workdir"])
        (own / "actual.json").write_text(json.dumps(answer))
        reports[name] = compare(own, bundles[name])
    return reports


def test_the_right_bundle_passes(reports: dict[str, ParityReport]) -> None:
    report = reports[""]
    assert report.passed, report.failures
    assert report.structure_error < 1e-12
    assert report.layers_not_visible == 0
    assert report.warnings == []


@pytest.mark.parametrize("name", [*CODE, *WEIGHTS])
def test_a_fault_is_caught_at_its_layer(name: str, reports: dict[str, ParityReport]) -> None:
    report = reports[name]
    assert not report.passed
    assert report.first_departure is not None
    assert report.first_departure.layer == (CODE[name][2] if name in CODE else WEIGHTS[name][1])
    assert report.first_departure.error > 5 * report.structure_limit


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_fault_of_the_outputs_is_caught(name: str, reports: dict[str, ParityReport]) -> None:
    report = reports[name]
    assert not report.passed
    assert all(failure.startswith("output ") for failure in report.failures)

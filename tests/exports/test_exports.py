"""Exports through the public door: what is in the bundle, opened here and run at sizes that the exporter never saw."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

import keras2torch
from keras2torch.errors import CannotExport, UsageError
from keras2torch.exports import formats_of
from keras2torch.exports.inside.comparing import LIMIT, flat
from keras2torch.sandbox import Sandbox
from tests.exports.export_models import MODELS, own_class, write_export_model

EXPORTABLE = sorted(MODELS.keys() - {"mlp", "stateful"})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(["keras2torch.exports.inside.onnx_file"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=EXPORTABLE)
def bundle(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle with both exports beside it, as the child leaves them."""
    folder = tmp_path_factory.mktemp(request.param)
    made = keras2torch.convert(write_export_model(folder, request.param), folder / "bundle")
    payload = {"bundle": str(made.path), "workdir": str(folder), "formats": ["pt2", "onnx"]}
    outcome = sandbox.run(
        "keras2torch.exports.inside.run:run_export",
        {**payload, **{key: made.manifest[key] for key in ("inputs", "outputs", "layers")}},
        workdir=folder,
        readable=[made.path],
    )
    assert outcome.ok, outcome.log_tail
    assert [entry["path"] for entry in outcome.result] == ["model.pt2", "model.onnx"]
    for entry in outcome.result:
        assert [shapes[0] for case in entry["compared"] for shapes in case["inputs"][:1]] == [3, 1]
        assert all(case["error"] <= LIMIT for case in entry["compared"])
    return made.path


def _inputs(bundle: Path, batch: int, size: int) -> tuple[torch.Tensor, ...]:
    """Small whole numbers: ids, floats and masked steps all at once."""
    rng = np.random.default_rng(0)
    manifest = json.loads((bundle / "manifest.json").read_text())
    shapes = [[batch, *(n or size for n in port["torch_shape"][1:])] for port in manifest["inputs"]]
    dtypes = [getattr(torch, port["dtype"]) for port in manifest["inputs"]]
    return tuple(
        torch.from_numpy(rng.integers(0, 5, shape)).to(dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    )


def test_each_file_computes_what_the_module_does_at_other_batches_and_sizes(bundle: Path) -> None:
    inputs = _inputs(bundle, batch=5, size=33)
    session = onnxruntime.InferenceSession(bundle.parent / "model.onnx")
    names = [entry.name for entry in session.get_inputs()]
    with torch.no_grad():
        expected = flat(keras2torch.load(bundle)(*inputs))
        from_pt2 = flat(torch.export.load(bundle.parent / "model.pt2").module()(*inputs))
    from_onnx = session.run(None, dict(zip(names, (x.numpy() for x in inputs), strict=True)))
    assert len(expected) == len(from_pt2) == len(from_onnx)
    for a, b, c in zip(expected, from_pt2, from_onnx, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=0)
        np.testing.assert_allclose(c, a.numpy(), rtol=0, atol=LIMIT * float(a.abs().max()))


def test_it_compiles_whole(bundle: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    payload = {"bundle": str(bundle)}
    outcome = sandbox.run("benchmarks.exports:compiled", payload, workdir=tmp_path, readable=[bundle])
    assert outcome.result == 0.0, outcome.result


def test_onnx_has_the_names_of_the_bundle(bundle: Path) -> None:
    session = onnxruntime.InferenceSession(bundle.parent / "model.onnx")
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert [entry.name for entry in session.get_inputs()] == names_of(manifest)
    assert all(entry.shape[0] == "batch" for entry in (*session.get_inputs(), *session.get_outputs()))
    outputs = [entry.name for entry in session.get_outputs()]
    assert len({*outputs, *(entry.name for entry in session.get_inputs())}) == len(outputs) + len(
        names_of(manifest)
    )
    assert all(name.isidentifier() for name in outputs)


def names_of(manifest: dict[str, Any]) -> list[str]:
    names: list[str] = manifest["model"]["arguments"]
    return names


def test_the_bundle_lists_its_exports_and_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_export_model(tmp_path, "ids_and_numbers")
    made = keras2torch.convert(source, tmp_path / "one", export=["onnx", "pt2"])
    keras2torch.convert(source, tmp_path / "another")
    later = keras2torch.export(tmp_path / "another", ["pt2"])
    later = keras2torch.export(tmp_path / "another", ["onnx"])
    assert later == made.manifest == json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert [entry["path"] for entry in later["exports"]] == ["model.pt2", "model.onnx"]
    for folder in ("one", "another"):
        present = {path.name: path for path in (tmp_path / folder).iterdir()}
        listed = {entry["path"]: entry["sha256"] for entry in later["files"]}
        assert present.keys() == {*listed, "manifest.json"}
        assert {name: hashlib.sha256(present[name].read_bytes()).hexdigest() for name in listed} == listed
    assert "torch.export.load" in (tmp_path / "one" / "README.md").read_text()
    assert str(tmp_path).encode() not in (tmp_path / "one" / "model.onnx").read_bytes()


REFUSED = {
    "return x * len([x[:, t] for t in range(x.shape[1])])": (
        "pt2: layer 'own' (Lambda): what it computes fixes axis 1 of x, which is open"
    ),
    "return x if x.sum() > 0 else -x": (
        "pt2: layer 'own' (Lambda): which way it goes depends on numbers that are not known before it runs"
    ),
    "return torch.special.bessel_j0(x)": "onnx: layer 'own' (Lambda): ONNX has no operation for bessel_j0",
}


@pytest.mark.parametrize("body", REFUSED)
def test_a_model_that_no_format_holds_is_refused_by_layer_and_leaves_what_was_there(
    body: str, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    keras2torch.convert(write_export_model(tmp_path, "mlp"), folder / "bundle")
    before = {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()}
    model, option = own_class(tmp_path, body)
    arguments = ["convert", str(model), "-o", str(folder / "bundle"), "--replace", option]
    command = [sys.executable, "-m", "keras2torch.cli", *arguments, "--export", "pt2,onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == f"keras2torch: {model}: {REFUSED[body]}\n"
    assert done.returncode == 4
    assert {path.name: path.read_bytes() for path in (folder / "bundle").iterdir()} == before
    assert [path.name for path in folder.iterdir()] == ["bundle"]


def test_a_state_from_call_to_call_is_refused_by_layer(sandbox: Sandbox, tmp_path: Path) -> None:
    made = keras2torch.convert(write_export_model(tmp_path, "stateful"), tmp_path / "bundle")
    keys = ("inputs", "outputs", "layers")
    outcome = sandbox.run(
        "keras2torch.exports.inside.run:run_export",
        {"bundle": str(made.path), "workdir": "", "formats": [], **{key: made.manifest[key] for key in keys}},
        workdir=tmp_path,
    )
    assert outcome.error is not None
    assert outcome.error["message"] == (
        "pt2: layer 'lstm' (LSTM): keeps a state from call to call, which no export does"
    )


def test_a_bundle_that_cannot_be_exported_stays_as_it_was(tmp_path: Path) -> None:
    made = keras2torch.convert(write_export_model(tmp_path, "ids_and_numbers"), tmp_path / "bundle")
    source = (made.path / "model.py").read_text()
    broken = source.replace("torch.sigmoid(", "torch.sigmoid(bool((features > 1).any()) * ")
    assert broken != source
    (made.path / "model.py").write_text(broken)
    before = {path.name: path.read_bytes() for path in made.path.iterdir()}
    with pytest.raises(CannotExport, match=r"bundle: pt2: .*'linear' \(Dense\)"):
        keras2torch.export(made.path, ["pt2", "onnx"])
    assert {path.name: path.read_bytes() for path in made.path.iterdir()} == before


def test_formats_are_checked_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats_of(["onnx", "pt2", "onnx"]) == ("pt2", "onnx")
    with pytest.raises(UsageError, match=r"cannot export to 'jit', only to pt2, onnx"):
        formats_of(["pt2", "jit"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnxscript" else object())
    assert formats_of(["pt2"]) == ("pt2",)
    with pytest.raises(UsageError, match=r"needs onnxscript: pip install 'keras2torch\[export\]'"):
        formats_of(["onnx"])


def test_what_is_no_bundle_is_no_bundle_to_export(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a bundle"):
        keras2torch.export(tmp_path, ["pt2"])

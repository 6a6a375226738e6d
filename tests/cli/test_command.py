"""The command as its users meet it: a process with an exit code, an output and one line for what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

import keras2torch
from keras2torch.layers import _registry
from keras2torch.operations import operations
from keras2torch.source.model import Generation
from tests.crafted import call, dense_model, functional, layer, numbers, sequential, write_model


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keras2torch.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return dense_model(tmp_path / "m.h5")


@pytest.fixture
def unsupported(tmp_path: Path) -> Path:
    """Five things that do not convert, among layers that do."""
    layers = [
        layer("InputLayer", "in", batch_input_shape=[None, 4]),
        layer("Lambda", "lambda", call("in"), function=["4wEAAA==", None, None]),
        layer("Dense", "first", call("in"), units=4, surprise=1),
        layer("Dense", "second", call("in"), units=-4),
        layer("Dense", "behind", call("lambda"), units=4),
        layer("my_package>Thing", "thing", call("behind"), how="so"),
        layer("Activation", "odd", call("in"), activation="wobble"),
        layer("Dense", "fine", call("in"), units=4),
    ]
    outputs = [[name, 0, 0] for name in ("thing", "first", "second", "odd", "fine")]
    return write_model(tmp_path / "unsupported.h5", functional(layers, [["in", 0, 0]], outputs), {})


REASONS = [
    ("unsupported-option", "lambda", "Lambda", "function"),
    ("unsupported-option", "first", "Dense", "surprise"),
    ("unsupported-option", "second", "Dense", "units"),
    ("unsupported-layer", "thing", "my_package>Thing", None),
    ("unsupported-option", "odd", "Activation", "activation"),
]


# -------------------------------------------------------------------------------------------------------- 0: success


def test_inspect(model: Path) -> None:
    done = run("inspect", model)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"sequential: tf_keras, Keras 2.15.0, 8 parameters, {model.stat().st_size:,} bytes",
        "  input   dense_input  float32  (?, 3)",
        "  output  float32  (?, 2)",
        "  layers  Dense 1, InputLayer 1",
        "  converts",
    ]


def test_inspect_as_json(model: Path) -> None:
    done = run("inspect", model, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "name": "sequential",
        "path": str(model),
        "bytes": model.stat().st_size,
        "generation": "tf_keras",
        "keras_version": "2.15.0",
        "backend": "tensorflow",
        "layers": {"Dense": 1, "InputLayer": 1},
        "parameters": 8,
        "inputs": [{"name": "dense_input", "dtype": "float32", "shape": [None, 3]}],
        "outputs": [{"dtype": "float32", "shape": [None, 2]}],
        "reasons": [],
        "warnings": [],
        "convertible": True,
    }


def test_inspect_tells_what_would_not_convert(unsupported: Path) -> None:
    done = run("inspect", unsupported)
    assert (done.returncode, done.stderr) == (0, "")
    assert "  does not convert, 5 reason(s):" in done.stdout.splitlines()
    found = json.loads(run("inspect", unsupported, "--json").stdout)
    assert found["convertible"] is False
    reasons = [(each["kind"], each["layer"], each["class_name"], each["option"]) for each in found["reasons"]]
    assert reasons == REASONS


def test_convert(model: Path, tmp_path: Path) -> None:
    done = run("convert", model, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{tmp_path / 'out'}: Sequential, 8 parameters, ")
    assert done.stdout.count("\n") == 1
    as_json = json.loads(run("convert", model, "--out", tmp_path / "out", "--json").stdout)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert as_json == {"ok": True, "bundle": str(tmp_path / "out"), "manifest": manifest}


def test_convert_with_keras_axes(tmp_path: Path) -> None:
    config = sequential(layer("ReLU", "r", batch_input_shape=[None, 4, 5, 3]))
    path = write_model(tmp_path / "m.h5", config, {})
    assert run("convert", path, "-o", tmp_path / "out", "--io-layout", "keras").returncode == 0
    assert json.loads((tmp_path / "out/manifest.json").read_text())["options"] == {"io_layout": "keras"}


def test_layers_lists_the_registry() -> None:
    rules, cannot = _registry.converts_all(), _registry.cannot_all()
    done = run("layers")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1] == f"{len(rules)} layer classes convert, {len(cannot)} cannot"
    known = sorted(
        [(each.family, each.name) for each in rules] + [(each.family, each.name) for each in cannot]
    )
    assert [line.split()[0] for line in lines[:-1] if line.startswith("  ")] == [name for _, name in known]
    assert [line for line in lines[:-1] if not line.startswith(" ")] == sorted(
        {family for family, _ in known}
    )
    (string_lookup,) = [line for line in lines if line.startswith("  StringLookup ")]
    assert "cannot be converted: it reads strings" in string_lookup
    assert string_lookup.endswith("[since tf.keras]")
    assert any(line.startswith("  AveragePooling1D") and "Also AvgPool1D." in line for line in lines)


def test_layers_as_json_says_of_every_class_what_becomes_of_it() -> None:
    listed = [row for row in json.loads(run("layers", "--json").stdout) if row["kind"] == "layer"]
    by_name = {entry["classes"][0]: entry for entry in listed}
    assert len(by_name) == len(listed)
    for rule in _registry.converts_all():
        assert by_name[rule.name] == {
            "kind": "layer",
            "classes": list(rule.classes),
            "family": rule.family,
            "generations": [each.value for each in Generation if each in rule.generations],
            "status": "converted",
            "torch": rule.torch,
            "reason": None,
            "masks": rule.masks.value,
            "examples": len(rule.examples),
        }
        assert rule.examples or rule.family == "ops"
    for entry in _registry.cannot_all():
        found = by_name[entry.name]
        assert (found["status"], found["torch"], found["examples"]) == ("cannot", None, 0)
        assert found["reason"] == entry.reason
        assert found["generations"]


def test_layers_as_json_lists_the_operations_behind_the_layers() -> None:
    listed = json.loads(run("layers", "--json").stdout)
    kinds = [row["kind"] for row in listed]
    assert kinds == sorted(kinds)
    found = {row["classes"][0]: row for row in listed if row["kind"] == "operation"}
    assert len(found) == len(operations()) == kinds.count("operation")
    assert found["tf.math.add"] == {
        "kind": "operation",
        "classes": [
            "tf.math.add",
            "tf.add",
            "tf.__operators__.add",
            "keras.ops.numpy.Add",
            "node Add",
            "node AddV2",
        ],
        "family": "arithmetic",
        "generations": ["tf_keras", "keras3"],
        "status": "converted",
        "torch": "`x + y`.",
        "reason": None,
        "masks": "stop",
        "examples": 6,
    }
    assert all(row.keys() == listed[0].keys() for row in listed)


def test_version_and_help() -> None:
    assert run("--version").stdout == f"keras2torch {keras2torch.__version__}\n"
    for arguments in (["--help"], ["convert", "--help"]):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: keras2torch")


# ----------------------------------------------------------------------------------------------- 1 to 5: what can fail


def failed(code: int, *arguments: str | Path) -> str:
    """The one line of a run that fails with `code`, and in JSON says the same."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("keras2torch: ")
    assert done.stderr.count("\n") == 1
    line = done.stderr.removeprefix("keras2torch: ").removesuffix("\n")
    as_json = run(*arguments, "--json")
    assert as_json.returncode == code
    said = json.loads(as_json.stdout)
    assert said.keys() == {"ok", "exit_code", "error"}
    assert (said["ok"], said["exit_code"], said["error"]["message"]) == (False, code, line)
    assert said["error"].keys() == {"kind", "message", "reasons"}
    return line


def test_output_that_cannot_be_written_is_1(model: Path) -> None:
    line = failed(1, "convert", model, "-o", f"{model}/out")
    assert line == f"{model}/out: cannot be written (File exists: {model})"


def test_wrong_use_is_2(model: Path, tmp_path: Path) -> None:
    for arguments in (
        [],
        ["invent"],
        ["convert", model],
        ["convert", model, "-o", tmp_path / "out", "--io-layout", "tf"],
        ["inspect"],
        ["inspect", model, "--no-such-option"],
        ["verify", tmp_path],
    ):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("")
    line = failed(2, "convert", model, "-o", tmp_path / "full")
    assert line == f"{tmp_path / 'full'}: is there already and is not a bundle: not overwritten"
    assert failed(2, "verify", tmp_path / "full", "--source", model).startswith(f"{tmp_path / 'full'}: ")


def test_a_refused_file_is_3(tmp_path: Path) -> None:
    text = tmp_path / "text\n\x1b[31m.h5"
    text.write_text("no model")
    assert failed(3, "inspect", text) == f"{tmp_path}/text\\n\\x1b[31m.h5: Not an HDF5 file."
    missing = failed(3, "inspect", tmp_path / "missing.h5")
    assert missing == f"{tmp_path}/missing.h5: cannot be opened (No such file or directory)"
    incomplete = dense_model(tmp_path / "m.h5", weights={})
    line = failed(3, "convert", incomplete, "-o", tmp_path / "out")
    assert line == f"{incomplete}: dense: kernel (3, 2) is missing: 0 weights stored, 2 expected"
    assert not (tmp_path / "out").exists()


def test_an_unsupported_model_is_4_with_all_reasons_at_once(unsupported: Path, tmp_path: Path) -> None:
    done = run("convert", unsupported, "-o", tmp_path / "out")
    assert (done.returncode, done.stdout) == (4, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    for line, (_, name, class_name, option) in zip(lines, REASONS, strict=True):
        assert line.startswith(f"keras2torch: {unsupported}: {name} ({class_name}): ")
        assert option is None or option in line
    said = json.loads(run("convert", unsupported, "-o", tmp_path / "out", "--json").stdout)
    assert (said["exit_code"], said["error"]["kind"]) == (4, "unsupported-model")
    assert [each["layer"] for each in said["error"]["reasons"]] == [reason[1] for reason in REASONS]
    assert not (tmp_path / "out").exists()


YOURSELF = (
    "no code of it is in the file: --layers FILE.py or --replace NAME=FILE.py:CLASS say what it computes"
)


def test_a_single_reason_is_one_line(tmp_path: Path) -> None:
    config = sequential(layer("Foreign", "f", batch_input_shape=[None, 3]))
    path = write_model(tmp_path / "m.h5", config, {})
    line = failed(4, "convert", path, "-o", tmp_path / "out")
    assert line == f"{path}: f (Foreign): layer class Foreign is not supported; {YOURSELF}"


def test_failed_parity_is_5(model: Path, tmp_path: Path) -> None:
    """Runs TensorFlow and torch, for a bundle whose weights somebody has changed."""
    assert run("convert", model, "-o", tmp_path / "out").returncode == 0
    tensors = load_file(tmp_path / "out/model.safetensors")
    tensors["linear.bias"] += 1
    save_file(tensors, tmp_path / "out/model.safetensors")
    done = run("verify", tmp_path / "out", "--source", model, "--json")
    assert done.returncode == 5
    said = json.loads(done.stdout)
    assert (said["ok"], said["bundle"]) == (False, str(tmp_path / "out"))


# ----------------------------------------------------------------------------------------- debugging, interruptions


def test_a_traceback_only_with_debug(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("no model")
    assert "Traceback" not in run("inspect", path).stderr
    done = run("inspect", path, "--debug")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "NotHDF5" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so(tmp_path: Path, number: signal.Signals) -> None:
    # A configuration that takes seconds to lay flat.
    many = [layer("Dense", f"d{i}", call(f"d{i - 1}" if i else "in"), units=4) for i in range(15_000)]
    layers = [layer("InputLayer", "in", batch_input_shape=[None, 4]), *many]
    path = write_model(tmp_path / "m.h5", functional(layers, [["in", 0, 0]], [["d14999", 0, 0]]), {})
    command = [sys.executable, "-m", "keras2torch.cli", "inspect", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    mapped = f"/proc/{process.pid}/maps"
    while str(path) not in Path(mapped).read_text():
        time.sleep(0.01)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, "", "keras2torch: interrupted\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "keras2torch.cli", "layers", "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_output_that_is_full_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "keras2torch.cli", "layers"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "keras2torch: the standard output: No space left on device\n"


def test_a_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    config = sequential(layer("Dense", "плотный", units=2, batch_input_shape=[None, 3]), name="модель")
    weights = {"плотный": {"k": numbers(3, 2), "b": numbers(2)}}
    path = write_model(tmp_path / "m.h5", config, weights)
    done = run("inspect", path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\u043c\\u043e")


def test_what_a_file_does_not_say_can_be_said(tmp_path: Path) -> None:
    config = sequential(layer("Dense", "d", units=2, use_bias=False))
    path = write_model(tmp_path / "m.h5", config, {"d": {"d/kernel:0": numbers(3, 2)}})
    refused = run("convert", path, "-o", tmp_path / "out")
    assert refused.returncode == 3
    assert "--input-shape" in refused.stderr
    assert run("convert", path, "-o", tmp_path / "out", "--input-shape", "1=3").returncode == 0
    assert "(?, 3)" in run("inspect", path, "--input-shape", "d=3").stdout
    assert run("convert", path, "-o", tmp_path / "out", "--input-shape", "d").returncode == 2
    assert run("convert", path, "-o", tmp_path / "out", "--backend", "cntk").returncode == 2

"""The wheel by itself: the engine and nothing else, where there is neither torch nor TensorFlow."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras2torch
from samples import build
from tests.e2e import bare

# A model of the old Keras, with a Dense, a Reshape and transposed convolutions.
SAMPLE = "vae_decoder"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare.build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bare.install(wheel, tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    subprocess.run(
        [sys.executable, "-m", "samples.build", "tf_keras", str(folder), SAMPLE],
        cwd=bare.ROOT,
        env=os.environ | build.quiet_environment(),
        capture_output=True,
        check=True,
        timeout=200,
    )
    return folder / f"{SAMPLE}.h5"


@pytest.fixture(scope="module")
def bundle(scripts: Path, model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the bare environment makes of the model."""
    out = tmp_path_factory.mktemp("bundles") / SAMPLE
    ended = _bare(scripts / "keras2torch", "convert", str(model_file), "-o", str(out))
    assert ended.returncode == 0, ended.stderr
    return out


def _bare(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the bare environment as a stranger would: elsewhere, with nothing of ours in sight."""
    environment = {"PATH": "/usr/bin:/bin"}
    command = [str(program), *arguments]
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=200
    )


def test_the_wheel_holds_the_engine_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    version = keras2torch.__version__
    assert {name.partition("/")[0] for name in names} == {"keras2torch", f"keras2torch-{version}.dist-info"}
    missing = {str(path.relative_to(bare.ROOT)) for path in (bare.ROOT / "keras2torch").rglob("*.py")} - set(
        names
    )
    assert missing == set()
    assert "keras2torch/py.typed" in names


@pytest.mark.parametrize(
    "module", ["torch", "tensorflow", "keras", "tf_keras", "h5py", "db", "workers", "fleet"]
)
def test_the_bare_environment_lacks(module: str, scripts: Path) -> None:
    ended = _bare(scripts / "python", "-c", f"import {module}")
    assert f"No module named '{module}'" in ended.stderr


def test_the_bundle_is_whole(bundle: Path, model_file: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["source"]["sha256"] == hashlib.sha256(model_file.read_bytes()).hexdigest()
    listed = {file["path"]: file["sha256"] for file in manifest["files"]}
    present = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.iterdir()}
    del present["manifest.json"]
    assert listed == present
    assert {"model.py", "model.safetensors"} <= present.keys()


def test_the_bundle_has_the_bytes_that_the_full_environment_writes(
    bundle: Path, model_file: Path, tmp_path: Path
) -> None:
    keras2torch.convert(model_file, tmp_path / SAMPLE)
    for path in (tmp_path / SAMPLE).iterdir():
        assert (bundle / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_bundle_runs_where_only_torch_is_known(bundle: Path) -> None:
    code = (
        "import sys, torch, model; from model import load_model\n"
        "out = load_model()(torch.zeros(2, 8))\n"
        "print(tuple(out.shape), bool(out.isfinite().all()), 'keras2torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=bundle, capture_output=True, text=True, check=True, timeout=200
    )
    assert shown.stdout == "(2, 1, 28, 28) True False\n"


def test_what_needs_more_says_what_to_install(scripts: Path, bundle: Path, model_file: Path) -> None:
    ended = _bare(scripts / "keras2torch", "verify", str(bundle), "--source", str(model_file))
    assert ended.returncode != 0
    assert "keras2torch[verify]" in ended.stderr
    assert "Traceback" not in ended.stderr

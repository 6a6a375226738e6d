"""A bundle in the layout of a model hub, and on one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import keras2torch
from keras2torch import cli, convert, push
from keras2torch.bundle import read_manifest
from keras2torch.errors import UsageError
from keras2torch.parity.prepare import prepare
from tests.bundle.hub_server import running
from tests.crafted import dense_model


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return dense_model(tmp_path / "m.h5")


def front_matter(folder: Path) -> Any:
    _, block, card = (folder / "README.md").read_text().split("---\n", 2)
    assert card.startswith("\n# Sequential\n")
    return yaml.safe_load(block)


def module_of(folder: Path) -> Any:
    """model.py, imported by its path, as code beside it would."""
    spec = importlib.util.spec_from_file_location("pushed_model", folder / "model.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_folder_has_the_layout_of_a_hub_and_is_a_bundle_still(source: Path, tmp_path: Path) -> None:
    bundle = convert(source, tmp_path / "b").path
    (bundle / "parity.json").write_text(
        json.dumps({"verdict": "passed", "structure_error": 1.5e-16, "deployment_error": 2e-8})
    )
    place = tmp_path / "layout"
    assert push(bundle, str(place), license_id="apache-2.0") == str(place)
    assert {path.name for path in place.iterdir()} == {
        "README.md", "config.json", "manifest.json", "model.py", "model.safetensors", "parity.json"
    }  # fmt: skip
    assert front_matter(place) == {
        "library_name": "pytorch",
        "license": "apache-2.0",
        "tags": ["pytorch", "keras2torch"],
    }
    card = (place / "README.md").read_text()
    assert "Parity with Keras passed: float64 within 1.5e-16 of scale, float32 within 2.0e-08" in card
    assert 'snapshot_download("OWNER/NAME")' in card
    config = json.loads((place / "config.json").read_text())
    assert config["architectures"] == ["Sequential"]
    assert config["inputs"][0]["keras_shape"] == [None, 3]
    x = torch.randn(2, 3)
    torch.testing.assert_close(keras2torch.load(place)(x), keras2torch.load(bundle)(x), rtol=0, atol=0)
    (tmp_path / "work").mkdir()
    prepare(source, place, tmp_path / "work")
    assert json.loads((tmp_path / "work" / "plan.json").read_text())["changed_files"] == []
    # Again, over itself and over the bundle.
    push(place, str(place))
    push(place, str(bundle))
    assert front_matter(bundle)["license"] == "unknown"
    assert read_manifest(place) == read_manifest(bundle)


def test_a_class_with_the_mixin_comes_from_pretrained(source: Path, tmp_path: Path) -> None:
    plain = convert(source, tmp_path / "plain").path
    bundle = convert(source, tmp_path / "b", hub_mixin=True, class_name="Net", dtype="bfloat16").path
    assert "huggingface_hub" not in (plain / "model.py").read_text()
    text = (bundle / "model.py").read_text()
    assert "\nfrom huggingface_hub import PyTorchModelHubMixin\n" in text
    assert "\nclass Net(nn.Module, PyTorchModelHubMixin):\n" in text
    push(bundle, str(tmp_path / "layout"))
    found = module_of(tmp_path / "layout").Net.from_pretrained(tmp_path / "layout")
    assert not found.training
    x = torch.randn(2, 3)
    torch.testing.assert_close(found(x), keras2torch.load(bundle)(x), rtol=0, atol=0)
    card = (tmp_path / "layout" / "README.md").read_text()
    assert 'model = Net.from_pretrained("OWNER/NAME")' in card
    assert "- pytorch_model_hub_mixin\n" in card


@pytest.mark.parametrize(
    ("to", "license_id", "words"),
    [
        ("hf://nobody", None, "'hf://nobody' is not hf://OWNER/NAME"),
        ("hf://a/b/c", None, "is not hf://OWNER/NAME"),
        ("hf://a/../b", None, "is not hf://OWNER/NAME"),
        ("layout", "MIT\ntags: [x]", "is no identifier of a license"),
    ],
)
def test_what_is_no_place_or_no_license(
    source: Path, tmp_path: Path, to: str, license_id: str | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = convert(source, tmp_path / "b").path
    with pytest.raises(UsageError, match=words):
        push(bundle, to, license_id=license_id)
    assert not (tmp_path / "layout").exists()


def test_a_folder_that_is_no_bundle_is_neither_pushed_nor_overwritten(source: Path, tmp_path: Path) -> None:
    bundle = convert(source, tmp_path / "b").path
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    assert cli.main(["push", str(bundle), "--to", str(tmp_path / "mine")]) == 2
    assert cli.main(["push", str(tmp_path / "mine"), "--to", str(tmp_path / "layout")]) == 2
    (bundle / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"the file 'model.safetensors' of the bundle is missing"):
        push(bundle, str(tmp_path / "layout"))
    assert not (tmp_path / "layout").exists()


def test_pushing_makes_a_repository_and_one_commit(source: Path, tmp_path: Path) -> None:
    bundle = convert(source, tmp_path / "b").path
    command = [sys.executable, "-m", "keras2torch.cli", "push", str(bundle), "--to"]
    with running() as hub:
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}

        def run(*arguments: str, token: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, *arguments],
                env={**os.environ, **settings, "HF_TOKEN": token},
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )

        done = run("hf://me/net", "--private", "--license", "mit", "--json", token="hf_ours")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["place"] == f"{hub.url}/me/net/commit/{'0' * 40}"
        assert hub.private == {"me/net": True}
        refused = run("hf://me/other", token="hf_theirs")
        assert refused.returncode == 1
        assert refused.stderr.startswith("keras2torch: me/other: the hub did not take it: ")
        assert len(refused.stderr.splitlines()) == 1, refused.stderr
        assert hub.repositories.keys() == {"me/net"}
    files = hub.repositories["me/net"]
    assert files["model.safetensors"] == (bundle / "model.safetensors").read_bytes()
    assert files["README.md"].startswith(b"---\nlibrary_name: pytorch\nlicense: mit\n")
    assert b'snapshot_download("me/net")' in files["README.md"]
    assert files.keys() == {"README.md", "config.json", "manifest.json", "model.py", "model.safetensors"}

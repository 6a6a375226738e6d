"""The sample zoo: listed without Keras, refused when a name is taken, built whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from samples import __main__ as command
from samples import catalogue

ROOT = Path(__file__).resolve().parents[2]


def test_listing_the_zoo_imports_neither_keras() -> None:
    code = (
        "import sys; from samples import catalogue; zoo = catalogue.load();"
        "print(len(zoo), sorted({'keras', 'tf_keras', 'tensorflow'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.split(maxsplit=1) == [str(len(catalogue.load())), "[]\n"]


def test_the_zoo_covers_both_libraries_and_some_training() -> None:
    zoo = catalogue.load().values()
    assert len(zoo) >= 14
    for library in catalogue.Library:
        assert any(sample.library is library and sample.training for sample in zoo)
        assert any(sample.library is library and not sample.training for sample in zoo)


def test_two_samples_cannot_have_one_name() -> None:
    def unet(keras: catalogue.Keras) -> catalogue.Model:
        return keras

    catalogue.load()
    with pytest.raises(ValueError, match="two samples are called unet"):
        catalogue.sample(catalogue.Library.KERAS_3)(unet)


def test_what_is_there_is_kept_and_the_broken_sample_is_cut_from_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for sample in catalogue.load().values():
        (tmp_path / sample.file_name).write_bytes(sample.name.encode() * 100)
    monkeypatch.setattr(sys, "argv", ["samples", str(tmp_path)])
    assert command.main() == 0
    whole = (tmp_path / f"{command.TRUNCATED_FROM}.h5").read_bytes()
    cut = (tmp_path / command.TRUNCATED).read_bytes()
    assert len(cut) < len(whole)
    assert whole.startswith(cut)
    assert "0 built" in capsys.readouterr().out


def test_a_library_that_fails_says_why_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only = {"ghost": catalogue.Sample("ghost", catalogue.Library.KERAS_2, lambda keras: keras, None)}
    monkeypatch.setattr(catalogue, "load", lambda: only)
    monkeypatch.setattr(sys, "argv", ["samples", str(tmp_path)])
    assert command.main() == 1
    # The child looks in the real zoo, where there is no such sample.
    assert "KeyError: 'ghost'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

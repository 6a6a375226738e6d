"""Options of a conversion on their way: command, row, worker, child, bundle, and back to whoever asks."""

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.asked import conversion_options
from fleet.errors import UsageError
from tests.crafted import layer, numbers, sequential, write_model, write_weights
from tests.fleet import models
from tests.fleet.command import Fleet
from tests.keras1_files import entry
from tests.keras1_files import sequential as keras1_sequential
from tests.keras1_files import write as write_keras1


def mixed_zoo(folder: Path) -> None:
    """A file that says everything, and one for each thing that a file may lack."""
    models.dense(folder / "whole.h5")
    convolution = entry(
        "Convolution2D", "c", nb_filter=2, nb_row=3, nb_col=3, bias=False, activation="linear",
        border_mode="valid", subsample=[1, 1], dim_ordering="th", batch_input_shape=[None, 2, 5, 4],
    )  # fmt: skip
    write_keras1(folder / "old.h5", keras1_sequential(convolution), {"c": {"c_W": numbers(2, 2, 3, 3)}})
    shapeless = sequential(layer("Dense", "d", units=2, use_bias=False))
    write_model(folder / "shapeless.h5", shapeless, {"d": {"d/kernel:0": numbers(3, 2)}})
    write_weights(folder / "weights.h5", {"d": [numbers(4, 2, seed=1)]})


def architecture(path: Path) -> Path:
    described = sequential(layer("Dense", "d", units=2, use_bias=False, batch_input_shape=[None, 4]))
    path.write_text(json.dumps({**described, "keras_version": "2.2.4", "backend": "tensorflow"}))
    return path


def states(found: Any) -> dict[str, str]:
    return {job["key"]: job["state"] for job in found["jobs"]}


def manifest(found: Any, key: str) -> Any:
    (bundle,) = [job["bundle"] for job in found["jobs"] if job["key"] == key]
    return json.loads((Path(bundle) / "manifest.json").read_text())


def test_options_serve_the_files_that_do_not_say_and_make_other_jobs(tmp_path: Path) -> None:
    source, dest, fleet = tmp_path / "in", tmp_path / "out", Fleet(tmp_path / "home")
    mixed_zoo(source)
    plain = fleet.json("migrate", str(source), str(dest))
    assert plain["options"] == {}
    assert states(plain) == {
        "whole.h5": "succeeded", "old.h5": "failed", "shapeless.h5": "failed", "weights.h5": "failed"
    }  # fmt: skip

    described = architecture(tmp_path / "m.json")
    asked = [
        "--limit",
        "layers=9",
        "--backend",
        "theano",
        "--input-shape",
        "1=3",
        "--architecture",
        str(described),
    ]
    told = fleet.json("migrate", str(source), str(dest), *asked)
    assert (told["new"], told["total"], set(states(told).values())) == (4, 4, {"succeeded"}), told["errors"]
    assert told["options"]["backend"] == "theano"
    assert told["options"]["architecture"]["name"] == "m.json"
    options = {key: manifest(told, key)["options"] for key in states(told)}
    assert told["options"]["limits"] == ["layers=9"]
    assert all(found.pop("limits") == ["layers=9"] for found in options.values())
    assert {key: set(found) - {"io_layout"} for key, found in options.items()} == {
        "whole.h5": set(),
        "old.h5": {"backend"},
        "shapeless.h5": {"input_shape"},
        "weights.h5": {"architecture"},
    }
    assert [warning.split(" was not used")[0] for warning in manifest(told, "whole.h5")["warnings"]] == [
        "--architecture m.json",
        "--backend theano",
        "--input-shape",
    ]

    # The same asked again, from another place, is the same work; a word more is other work.
    (tmp_path / "elsewhere").mkdir()
    asked[-1] = str(described.rename(tmp_path / "elsewhere" / "m.json"))
    assert fleet.json("migrate", str(source), str(dest), *asked)["new"] == 0
    assert fleet.json("migrate", str(source), str(dest), *asked, "--io-layout", "keras")["new"] == 4

    line = "--architecture m.json --backend theano --input-shape 1=3 --limit layers=9"
    old = [job for job in fleet.json("jobs", "--key", "old.h5")["jobs"] if job["state"] == "succeeded"]
    assert [job["options"].get("io_layout") for job in old] == [None, "keras"]
    assert fleet.json("job", str(old[0]["id"]))["options"] == old[0]["options"]
    for command in (["job", str(old[0]["id"])], ["jobs"], ["status"]):
        shown = fleet.run(*command).stdout.split()
        assert set(line.split()) <= set(shown), shown
    assert "no options" in fleet.run("job", "1").stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"backend": "cntk"}, "backend is 'cntk', not one of tensorflow, theano"),
        ({"limits": ["layers"]}, "'layers' is not NAME=NUMBER"),
        ({"limits": ["patience=1"]}, "there is no limit 'patience'; there are file_bytes, "),
        ({"limits": ["layers=1", "layers=2"]}, "a limit is given twice"),
        ({"io_layout": "NCHW"}, "io_layout is 'NCHW'"),
        ({"input_shape": ["32,32,3"]}, "is not NAME_OR_NUMBER=32,32,3"),
        ({"input_shape": ["1=3", "2=3"]}, "one input"),
        ({"architecture": "/no/such.json"}, "/no/such.json: the architecture cannot be read"),
        ({"architecture": "applications:ResNet51"}, "no application 'ResNet51'; known are"),
    ],
)
def test_a_value_that_would_fail_in_every_job(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        conversion_options(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "not JSON", "[]", "{}", '{"class_name": "Sequential"}', '{"config": {}, "class_name": "Model"}',
             '{"class_name": "Model", "config": {"layers": []}, "keras_version": "9e9"}']
)  # fmt: skip
def test_a_file_that_is_no_architecture(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError, match=r"^a\.json: no architecture: "):
        conversion_options(architecture=tmp_path / "a.json")


def test_an_application_has_one_spelling() -> None:
    asked = conversion_options(architecture="applications:resnet50").architecture
    assert asked is not None
    assert asked.as_json() == {"name": "applications:ResNet50"}

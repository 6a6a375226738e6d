"""What a migration would do, said without doing it, and how little is read for that."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from storage import StoreSettings, open_store
from storage.store import ObjectInfo
from tests import servers
from tests.crafted import layer, numbers, sequential
from tests.fleet import models
from tests.fleet.command import Fleet
from tests.source.test_keras_zip import archive, weights_file


def files(folder: Path) -> dict[str, int]:
    """All but the database's own, which even a reader touches."""
    found = (path for path in folder.rglob("*") if ".fleet" not in path.parts)
    return {str(path): path.stat().st_mtime_ns for path in found}


def test_it_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    places = (str(tmp_path / "in"), str(tmp_path / "out"))
    models.dense(tmp_path / "in" / "a.h5")
    models.unsupported(tmp_path / "in" / "odd.h5")
    models.unsupported(tmp_path / "in" / "left-out.h5")
    models.corrupt(tmp_path / "in" / "broken.h5")
    fleet = Fleet(tmp_path / "home")
    found = fleet.json("migrate", *places, "--dry-run", "--exclude", "left-*")
    assert not (tmp_path / "out").exists()
    assert (found["models"], found["to_do"], found["outlook"]) == (3, 3, {"new": 3})
    assert (found["convertible"], found["unsupported"], found["unreadable"]) == (1, 1, {"not-hdf5": 1})
    assert found["problems"][0].startswith("broken.h5: ")
    assert found["estimated_seconds"] is None
    by_class = {row["class"]: row for row in found["layers"]}
    assert by_class["Dense"]["models"] == 2
    assert by_class["Wizardry"] == {"class": "Wizardry", "models": 1, "blocks": 1, "blocks_alone": 1}

    fleet.json("migrate", *places, "--exclude", "left-*")
    models.dense(tmp_path / "in" / "a.h5", seed=1)
    models.dense(tmp_path / "in" / "later.h5", seed=2)
    before = files(tmp_path / "out")
    found = fleet.json("migrate", *places, "--dry-run", "--exclude", "left-*")
    assert found["outlook"] == {"changed": 1, "known": 2, "new": 1}
    assert found["to_do"] == 2
    assert found["estimated_seconds"] > 0
    assert files(tmp_path / "out") == before
    found = fleet.json("migrate", *places, "--dry-run", "--io-layout", "keras")
    assert found["outlook"] == {"changed": 1, "new": 2, "other-recipe": 2}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 MB in forty layers."""
    layers = [
        models._dense_config(f"d{number}", 450, "relu", [None, 450] if number == 0 else None)
        for number in range(40)
    ]
    weights = {f"d{number}": [np.ones((450, 450)), np.ones(450)] for number in range(40)}
    return models.write(tmp_path_factory.mktemp("large") / "large.h5", layers, weights)


def test_little_of_a_large_model_in_a_bucket_is_read(
    large: Path, s3_server: servers.S3, s3_bucket: str
) -> None:
    from fleet.look import Looker

    store = open_store(f"s3://{s3_bucket}", StoreSettings(s3_endpoint_url=s3_server.endpoint))
    store.put_file("large.h5", large)
    (found,) = store.list()
    with Looker() as looker:
        seen = looker.look(store, found)
        assert seen.problem is None
        assert seen.layers["Dense"] == 40
        assert seen.fetched_bytes < large.stat().st_size / 16
        gone = ObjectInfo(**{**vars(found), "etag": "another"})
        assert looker.look(store, gone).kind == "object-changed"


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_of_an_archive_its_directory_and_the_structure_of_its_weights_are_read(
    tmp_path: Path, packing: int
) -> None:
    from fleet.look import Looker

    names = ["first", *(f"d{number}" for number in range(15))]
    config = sequential(
        layer("InputLayer", "in", batch_shape=[None, 256]),
        *(layer("Dense", name, units=256, trainable=True) for name in names),
    )
    groups = {
        f"layers/dense{'' if number == 0 else f'_{number}'}": [numbers(256, 256), numbers(256)]
        for number in range(len(names))
    }
    path = archive(tmp_path / "a.keras", config=config, weights=weights_file(groups), packing=packing)
    store = open_store(str(tmp_path))
    (found,) = store.list()
    with Looker() as looker:
        seen = looker.look(store, found)
    assert (seen.problem, seen.reasons, seen.layers["Dense"]) == (None, (), 16)
    # What is packed has to be unpacked to see anything of it.
    share = 5 if packing == zipfile.ZIP_STORED else 1
    assert seen.fetched_bytes <= path.stat().st_size / share


def test_a_file_that_asks_for_too_much_is_left(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fleet import look

    monkeypatch.setattr(look, "MOST_BYTES", 128 << 10)
    store = open_store(str(large.parent))
    (found,) = store.list()
    with look.Looker() as looker:
        assert looker.look(store, found).kind == "too-large"

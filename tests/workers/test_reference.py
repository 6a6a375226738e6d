"""What the child that loads Keras may open: what we wrote of the model, and never the model."""

import threading
from pathlib import Path
from typing import Any

import h5py
import pytest

from keras2torch import convert
from tests.crafted import dense_model
from workers import isolation, proof
from workers.isolation import Sandboxes


class ReferenceReachedError(Exception):
    """Stops a proof where the reference would begin."""


def test_the_reference_cannot_open_the_source(sandboxes: Sandboxes, tmp_path: Path) -> None:
    source, work = tmp_path / "source" / "m.h5", tmp_path / "proof"
    for folder in (source.parent, work):
        folder.mkdir()
    bundle = convert(dense_model(source), tmp_path / "bundle").path

    def run(
        server: str, target: str, payload: dict[str, Any], *, workdir: Path, readable: tuple[Path, ...] = ()
    ) -> Any:
        def confined(target: str, payload: dict[str, Any]) -> Any:
            return sandboxes.run(
                # The walls are the same for every server, and this one has no TensorFlow to import.
                isolation.ENGINE,
                target,
                payload,
                stage="verify",
                workdir=workdir,
                readable=readable,
                seconds=60,
                stop=threading.Event(),
            ).result

        if not target.endswith(":run_reference"):
            return confined(target, payload)
        assert server == "tf_keras"
        seen = confined(
            "tests.sandbox.targets:open_each", {"paths": [str(source), str(bundle / "manifest.json")]}
        )
        assert seen == {str(source): "PermissionError", str(bundle / "manifest.json"): "PermissionError"}
        given = [path for path in workdir.rglob("*") if path.is_file()]
        assert {path.name for path in given} >= {"plan.json", "weights.npz"}
        assert not any(h5py.is_hdf5(path) for path in given)
        raise ReferenceReachedError

    with pytest.raises(ReferenceReachedError):
        proof.prove(run, source=source, bundle=bundle, workdir=work, device="cpu")

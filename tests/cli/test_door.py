"""The public door holds its names and no others, and opening it costs no framework."""

import json
import subprocess
import sys
from pathlib import Path

import keras2torch
from tests.crafted import dense_model

HEAVY = ("torch", "tensorflow", "keras", "tf_keras", "h5py", "rich")


def test_the_door_holds_its_names() -> None:
    assert sorted(keras2torch.__all__) == [
        "Conversion",
        "Inspection",
        "__version__",
        "convert",
        "export",
        "inspect",
        "load",
        "push",
        "verify",
    ]
    for name in keras2torch.__all__:
        assert getattr(keras2torch, name) is not None
        if name != "__version__":
            assert getattr(keras2torch, name).__module__.startswith("keras2torch.")
    assert not hasattr(keras2torch, "no_such_name")


def test_inspecting_and_converting_import_no_framework(tmp_path: Path) -> None:
    path = dense_model(tmp_path / "m.h5")
    code = (
        "import json, sys, keras2torch\n"
        f"assert keras2torch.inspect({str(path)!r}).convertible\n"
        f"keras2torch.convert({str(path)!r}, {str(tmp_path / 'out')!r})\n"
        "from keras2torch.layers import _registry\n"
        "_registry.rules()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert "numpy" in imported
    assert not imported & set(HEAVY)


def test_importing_the_door_imports_not_even_numpy() -> None:
    code = "import sys, keras2torch; print('numpy' in sys.modules, keras2torch.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", keras2torch.__version__]

"""The page docs/custom-layers.md, done: a rule and a replacement of the user's own, from .h5 to verdict."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import keras2torch
from keras2torch.errors import UnsupportedModel, UsageError
from keras2torch.options import Replacement, UserFile
from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.crafted import layer, numbers, sequential, write_model

PAGE = Path(__file__).parents[2] / "docs" / "custom-layers.md"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two files of the page."""
    folder = tmp_path_factory.mktemp("own")
    rule, replacement = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (folder / "my_layers.py").write_text(rule)
    (folder / "my_torch.py").write_text(replacement)
    return folder


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def source(
    request: pytest.FixtureRequest, sandboxes: Mapping[str, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("source")
    payload = {"library": request.param, "path": str(folder / "model.h5")}
    outcome = sandboxes[request.param].run("tests.parity.custom_models:save", payload, workdir=folder)
    assert outcome.ok, outcome.log_tail
    return folder / "model.h5"


def test_the_page_holds(source: Path, files: Path, verifier: Verifier, tmp_path: Path) -> None:
    layers, replace = [files / "my_layers.py"], [f"centre={files / 'my_torch.py'}:Centre"]
    bundle = keras2torch.convert(source, tmp_path / "bundle", layers=layers, replace=replace).path
    with pytest.raises(UsageError, match=r"made with --layers of my_layers.py: verifying needs the same"):
        verifier.verify(bundle, source)
    report = verifier.verify(
        bundle, source, layers=list(map(UserFile.read, layers)), replace=list(map(Replacement.parse, replace))
    )
    assert report.passed, report.failures
    assert report.given == ["centre", "own"]
    assert {figures.layer for figures in report.layers} == {"before", "between", "behind"}
    assert report.structure_error <= 1e-12


def test_what_stands_behind_a_layer_of_ones_own_is_still_judged(
    source: Path, files: Path, verifier: Verifier, tmp_path: Path
) -> None:
    layers, replace = [files / "my_layers.py"], [f"centre={files / 'my_torch.py'}:Centre"]
    bundle = keras2torch.convert(source, tmp_path / "bundle", layers=layers, replace=replace).path
    text = (bundle / "model.py").read_text()
    (bundle / "model.py").write_text(text.replace("self.behind(x)", "-self.behind(x)"))
    report = verifier.verify(
        bundle, source, layers=list(map(UserFile.read, layers)), replace=list(map(Replacement.parse, replace))
    )
    assert not report.passed
    assert report.first_departure
    assert report.first_departure.layer == "behind"


def test_without_the_rule_the_layer_is_refused_afterwards_too(
    source: Path, files: Path, tmp_path: Path
) -> None:
    replace = [f"centre={files / 'my_torch.py'}:Centre"]
    keras2torch.convert(source, tmp_path / "bundle", layers=[files / "my_layers.py"], replace=replace)
    with pytest.raises(UnsupportedModel, match="zoo>Scale is not supported"):
        keras2torch.convert(source, tmp_path / "other", replace=replace)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Other:\n    pass\n", "has no class Thing"),
        ("class Thing:\n    pass\n", "is no class of torch.nn.Module"),
        ("from torch import nn\nN = 3\nclass Thing(nn.Module):\n    n = N\n", "uses N, a variable"),
        ("from torch import nn\nclass Thing(nn.Module):\n    def __init__(self, n): ...\n", "without arguments"),
        ("from torch import nn\nclass Thing(nn.Module):\n    def forward(self): ...\n", "does not run on"),
        ("from torch import nn\nclass Thing(nn.Linear):\n    def __init__(self):\n        super().__init__(3, 3)\n",
         "has the tensors weight (3, 3), bias (3,), the Keras layer none"),
        ("class Thing(:\n", "cannot be read as Python"),
        ("raise ValueError('no')\nclass Thing:\n    pass\n", "cannot be run (ValueError: no)"),
    ],
)  # fmt: skip
def test_a_replacement_that_does_not_fit_is_a_usage_error(text: str, message: str, tmp_path: Path) -> None:
    model = write_model(
        tmp_path / "m.h5", sequential(layer("Foreign", "odd", batch_input_shape=[None, 3])), {}
    )
    (tmp_path / "own.py").write_text(text)
    with pytest.raises(UsageError, match=re.escape(message)):
        keras2torch.convert(model, tmp_path / "out", replace=[f"odd={tmp_path / 'own.py'}:Thing"])
    assert not (tmp_path / "out").exists()


def test_a_replacement_holds_the_weights_of_its_layer(tmp_path: Path) -> None:
    config = sequential(layer("Foreign", "odd", batch_input_shape=[None, 3], how="so"))
    kernel = numbers(3, 2)
    model = write_model(tmp_path / "m.h5", config, {"odd": {"odd/inner/kernel:0": kernel}})
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Inner(nn.Module):\n"
        "    def __init__(self) -> None:\n        super().__init__()\n"
        "        self.kernel = nn.Parameter(torch.zeros(3, 2))\n\n\n"
        "class Thing(nn.Module):\n    def __init__(self) -> None:\n        super().__init__()\n"
        "        self.inner = Inner()\n\n    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
        "        return x @ self.inner.kernel\n"
    )
    bundle = keras2torch.convert(model, tmp_path / "out", replace=[f"odd={tmp_path / 'own.py'}:Thing"]).path
    check = (
        f"import sys, torch, numpy as np; sys.path.insert(0, {str(bundle)!r}); import model; "
        "x = torch.eye(3); np.save(sys.argv[1], model.load_model()(x).detach().numpy())"
    )
    subprocess.run([sys.executable, "-c", check, str(tmp_path / "y.npy")], check=True, timeout=120)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), kernel)


@pytest.mark.parametrize("name", ["nothing", "d"])
def test_the_name_to_be_replaced_is_that_of_one_layer(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("from torch import nn\nclass Thing(nn.Identity): ...\n")
    inner = sequential(layer("ReLU", "d"), name="inner")
    second = sequential(layer("ReLU", "d"), name="second")
    config = sequential(layer("Dense", "first", units=2, batch_input_shape=[None, 3]), inner, second)
    model = write_model(tmp_path / "m.h5", config, {"first": {"k": numbers(3, 2), "b": numbers(2)}})
    with pytest.raises(UsageError, match=r"(no layer has|several layers have) the name"):
        keras2torch.convert(model, tmp_path / "out", replace=[f"{name}={tmp_path / 'own.py'}:Thing"])


OWN_RULE = '''
from keras2torch.extending import LayerCall, Masks, Value, call, converts, example


@converts("GroupNormalization", examples=[example((4, 6), groups=3)])
def group_normalization(layer: LayerCall) -> Value:
    """A layer norm."""
    layer.options.ignore_all()
    x = layer.keras_layout(layer.input)
    return layer.like(x, call("F.layer_norm", x, (x.shape[-1],)))
'''


WHOSE = """
from keras2torch.layers._registry import find, rules
from keras2torch.source.model import Generation as G

files = [(G.KERAS2, "2.2.4"), (G.TF_KERAS, "2.10.0"), (G.TF_KERAS, "2.15.0")]
own = [find("GroupNormalization", *file).custom for file in files]
print(find("zoo>Scale").custom, *own, rules()["GroupNormalization"].custom)
"""


def test_an_installed_package_may_bring_rules(tmp_path: Path) -> None:
    package = tmp_path / "site"
    info = package / "zoo_layers-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-layers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[keras2torch.layers]\nzoo = zoo_layers\n")
    rule, _ = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (package / "zoo_layers.py").write_text(rule + OWN_RULE)
    environment = {"PYTHONPATH": f"{package}:{Path(keras2torch.__file__).parents[1]}"}
    done = subprocess.run(
        [sys.executable, "-c", WHOSE], capture_output=True, text=True, env=environment, check=True, timeout=60
    )
    # A name that Keras took later is the package's in files from before.
    assert done.stdout == "True True True False False\n"
    (package / "zoo_layers.py").write_text("import nothing_of_that_name\n")
    done = subprocess.run(
        [sys.executable, "-c", WHOSE],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=60,
    )
    assert "UsageError: the plug-in zoo (zoo_layers) cannot be loaded: No module named" in done.stderr


def test_its_author_says_what_it_computes(verifier: Verifier, tmp_path: Path) -> None:
    """By a rule for the very name that Keras took later."""
    own = tmp_path / "own.py"
    own.write_text(OWN_RULE)
    config = sequential(
        layer("InputLayer", "in", batch_input_shape=[None, 4, 6]),
        layer("GroupNormalization", "it", groups=3),
        layer("Dense", "d", units=2, use_bias=False),
    )
    weights = {"d": {"d/kernel:0": numbers(6, 2)}}
    path = write_model(tmp_path / "m.h5", config, weights, keras_version="2.2.4")
    with pytest.raises(UnsupportedModel, match="Keras 2 has no layer GroupNormalization"):
        keras2torch.convert(path, tmp_path / "bundle")
    keras2torch.convert(path, tmp_path / "bundle", layers=[own])
    assert "F.layer_norm(" in (tmp_path / "bundle" / "model.py").read_text()
    report = verifier.verify(tmp_path / "bundle", path, layers=[UserFile.read(own)])
    assert report.passed, report.failures
    assert report.given == ["it"]

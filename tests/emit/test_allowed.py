"""The check of emitted source, by planting in sound source what no rule may write."""

from pathlib import Path

import pytest

from keras2torch import convert
from keras2torch.cli import main
from keras2torch.emit import module
from keras2torch.emit.allowed import ForbiddenSource, check_source
from tests.crafted import dense_model
from tests.emit.golden_models import GOLDEN

TEXT = (GOLDEN / "text.py.txt").read_text(encoding="utf-8")
PLACE = "        x = last_valid(x, mask)  # (5,)\n"
PARTS = ["take_steps", "valid_first", "last_valid"]


def check(text: str) -> None:
    check_source(text, parts=PARTS, own_parts=[], class_name="Text")


def test_what_rules_write_passes() -> None:
    assert PLACE in TEXT
    check(TEXT)


@pytest.mark.parametrize(
    "statement",
    [
        "import os",
        "from os import system",
        "x = eval('1')",
        "x = exec",
        "x = open('/etc/passwd')",
        "x = getattr(x, 'sum')",
        "x = __import__('os')",
        "x = x.__class__",
        "x = self.__dict__",
        "self.lstm.__class__.requires_grad_(False)",
        "self.lstm.requires_grad_(x)",
        "self.lstm().requires_grad_(False)",
        "x = torch.load('weights.pt')",
        "x = torch.save(x, 'weights.pt')",
        "x = torch.hub.load('a', 'b')",
        "x = torch.ops.load_library('x.so')",
        "x = torch.utils.cpp_extension.load('x')",
        "x = torch.linalg.torch.load('weights.pt')",
        "x = nn.functional.torch.load('weights.pt')",
        "x = nn.modules.torch.load('weights.pt')",
        "x = F.importlib.import_module('os')",
        "x = nn.Module.__subclasses__()",
        "x = x.numpy().tofile('x')",
        "x = x.register_hook(print)",
        "x = x.apply_(abs)",
        "x = '{0.__class__}'.format(x)",
        "x = f'{x}'",
        "x = Path('/etc/passwd').read_text()",
        "x = load_file('/etc/passwd')",
        "x = load_model()",
        "x = unknown(x)",
        "x = [y for y in x]",
        "x = (y := x)",
        "x = ｅval",
        "torch = x",
        "float = x",
        "super = x",
        "x.sum = 1",
        "del x",
        "global x",
        "x = yield x",
        "if x: pass",
        "while True: pass",
        "for y in x: pass",
        "try: pass\n        except Exception: pass",
        "assert x",
        "raise ValueError",
        "x += 1",
        "x -= x",
        "self.weight += x",
        "1 + 1",
        "x",
        "def inner(): pass",
        "x = PyTorchModelHubMixin.from_pretrained('somebody/else')",
        "class Inner: pass",
        "async def inner(): pass",
    ],
)
def test_whatever_else_stands_in_forward_is_found(statement: str) -> None:
    with pytest.raises(ForbiddenSource):
        check(TEXT.replace(PLACE, f"{PLACE}        {statement}\n"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import torch\n", "import torch\nimport os\n"),
        ("import torch\n", "import torch as os\n"),
        ("from torch import nn\n", "from torch import nn, hub\n"),
        ("Model = Text\n", "Model = Text\nprint(1)\n"),
        ("Model = Text\n", "Model = eval\n"),
        ("Model = Text\n", "Model = Text\n\n\ndef more():\n    return 1\n"),
        ("Model = Text\n", "Model = Text\n\n\nclass Text:\n    x = 1\n"),
        ("class Text(nn.Module):", "class Text(nn.Module, metaclass=eval):"),
        ("class Text(nn.Module):", "@eval\nclass Text(nn.Module):"),
        ("    rows = torch", "    import os\n    rows = torch"),
        ("    rows = torch", "    eval('1')\n    rows = torch"),
        ("    rows = torch", "    torch.load('x')\n    rows = torch"),
        ("    rows = torch", "    mask.__class__\n    rows = torch"),
        ("    model = Model()", "    model = eval('Model')()"),
        ("load_file(path)", "torch.load(path)"),
        ("return self.linear(x)", "return self.linear(x))"),
        ("return self.linear(x)", "return self.linear(x)\0"),
    ],
)
def test_whatever_else_stands_elsewhere_is_found(before: str, after: str) -> None:
    assert before in TEXT
    with pytest.raises(ForbiddenSource):
        check(TEXT.replace(before, after, 1))


def test_files_of_the_caller_may_hold_anything() -> None:
    text = TEXT.replace("    rows = torch", "    import os\n    rows = torch").replace(
        "import torch\n", "import os\nimport torch\n", 1
    )
    check_source(text, parts=PARTS, own_parts=PARTS, class_name="Text")
    with pytest.raises(ForbiddenSource):
        check_source(
            text.replace(PLACE, f"{PLACE}        x = eval(x)\n"),
            parts=PARTS,
            own_parts=PARTS,
            class_name="Text",
        )


def test_a_violation_is_an_internal_error_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_LOAD_MODEL", module._LOAD_MODEL.replace("load_file(", "torch.load("))
    path = dense_model(tmp_path / "m.h5")
    with pytest.raises(ForbiddenSource, match=r"'torch\.load'"):
        convert(path, tmp_path / "out")
    assert main(["convert", str(path), "-o", str(tmp_path / "out")]) == 1
    assert "internal error: ForbiddenSource" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]

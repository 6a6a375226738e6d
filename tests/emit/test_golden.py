"""The whole emitted file of six small models, compared with what a person has looked at."""

import ast
import json
from pathlib import Path

import pytest

from keras2torch import convert
from tests.crafted import call, functional, layer, write_model
from tests.emit.golden_models import GOLDEN, MODELS, source, weights_for, write_golden_model


@pytest.fixture(params=MODELS)
def bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return convert(write_golden_model(tmp_path, request.param), tmp_path / request.param).path


def test_the_file_is_the_expected_one(bundle: Path) -> None:
    golden = GOLDEN / f"{bundle.name}.py.txt"
    assert (bundle / "model.py").read_text() == golden.read_text()


STATEMENTS = {
    "mlp": [
        "dense_1: x = F.relu(self.dense_1(dense_1_input))",
        "dropout_1: x = self.dropout_1(x)",
        "dense_2: x = torch.softmax(self.dense_2(x), dim=-1)",
    ],
    "classifier": [
        "conv: x = F.relu(self.conv(conv_input), inplace=True)",
        "pool: x = self.pool(x)",
        "strided: x = self.strided(F.pad(x, (0, 1, 0, 1)))",
        "bn: x = self.bn(x)",
        "relu: x = F.relu(x, inplace=True)",
        # Not the Flatten: its elements stand in torch's order.
        "logits: x = self.logits(x)",
    ],
    "text": [
        "embedding: x = self.embedding(embedding_input.long())",
        "lstm: x = last_valid(x, mask)",
        "dense: x = self.dense(x)",
    ],
    "parts": [
        "encoder/conv: x = self.encoder_conv(F.pad(left.transpose(1, 2), (2, 0)))",
        "encoder/conv: y = self.encoder_conv(F.pad(right.transpose(1, 2), (2, 0)))",
        "encoder/drop: x = self.encoder_drop(x)",
        "encoder/drop: y = self.encoder_drop(y)",
        "difference: x = x - y",
    ],
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_manifest_names_the_line_of_every_call(tmp_path: Path, name: str) -> None:
    bundle = convert(write_golden_model(tmp_path, name), tmp_path / name, style="flat").path
    manifest = json.loads((bundle / "manifest.json").read_text())
    tree = ast.parse((bundle / "model.py").read_text())
    statements = {node.lineno: node for node in ast.walk(tree) if isinstance(node, ast.stmt)}
    found = [
        f"{layer['keras_name']}: {ast.unparse(statements[output['line']])}"
        for layer in manifest["layers"]
        for output in layer["outputs"]
    ]
    assert found == STATEMENTS[name]
    assert all(output["module"] == "" for layer in manifest["layers"] for output in layer["outputs"])


def test_lines_are_right_behind_statements_of_several_lines(tmp_path: Path) -> None:
    # Long names break the lines of __init__ and forward, and are in the docstring.
    names = [f"{letter}_{'very_' * 9}long_name" for letter in "abc"]
    layers = [
        source(names[0], 6, 6, 3),
        layer(
            "Conv2D", names[1], call(names[0]), filters=4, kernel_size=[3, 5], strides=[2, 3], dilation_rate=1
        ),
        layer("Activation", names[2], call(names[1]), activation="squareplus"),
        layer("Add", "sum", call(names[2], names[1])),
    ]
    config = functional(layers, [[names[0], 0, 0]], [["sum", 0, 0]], name="x" * 200)
    path = write_model(tmp_path / "m.h5", config, weights_for(config, "2.15.0"))
    bundle = convert(path, tmp_path / "out").path
    tree = ast.parse((bundle / "model.py").read_text())
    statements = {node.lineno: node for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    layers_found = json.loads((bundle / "manifest.json").read_text())["layers"]
    lines = {entry["keras_name"]: entry["outputs"][0]["line"] for entry in layers_found if entry["outputs"]}
    assert f"self.{names[1]}({names[0]})" in ast.unparse(statements[lines[names[1]]])
    assert "torch.sqrt" in ast.unparse(statements[lines[names[2]]])
    text = (bundle / "model.py").read_text().split("\n")
    assert max(len(line) for line in text[8:]) <= 110

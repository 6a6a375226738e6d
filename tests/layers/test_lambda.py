"""The rule for Lambda layers, on files made without Keras: what is shown, what is refused, and what the source says."""

import base64
import json
import marshal  # noqa: TID251  to write what is read; nothing here reads with it
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert
from keras2torch.inspection import Inspection, inspect
from tests.crafted import call, functional, layer, sequential, write_model


def code(function: Callable[..., Any]) -> list[Any]:
    """As Keras 2 stores a function."""
    return [base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"), function.__defaults__, None]


def of_lambda(path: Path, function: Any, *, shape: tuple[int | None, ...] = (4, 3), **options: Any) -> Path:
    """A model of one Lambda."""
    config = {"function_type": "lambda", "arguments": {}, "output_shape": None, **options}
    made = layer("Lambda", "own", function=function, batch_input_shape=[None, *shape], **config)
    return write_model(path / "model.h5", sequential(made), {})


def reason(inspection: Inspection) -> str:
    (only,) = inspection.reasons
    return str(only)


def test_what_was_read_is_shown_in_the_manifest_and_the_card(tmp_path: Path) -> None:
    model = of_lambda(tmp_path, code(lambda x: x / 127.5 - 1))
    shown = "own (Lambda): read from its bytecode as x / 127.5 - 1: check that this is what you wrote"
    assert inspect(model).warnings == (shown,)
    bundle = convert(model, tmp_path / "bundle").path
    assert json.loads((bundle / "manifest.json").read_text())["warnings"] == [shown]
    assert f"`{shown}`" in (bundle / "README.md").read_text()


def test_a_name_from_the_file_is_shown_only_where_it_is_a_plain_one(tmp_path: Path) -> None:
    function = (lambda x: x * 2).__code__.replace(co_varnames=("x`\n<b>",))
    text = base64.b64encode(marshal.dumps(function)).decode("ascii")
    (warning,) = inspect(of_lambda(tmp_path, [text, None, None])).warnings
    assert "read from its bytecode as x * 2: check" in warning


def test_a_refusal_says_why_and_what_to_do(tmp_path: Path) -> None:
    found = inspect(of_lambda(tmp_path, code(lambda x: custom_fn(x))))  # type: ignore[name-defined]  # noqa: F821, PLW0108
    assert reason(found) == (
        "own (Lambda): its function <lambda> uses the global custom_fn, whose meaning is not in the file; "
        "put a torch class of yours in its place with --replace own=file.py:ClassName"
    )


def test_a_function_of_which_only_the_name_is_kept_is_refused(tmp_path: Path) -> None:
    found = inspect(of_lambda(tmp_path, "my_norm", function_type="function", module="my.code"))
    assert "its function is 'my_norm', of which the file holds nothing but the name; put" in reason(found)


def test_what_an_operation_refuses_is_told_with_the_expression(tmp_path: Path) -> None:
    found = inspect(of_lambda(tmp_path, code(lambda x: x[:, 9])))
    assert "its function was read as x[:, 9], but " in reason(found)
    assert "--replace own=file.py:ClassName" in reason(found)


@pytest.mark.parametrize(
    ("recorded", "converts"),
    [
        ([3], True),
        ([None], True),
        ([4], False),
        ([4, 3], False),
        ({"class_name": "__tuple__", "items": [3]}, True),
    ],
)
def test_a_recorded_shape_must_agree(recorded: Any, converts: bool, tmp_path: Path) -> None:
    found = inspect(
        of_lambda(tmp_path, code(lambda x: x[:, 0]), output_shape=recorded, output_shape_type="raw")
    )
    assert found.convertible == converts
    assert converts or "its output_shape says (4" in reason(found)


def test_a_function_for_the_shape_is_not_even_read(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "output_shape": ["no bytecode", None, None],
        "output_shape_type": "lambda",
        "output_shape_module": "x",
    }
    assert inspect(of_lambda(tmp_path, code(lambda x: x * 2), **given)).convertible


def test_a_mask_of_its_own_is_refused(tmp_path: Path) -> None:
    found = inspect(
        of_lambda(tmp_path, code(lambda x: x * 2), mask=code(lambda mask: mask), mask_type="lambda")
    )
    assert "computes a mask with a function of its own" in reason(found)


def test_options_nobody_knows_are_refused(tmp_path: Path) -> None:
    assert "options odd=1 are not supported" in reason(
        inspect(of_lambda(tmp_path, code(lambda x: x * 2), odd=1))
    )


def test_arguments_must_be_an_object(tmp_path: Path) -> None:
    found = inspect(of_lambda(tmp_path, code(lambda x: x * 2), arguments=[1]))
    assert "its function is given arguments that are no object" in reason(found)


def test_integers_divide_otherwise_in_python_2(tmp_path: Path) -> None:
    """`x / 2`, compiled by hand for Python 2.7."""
    instructions = bytes.fromhex("7c0000 640100 15 53")
    raw = b"c" + b"".join(n.to_bytes(4, "little") for n in (1, 1, 2, 0x43)) + b"s\x08\0\0\0" + instructions
    raw += b"(\2\0\0\0Ni\2\0\0\0(\0\0\0\0(\1\0\0\0t\1\0\0\0x(\0\0\0\0(\0\0\0\0"
    raw += b"s\1\0\0\0ft\1\0\0\0f\1\0\0\0s\0\0\0\0"
    assert inspect(of_lambda(tmp_path, [raw.decode("latin-1"), None, None])).convertible
    found = inspect(of_lambda(tmp_path, [raw.decode("latin-1"), None, None], dtype="int32"))
    assert "its inputs are integers, which Python 2 divides into integers" in reason(found)


def test_several_inputs_are_a_list(tmp_path: Path) -> None:
    first, second = (layer("InputLayer", name, batch_input_shape=[None, 5], dtype="float32") for name in "ab")
    options: dict[str, Any] = {"function_type": "lambda", "arguments": {}, "output_shape": None}
    for function, expected in (
        (lambda x: x[0] - x[1], True),
        (lambda x: x[2], False),
        (lambda x: x * 2, False),
    ):
        own = layer("Lambda", "own", call("a", "b"), function=code(function), **options)
        config = functional([first, second, own], [["a", 0, 0], ["b", 0, 0]], [["own", 0, 0]])
        assert inspect(write_model(tmp_path / "model.h5", config, {})).convertible == expected


def test_what_is_read_more_than_once_is_computed_once(tmp_path: Path) -> None:
    def shared(x: Any) -> Any:
        y = x * 2 + 1
        return y * y - y

    bundle = convert(of_lambda(tmp_path, code(shared)), tmp_path / "bundle").path
    assert (bundle / "model.py").read_text().count("* 2") == 1


@pytest.mark.parametrize(("read", "masked"), [("own", False), ("masking", True)])
def test_the_input_itself_passes_no_mask_on_but_keeps_its_own(
    read: str, masked: bool, tmp_path: Path
) -> None:
    inputs = layer("InputLayer", "a", batch_input_shape=[None, 5, 3], dtype="float32")
    masking = layer("Masking", "masking", call("a"), mask_value=0.0)
    own = layer("Lambda", "own", call("masking"), function=code(lambda x: x), function_type="lambda")
    pooling = layer("GlobalAveragePooling1D", "pooling", call(read))
    config = functional([inputs, masking, own, pooling], [["a", 0, 0]], [["pooling", 0, 0], ["own", 0, 0]])
    bundle = convert(write_model(tmp_path / "model.h5", config, {}), tmp_path / "bundle").path
    text = (bundle / "model.py").read_text()
    assert (".mean(dim=1)" in text) != masked
    assert (".sum(dim=1) /" in text) == masked


def test_a_merge_of_keras_1_may_be_a_function(tmp_path: Path) -> None:
    raw = base64.b64decode(code(lambda x: x[0] * x[1] - 1)[0]).decode("latin-1")
    inputs = [
        layer("InputLayer", name, batch_input_shape=[None, 5], input_dtype="float32", sparse=False)
        for name in "ab"
    ]
    options = {
        "mode": [raw, None, None],
        "mode_type": "lambda",
        "concat_axis": -1,
        "dot_axes": -1,
        "output_mask": None,
        "output_mask_type": "raw",
        "output_shape": [5],
        "output_shape_type": "raw",
        "arguments": {},
    }
    merge = layer("Merge", "merge", [["a", 0, 0], ["b", 0, 0]], **options)
    ends = [["a", 0, 0], ["b", 0, 0]], [["merge", 0, 0]]
    config = functional([*inputs, merge], *ends, class_name="Model")
    model = write_model(tmp_path / "model.h5", config, {}, keras_version="1.2.2", backend=None)
    found = inspect(model)
    assert found.reasons == ()
    assert "merge (Merge): read from its bytecode as x[0] * x[1] - 1: check" in found.warnings[0]
    merge["config"]["mode"] = code(lambda x: custom_fn(x))  # type: ignore[name-defined]  # noqa: F821, PLW0108
    found = inspect(write_model(tmp_path / "model.h5", config, {}, keras_version="1.2.2", backend=None))
    assert "uses the global custom_fn" in reason(found)

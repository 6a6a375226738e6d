"""The body of `forward`: which variable holds which tensor."""

from keras2torch.emit.code import Code, Statement, Value, call, template
from keras2torch.emit.forward import Body, write_body


def value(hint: str | None = None) -> Value:
    return Value((None, 3), "float32", (0, 1), hint=hint)


def step(code: Code, hint: str | None = None) -> Statement:
    return Statement(value(hint), code)


def body(inputs: list[Value], statements: list[Statement], outputs: list[Value]) -> Body:
    return write_body(inputs, statements, outputs)


def test_a_chain_lives_in_one_variable() -> None:
    source = value("input_1")
    first = step(call("f", source))
    second = step(call("g", first.value))
    third = step(call("h", second.value))
    written = body([source], [first, second, third], [third.value])
    assert written.parameters == ("x",)  # nobody named it
    assert [line.text for line in written.lines] == ["x = f(x)", "x = g(x)", "x = h(x)"]
    assert written.returns == "x"
    assert [line.value for line in written.lines] == [first.value, second.value, third.value]


def test_a_tensor_that_is_still_needed_keeps_its_variable() -> None:
    source = value("images")
    trunk = step(call("f", source))
    branch = step(call("g", trunk.value))
    total = step(template("{} + {}", trunk.value, branch.value))
    last = step(call("h", total.value))
    written = body([source], [trunk, branch, total, last], [last.value])
    assert [line.text for line in written.lines] == [
        "x = f(images)",
        "y = g(x)",
        "x = x + y",
        "x = h(x)",
    ]


def test_more_live_tensors_than_short_names_take_their_hints() -> None:
    source = value("image")
    steps = [step(call(f"f{i}", source), hint=f"branch/{i}") for i in range(5)]
    total = step(call("cat", *(each.value for each in steps)))
    written = write_body([source], [*steps, total], [total.value], plain=True)
    assert [line.text.split(" = ")[0] for line in written.lines[:5]] == [
        "x",
        "y",
        "z",
        "branch_3",
        "branch_4",
    ]
    assert written.lines[-1].text == "x = cat(x, y, z, branch_3, branch_4)"


def test_an_input_that_is_called_as_a_variable_is_one() -> None:
    sources = [value("y"), value("x")]
    first = step(call("f", sources[1]))
    second = step(call("g", *sources))
    last = step(call("h", first.value, second.value))
    written = body(sources, [first, second, last], [last.value])
    assert written.parameters == ("y", "x")
    assert [line.text for line in written.lines] == ["z = f(x)", "y = g(y, x)", "z = h(z, y)"]


def test_what_is_kept_for_later_is_a_skip_and_so_is_what_is_read_in_the_same_way() -> None:
    source = value("image")
    steps = [step(call("self.enter", source))]
    for number in range(3):
        steps.append(step(call(f"self.down{number}", steps[-1].value)))
    x = steps.pop()
    lines = [*steps, x]
    for number, kept in enumerate(reversed(steps)):
        lines.append(step(call(f"self.up{number}", lines[-1].value, kept.value)))
    written = write_body([source], lines, [lines[-1].value])
    assert [line.text for line in written.lines] == [
        "skip1 = self.enter(image)",
        "skip2 = self.down0(skip1)",
        "skip3 = self.down1(skip2)",
        "x = self.down2(skip3)",
        "x = self.up0(x, skip3)",
        "x = self.up1(x, skip2)",
        "x = self.up2(x, skip1)",
    ]


def test_several_outputs_have_the_names_that_somebody_gave_their_layers() -> None:
    source = value("image")
    mean, spread = step(call("f", source), "z_mean"), step(call("g", source), "dense_3")
    written = write_body([source], [mean, spread], [mean.value, spread.value], named_outputs=True)
    assert written.returns == "z_mean, x"


def test_outputs_that_are_called_as_variables_have_those_names_for_themselves() -> None:
    source = value("image")
    steps = [step(call(name, source), name) for name in ("f", "g")]
    ends = [step(call("h", each.value), "z") for each in steps]
    total = step(call("k", *(each.value for each in ends)), "total")
    outputs = [*(each.value for each in ends), total.value]
    written = write_body([source], [*steps, *ends, total], outputs, named_outputs=True)
    assert [line.text for line in written.lines][2:] == ["z = h(x)", "z_2 = h(y)", "total = k(z, z_2)"]
    assert written.returns == "z, z_2, total"


def test_an_input_is_never_overwritten() -> None:
    source = value("a")
    first = step(call("f", source))
    second = step(call("g", source, first.value))
    written = body([source], [first, second], [second.value])
    assert [line.text for line in written.lines] == ["x = f(a)", "x = g(a, x)"]


def test_a_value_without_a_statement_is_written_in_place() -> None:
    source = value("a")
    inline = Value((None, 3), "float32", (0, 1), template("{} + 1", source))
    last = step(call("f", inline))
    assert body([source], [last], [last.value]).lines[0].text == "x = f(a + 1)"


def test_several_outputs_and_an_input_that_is_one() -> None:
    source = value("a")
    first = step(call("f", source))
    second = step(call("g", first.value))
    assert body([source], [first, second], [second.value, source, first.value]).returns == "y, a, x"


def test_tuples_bind_several_values() -> None:
    source = value("a")
    output, state = value(), value("h")
    statement = Statement(output, call("lstm", source), "{}, ({}, _)", also=(state,))
    last = step(template("{} + {}", output, state))
    written = body([source], [statement, last], [last.value])
    assert [line.text for line in written.lines] == ["x, (h, _) = lstm(a)", "x = x + h"]


def test_masks_keep_their_name_and_never_each_others() -> None:
    source = value("mask")
    masks = [step(template("{} != 0", source), hint="mask") for _ in range(2)]
    last = step(call("f", *(mask.value for mask in masks)))
    written = body([source], [*masks, last], [last.value])
    targets = [line.text.split(" = ")[0] for line in written.lines]
    assert targets[0] == "mask"
    assert len({*targets[:2], *written.parameters}) == 3
    assert written.lines[-1].text.endswith(f"f({targets[0]}, {targets[1]})")


def test_names_of_the_file_are_not_hidden() -> None:
    source = value("SharedDropout")
    written = write_body([source], [], [source], frozenset({"SharedDropout"}))
    assert written.parameters == ("SharedDropout_2",)
    assert write_body([value("torch")], [], []).parameters == ("torch_2",)

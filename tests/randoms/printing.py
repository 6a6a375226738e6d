"""Recipes as the Python that builds them, for people."""

from typing import Any

from tests.randoms.recipe import Recipe, Step, is_layer


def as_code(recipe: Recipe, library: str, *, shapes: bool = True) -> str:
    """Statements that leave the model in `model`; `shapes` puts what every one yields behind it."""
    writer = _Writer(library, shapes)
    model = writer.model(recipe, None)
    lines = [f"import tensorflow as tf, {library} as k", "", *writer.lines, f"model = {model}"]
    if recipe.get("saved_as", "h5") != "h5":
        lines.append(f"# saved as {recipe['saved_as']}")
    if recipe.get("io_layout", "torch") != "torch":
        lines.append(f"# converted with io_layout={recipe['io_layout']!r}")
    return "\n".join([*lines, ""])


class _Writer:
    """Tensors are x0, x1 ... and layers layer0, layer1 ... in whatever model they are."""

    def __init__(self, library: str, shapes: bool) -> None:
        self.library, self.shapes = library, shapes
        self.lines: list[str] = []
        self.count = 0

    def model(self, recipe: Recipe, name: str | None) -> str:
        tensors: list[list[str]] = []
        layers: dict[int, str] = {}
        for number, step in enumerate(recipe["steps"]):
            variable = f"x{self.count}"
            self.count += 1
            several = len(step.get("shapes", [0])) > 1
            tensors.append(
                [f"{variable}[{n}]" for n in range(len(step["shapes"]))] if several else [variable]
            )
            made = self.step(number, step, tensors, layers, f"layer{self.count - 1}")
            shapes = ", ".join(str(tuple(shape)) for shape in step.get("shapes", []))
            self.lines.append(f"{variable} = {made}" + (f"  # {shapes}" if self.shapes else ""))
        named = f", name={name!r}" if name else ""
        inputs = [tensors[number][0] for number, step in enumerate(recipe["steps"]) if "input" in step]
        if recipe.get("sequential"):
            return f"k.Sequential([{', '.join([inputs[0], *layers.values()])}]{named})"
        outputs = [tensors[step][number] for step, number in recipe["outputs"]]
        return f"k.Model([{', '.join(inputs)}], [{', '.join(outputs)}]{named})"

    def step(
        self, number: int, step: Step, tensors: list[list[str]], layers: dict[int, str], fresh: str
    ) -> str:
        if "input" in step:
            given = step["input"]
            return f"k.Input({tuple(given['shape'])!r}, dtype={given['dtype']!r}, name={given['name']!r})"
        if "operation" in step:
            if self.library == "tf_keras":
                called = f"tf.{step['operation']}"
            else:
                called = f"k.src.ops.{step['operation']}({self.named(step['options'], tensors)})"
        else:
            if "layer" in step:
                layers[number] = fresh
                self.lines.append(f"{fresh} = {self.value(step['layer'], tensors)}")
            called = layers[step.get("again", number)]
        arguments = [self.value(each, tensors) for each in step["on"]]
        if step["call"]:
            arguments.append(self.named(step["call"], tensors))
        return f"{called}({', '.join(arguments)})"

    def named(self, values: dict[str, Any], tensors: list[list[str]]) -> str:
        return ", ".join(f"{key}={self.value(each, tensors)}" for key, each in values.items())

    def value(self, value: Any, tensors: list[list[str]]) -> str:
        if isinstance(value, list):
            return f"[{', '.join(self.value(each, tensors) for each in value)}]"
        if not isinstance(value, dict):
            return repr(value)
        if is_layer(value):
            if "model" in value:
                return self.model(value["model"], value["name"])
            return f"k.layers.{value['class']}({self.named(value['config'], tensors)})"
        if "ref" in value:
            name: str = tensors[value["ref"][0]][value["ref"][1]]
            return name
        if "tuple" in value:
            return f"({', '.join(self.value(each, tensors) for each in value['tuple'])},)"
        if "slice" in value:
            return f"slice({', '.join(map(repr, value['slice']))})"
        if "ellipsis" in value:
            return "..."
        return f"dict({self.named(value, tensors)})"

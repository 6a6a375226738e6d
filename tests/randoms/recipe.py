"""Recipes: models as plain data, so that they can be drawn in one process, built in others, cut down, and printed.

A recipe has `steps`, each of which yields tensors, and `outputs`, some of these. A step is one of

- `{"input": {"shape": ..., "dtype": ...}}`
- `{"layer": LAYER, "on": [...], "call": {...}}`: a new layer, and the arguments of its call
- `{"again": number, "on": [...], "call": {...}}`: another call of the layer that the step of that number made
- `{"operation": name, "options": {...}, "on": [...], "call": {...}}`: an operation between layers; `options` are
  those of Keras 3's constructor

and holds, once built, the `shapes` and `dtypes` of what it yields. `LAYER` is `{"class": name, "config": {...}}`, with
more of its kind in its config where it wraps layers, or `{"model": RECIPE, "name": ...}`. Among arguments,
`{"ref": [step, number]}` is a tensor, and `tuple`, `slice` and `ellipsis` stand for what JSON has no word for.
A recipe with `sequential` is a `Sequential`: one chain of layers.
"""

from collections.abc import Callable, Iterator
from typing import Any

Recipe = dict[str, Any]
Step = dict[str, Any]
Ref = tuple[int, int]
WORDLESS = {"tuple", "slice", "ellipsis"}


def ref(step: int, number: int = 0) -> dict[str, list[int]]:
    return {"ref": [step, number]}


def refs_in(value: Any) -> Iterator[Ref]:
    """The tensors that arguments name. A nested model's are its own."""
    if isinstance(value, dict):
        if "ref" in value:
            yield (value["ref"][0], value["ref"][1])
        else:
            for each in value.values():
                yield from refs_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from refs_in(each)


def with_refs(value: Any, change: Callable[[Ref], Any]) -> Any:
    """The same arguments with other tensors."""
    if isinstance(value, dict):
        if "ref" in value:
            return change((value["ref"][0], value["ref"][1]))
        return {key: with_refs(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [with_refs(each, change) for each in value]
    return value


def rewired(step: Step, change: Callable[[Ref], Any]) -> Step:
    return step | {key: with_refs(step[key], change) for key in ("on", "call") if key in step}


def reads(step: Step) -> list[Ref]:
    return [*refs_in(step.get("on")), *refs_in(step.get("call"))]


def pruned(recipe: Recipe) -> Recipe:
    """The recipe without steps that no output needs. The first call of a shared layer makes it: where it goes, the
    next takes its place.
    """
    steps: list[Step] = recipe["steps"]
    needed = {step for step, _ in map(tuple, recipe["outputs"])}
    for number in reversed(range(len(steps))):
        if number in needed:
            needed.update(step for step, _ in reads(steps[number]))
    number_of: dict[int, int] = {}
    made: dict[int, int] = {}
    kept: list[Step] = []
    for number, step in enumerate(steps):
        if number not in needed:
            continue
        number_of[number] = len(kept)
        new = rewired(step, lambda each: ref(number_of[each[0]], each[1]))
        if "again" in step or "layer" in step:
            maker = new.pop("again", number)
            layer = new.pop("layer", None) or steps[maker]["layer"]
            new |= {"again": made[maker]} if maker in made else {"layer": layer}
            made.setdefault(maker, len(kept))
        kept.append(new)
    outputs = [[number_of[step], number] for step, number in map(tuple, recipe["outputs"])]
    return recipe | {"steps": kept, "outputs": outputs}


def encoded(value: Any) -> Any:
    """Arguments as plain data."""
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, tuple):
        return {"tuple": [encoded(each) for each in value]}
    if isinstance(value, list):
        return [encoded(each) for each in value]
    if isinstance(value, dict):
        return {key: encoded(each) for key, each in value.items()}
    return value


def decoded(value: Any, tensor: Callable[[Ref], Any], layer: Callable[[Any], Any]) -> Any:
    """What `encoded` was given, with real tensors and layers in it."""
    if isinstance(value, list):
        return [decoded(each, tensor, layer) for each in value]
    if not isinstance(value, dict):
        return value
    if "ref" in value:
        return tensor((value["ref"][0], value["ref"][1]))
    if is_layer(value):
        return layer(value)
    if "tuple" in value:
        return tuple(decoded(each, tensor, layer) for each in value["tuple"])
    if "slice" in value:
        return slice(*value["slice"])
    if "ellipsis" in value:
        return ...
    return {key: decoded(each, tensor, layer) for key, each in value.items()}


def is_layer(value: Any) -> bool:
    return isinstance(value, dict) and (value.keys() == {"class", "config"} or "model" in value)


def classes_in(recipe: Recipe) -> Iterator[str]:
    """The names of all layers and operations of a recipe, one for every step and every wrapped layer."""
    for step in recipe["steps"]:
        if "operation" in step:
            yield step["operation"]
        elif "layer" in step:
            yield from _classes_of(step["layer"])
        elif "again" in step:
            yield "a second call"
    yield "Sequential" if recipe.get("sequential") else "Functional"


def _classes_of(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _classes_of(each)
    elif is_layer(value):
        if "model" in value:
            yield "a nested model"
            yield from classes_in(value["model"])
        else:
            yield value["class"]
            for each in value["config"].values():
                yield from _classes_of(each)

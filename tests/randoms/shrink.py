"""A recipe that shows a fault, cut down to a small one that shows the same."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from keras2torch.sandbox import Sandbox
from tests.randoms.printing import as_code
from tests.randoms.recipe import Recipe, Ref, is_layer, pruned, reads, ref, rewired
from tests.randoms.verdicts import Verdict, judged, written

BATCH = 12
MOST_ROUNDS = 40


def shrunk(verdict: Verdict, library: str, sandboxes: Mapping[str, Sandbox], folder: Path) -> Verdict:
    """The smallest model found that has the fault of `verdict`."""
    best, tried = verdict, set()
    assert best.recipe is not None
    for round_number in range(MOST_ROUNDS):
        assert best.recipe is not None
        size = _size(best.recipe)
        smaller = {_code(each): each for each in _cuts(best.recipe) if _size(each) < size}
        waiting = sorted((len(code), code) for code in smaller if code not in tried)
        found = None
        for begin in range(0, len(waiting), BATCH):
            batch = waiting[begin : begin + BATCH]
            place = folder / f"{round_number}-{begin}"
            place.mkdir()
            for position, (_, code) in enumerate(batch):
                tried.add(code)
                written(smaller[code], place / f"{position}.json")
            answers = judged(library, [str(position) for position in range(len(batch))], sandboxes, place)
            found = next((each for each in answers.values() if each.alike(verdict)), None)
            if found:
                break
        if found is None:
            break
        best = found
    return best


def _code(recipe: Recipe) -> str:
    return as_code(recipe, "keras", shapes=False)


def _size(recipe: Recipe) -> int:
    return len(_code(recipe))


def _cuts(recipe: Recipe) -> Iterator[Recipe]:
    """Recipes that are smaller in one way. Some of them Keras will not take."""
    for each in _all_cuts(recipe):
        steps = each["steps"]
        if all("layer" in steps[step["again"]] for step in steps if "again" in step):
            yield pruned(each)


def _all_cuts(recipe: Recipe) -> Iterator[Recipe]:
    yield recipe | {"saved_as": "h5"}
    yield recipe | {"io_layout": "torch"}
    if recipe.get("sequential"):
        yield recipe | {"sequential": False}
        recipe = recipe | {"sequential": False}
    for number in range(len(recipe["outputs"])):
        fewer = recipe["outputs"][:number] + recipe["outputs"][number + 1 :]
        yield recipe | {"outputs": fewer or recipe["outputs"]}
    for number, step in enumerate(recipe["steps"]):
        if "input" in step:
            yield from _smaller_inputs(recipe, number)
        else:
            yield from _cuts_at(recipe, number)
            yield from _simpler_steps(recipe, number)


def _smaller_inputs(recipe: Recipe, number: int) -> Iterator[Recipe]:
    given = recipe["steps"][number]["input"]
    for axis, extent in enumerate(given["shape"]):
        for less in {extent // 2, extent - 1} - {0} if extent is not None else ():
            shape = [*given["shape"][:axis], less, *given["shape"][axis + 1 :]]
            yield _with(recipe, number, {"input": given | {"shape": shape}})


def _cuts_at(recipe: Recipe, number: int) -> Iterator[Recipe]:
    """The model that ends at a step, the one that begins behind it, and the ones without it."""
    step = recipe["steps"][number]
    for place in range(len(step["shapes"])):
        yield recipe | {"outputs": [[number, place]]}
    if len(step["shapes"]) == 1:
        given = {"shape": step["shapes"][0][1:], "dtype": step["dtypes"][0], "name": f"cut_{number}"}
        yield _with(recipe, number, {"input": given, "shapes": step["shapes"], "dtypes": step["dtypes"]})
    for earlier in dict.fromkeys(reads(step)):
        yield _without(recipe, number, earlier)
    if "layer" in step and "model" in step["layer"]:
        yield step["layer"]["model"]
        yield from _inlined(recipe, number)


def _simpler_steps(recipe: Recipe, number: int) -> Iterator[Recipe]:
    """The model with a layer of its own instead of a shared one, or with fewer options or arguments."""
    step = recipe["steps"][number]
    if "again" in step:
        layer = deepcopy(recipe["steps"][step["again"]]["layer"])
        if "config" in layer:
            layer["config"]["name"] = f"copy_{number}"
            own = {key: each for key, each in step.items() if key != "again"}
            yield _with(recipe, number, own | {"layer": layer})
    if "layer" in step:
        for layer in _simpler(step["layer"]):
            yield _with(recipe, number, step | {"layer": layer})
    for key in step["call"]:
        call = {name: each for name, each in step["call"].items() if name != key}
        yield _with(recipe, number, step | {"call": call})


def _with(recipe: Recipe, number: int, step: dict[str, Any]) -> Recipe:
    return recipe | {"steps": [*recipe["steps"][:number], step, *recipe["steps"][number + 1 :]]}


def _without(recipe: Recipe, number: int, instead: Ref) -> Recipe:
    """Everything that reads the step reads another tensor."""

    def change(each: Ref) -> Any:
        return ref(*instead) if each[0] == number else ref(*each)

    steps = [rewired(step, change) if "input" not in step else step for step in recipe["steps"]]
    outputs = [list(instead) if place == number else [place, which] for place, which in recipe["outputs"]]
    return recipe | {"steps": steps, "outputs": outputs}


def _inlined(recipe: Recipe, number: int) -> Iterator[Recipe]:
    """The steps of a nested model in its place, where it is called with as many tensors as it has inputs."""
    step = recipe["steps"][number]
    inner = deepcopy(step["layer"]["model"])
    given = reads(step)
    inputs = [place for place, each in enumerate(inner["steps"]) if "input" in each]
    if len(given) != len(inputs) or any(each.get("again") == number for each in recipe["steps"]):
        return
    own = [place for place, each in enumerate(inner["steps"]) if "input" not in each]
    shift = len(own) - 1
    place_of = {place: number + position for position, place in enumerate(own)}

    def inside(each: Ref) -> Any:
        return ref(*given[inputs.index(each[0])]) if each[0] in inputs else ref(place_of[each[0]], each[1])

    def outside(each: Ref) -> Any:
        if each[0] == number:
            return inside(tuple(inner["outputs"][each[1]]))
        return ref(each[0] + shift * (each[0] > number), each[1])

    def moved(each: dict[str, Any], change: Any, renumber: Any) -> dict[str, Any]:
        each = rewired(each, change) if "input" not in each else each
        return each | {"again": renumber(each["again"])} if "again" in each else each

    steps = [*recipe["steps"][:number]]
    for place in own:
        each = moved(inner["steps"][place], inside, place_of.__getitem__)
        if "layer" in each and "config" in each["layer"]:
            each["layer"]["config"]["name"] = f"inner_{number}_{place}"
        steps.append(each)
    steps += [
        moved(each, outside, lambda n: n + shift * (n > number)) for each in recipe["steps"][number + 1 :]
    ]
    outputs = [outside((place, which))["ref"] for place, which in recipe["outputs"]]
    yield recipe | {"steps": steps, "outputs": outputs}


def _simpler(layer: Any) -> Iterator[Any]:
    """A layer with an option less, or with less in what it wraps."""
    if "model" in layer:
        for each in _cuts(layer["model"]):
            yield layer | {"model": each}
        return
    config = layer["config"]
    for key, value in config.items():
        if is_layer(value):
            for each in _simpler(value):
                yield layer | {"config": config | {key: each}}
            if "model" in value:
                yield layer | {
                    "config": config | {key: {"class": "Activation", "config": {"activation": "tanh"}}}
                }
        elif key != "name":
            yield layer | {"config": {name: each for name, each in config.items() if name != key}}

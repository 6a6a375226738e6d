"""A random recipe, grown step by step: each is tried on Keras, and only what Keras takes stays.

Layers and operations begin as an example of their rule, and are put where their shapes fit; other inputs that the
example has are looked for among the tensors there are, made by a projection, or become inputs of the model.

One class, and so a long file: every move needs all that has been drawn so far.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from keras2torch.layers._registry import Example, LayerRule
from keras2torch.operations._registry import Example as Use
from keras2torch.operations._registry import Given, Operation
from tests.parity.operation_models import DIALECTS, arguments, known_to
from tests.randoms.examples import (
    ANY_RANK,
    JUMPS,
    TIED_TO_RANK,
    WEIGHTS,
    called,
    dtypes_of,
    fits,
    layer_examples,
)
from tests.randoms.options import Case, Shape, drawn
from tests.randoms.recipe import Recipe, Ref, Step, encoded, pruned, reads, ref, with_refs
from tests.randoms.trial import Trial, Unfit

if TYPE_CHECKING:
    from tests.randoms.build import Builder

CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")
RECURRENT = {"LSTM": 2, "GRU": 1, "SimpleRNN": 1}
"""Layers that take initial states, and how many."""

ODD_NAMES = (
    "class",
    "self",
    "forward",
    "x",
    "conv-1",
    "block1.conv",
    "Model",
    "torch",
    "3d",
    "training",
    "input",
)


class Grower:
    """A model under way. `raw`: whether the inputs carry the numbers of the outermost model's inputs."""

    def __init__(self, builder: "Builder", random: Random, depth: int = 0) -> None:
        self.builder, self.random, self.depth = builder, random, depth
        self.library = builder.library
        self.trial = Trial(builder)
        self.steps: list[Step] = []
        self.sequential = False
        self.raw: set[Ref] = set()
        self.names: set[str] = set()

    # --------------------------------------------------------------------------------------- tensors there are

    @property
    def refs(self) -> list[Ref]:
        return [
            (step, number) for step, each in enumerate(self.steps) for number in range(len(each["shapes"]))
        ]

    def shape(self, each: Ref) -> Shape:
        """Without the batch axis."""
        return tuple(self.steps[each[0]]["shapes"][each[1]][1:])

    def dtype(self, each: Ref) -> str:
        return str(self.steps[each[0]]["dtypes"][each[1]])

    def loose(self) -> list[Ref]:
        """Tensors that nothing reads."""
        read = {each for step in self.steps for each in reads(step)}
        return [each for each in self.refs if each not in read]

    def pick(self) -> Ref:
        refs, loose = [each for each in self.refs if self.shape(each)], set(self.loose())
        if self.sequential:
            return refs[-1]
        weights = [(1 + number) * (4 if each in loose else 1) for number, each in enumerate(refs)]
        return self.random.choices(refs, weights)[0]

    # ------------------------------------------------------------------------------------------------- growing

    def add(self, step: Step, given: Any = None) -> Ref | None:
        """Try a step; its first tensor, or None where Keras does not take it, or not run it.

        `given`: the numbers of an input, where these come from a model round this one.
        """
        if "layer" in step and "config" in step["layer"]:
            step["layer"]["config"]["name"] = self.name(step["layer"]["class"].lower())
        try:
            done = self.builder.run(step)
        except Exception:  # noqa: BLE001  whatever Keras raises, it does not take it
            return None
        try:
            if self.sequential and len(done["shapes"]) > 1:
                raise Unfit("a chain has one tensor")
            self.trial.run(done, given)
        except Exception:  # noqa: BLE001  whatever Keras raises, it does not run it
            self.builder.tensors.pop()
            return None
        self.steps.append(done)
        return (len(self.steps) - 1, 0)

    def name(self, kind: str) -> str:
        odd = self.random.choice(ODD_NAMES)
        if self.random.random() < 0.04 and odd not in self.names:
            self.names.add(odd)
            return odd
        number = len(self.steps)
        while self.depth and f"{kind}_{number}" in self.names:
            number += 10
        self.names.add(f"{kind}_{number}")
        return f"{kind}_{number}"

    def add_input(
        self, shape: Sequence[int | None], dtype: str = "float32", *, raw: bool = True, given: Any = None
    ) -> Ref | None:
        name = self.name("input").replace(".", "_")
        made = self.add({"input": {"shape": list(shape), "dtype": dtype, "name": name}}, given)
        if raw and made is not None:
            self.raw.add(made)
        return made

    def first_inputs(self) -> None:
        random = self.random
        kinds = ["picture", "sequence", "ids", "vector", "volume", "frames"]
        for kind in random.choices(kinds, [6, 5, 4, 2, 1, 1], k=1 if random.random() < 0.6 else 2):
            open_ended = random.random() < 0.12
            channels = random.randint(1, 4)
            if kind == "picture":
                self.add_input(
                    [None, None, channels]
                    if open_ended
                    else [random.randint(3, 9), random.randint(3, 9), channels]
                )
            elif kind == "sequence":
                self.add_input([None if open_ended else random.randint(3, 9), channels])
            elif kind == "ids":
                self.add_input([None if open_ended else random.randint(3, 9)], "int32")
            elif kind == "vector":
                self.add_input([channels + 2])
            else:
                self.add_input(
                    [random.randint(3, 9), random.randint(3, 6), random.randint(3, 6), random.randint(1, 2)]
                )

    def grow(self, wanted: int) -> Recipe:
        """Steps until there are `wanted`, and what nothing reads as outputs."""
        self.sequential = self.sequential or (len(self.refs) == 1 and self.random.random() < 0.25)
        begin = len(self.steps)
        moves = [self.layer, self.operation, self.again, self.nested]
        weights = [70, 0 if self.sequential else 12, 0 if self.sequential else 9, 9 if self.depth < 2 else 0]
        for _ in range(20 * wanted):
            if len(self.steps) - begin >= wanted:
                break
            self.random.choices(moves, weights)[0]()
        return self.finished()

    def finished(self) -> Recipe:
        random = self.random
        made = [each for each in self.refs if "input" not in self.steps[each[0]]]
        loose = [each for each in self.loose() if each in set(made)] or made[-1:] or self.refs[-1:]
        if self.sequential:
            return {"sequential": True, "steps": self.steps, "outputs": [list(self.refs[-1])]}
        outputs = random.sample(loose, min(len(loose), random.choice([1, 2, 3, 3])))
        if made and random.random() < 0.15:
            outputs.append(random.choice(made))
        if random.random() < 0.9:
            outputs = list(dict.fromkeys(outputs))
        return pruned({"steps": self.steps, "outputs": [list(each) for each in outputs]})

    # ------------------------------------------------------------------------------------------------- a layer

    def layer(self) -> None:
        first = self.pick()
        chosen = self.example_for(self.shape(first), self.dtype(first), raw=first in self.raw)
        if chosen is None:
            return
        rule, example = chosen
        spec = self.spec(rule, example, self.shape(first))
        if spec is None:
            return
        tensors = self.inputs_for(first, example.shapes, dtypes_of(example))
        if tensors is None:
            return
        step: Step = {"layer": spec, "on": [], "call": {}}
        given = [ref(*each) for each in tensors]
        if example.call is not None:
            step["on"], step["call"] = called(given, example.call)
        elif rule.family == "merging" or len(given) > 1:
            step["on"] = [given]
        else:
            step["on"] = given
            self.give_states(step, spec)
        if self.random.random() < 0.05 and not self.sequential:
            step["call"]["training"] = False
        self.add(step)

    def example_for(
        self, shape: Shape, dtype: str, *, raw: bool, alone: bool = False
    ) -> tuple[LayerRule, Example] | None:
        """An example of a layer that may stand behind such a tensor; `alone`: one that has no other inputs."""
        floats, found = dtype.startswith(("float", "bfloat")), []
        for rule, example in layer_examples(self.library):
            if dtypes_of(example)[0].startswith("float") != floats or (not floats and not raw):
                continue
            if len(example.shapes[0]) != len(shape) and rule.name not in ANY_RANK:
                continue
            if rule.name in JUMPS and not raw:
                continue
            several = len(example.shapes) > 1 or example.call is not None or rule.family == "merging"
            if several and (alone or self.sequential):
                continue
            found.append((rule, example))
        if not found:
            return None
        families = sorted({rule.family for rule, _ in found})
        family = self.random.choices(families, [WEIGHTS[each] for each in families])[0]
        name = self.random.choice(sorted({rule.name for rule, _ in found if rule.family == family}))
        return self.random.choice([each for each in found if each[0].name == name])

    def spec(self, rule: LayerRule, example: Example, shape: Shape) -> Any:
        """The layer of an example with its options varied."""
        names = [name for name in rule.classes if getattr(self.builder.k.layers, name, None)]
        name = self.random.choice(names) if self.random.random() < 0.2 else names[0]
        config = dict(example.config)
        if len(example.shapes[0]) != len(shape) or example.shapes[0][-1] != shape[-1]:
            config = {key: value for key, value in config.items() if key not in TIED_TO_RANK}
            if rule.name == "Rescaling":
                config["scale"] = 0.5
        fixed = ["units"] if len(example.shapes) > 1 and rule.family == "rnn" else []
        config = self.varied(name, rule.family, shape, config, fixed)
        if config.get("activation") == "sparsemax" or callable(config.get("function")):
            return None
        if rule.name == "RNN":
            cells = [self.cell(shape) for _ in range(self.random.choice([1, 1, 2]))]
            config["cell"] = cells[0] if len(cells) == 1 else cells
        elif rule.name == "Bidirectional":
            among = [
                each
                for each in layer_examples(self.library)
                if fits(each, "rnn", shape) and each[0].name != "RNN"
            ]
            if not among:
                return None
            inner_rule, inner = self.random.choice(among)
            config["layer"] = self.spec(inner_rule, inner, shape)
        elif rule.name == "TimeDistributed":
            config["layer"] = self.distributed(shape)
        elif example.inner is not None:
            config.pop(
                "trainable", None
            )  # deep inside, Keras does not freeze by this what it freezes elsewhere
            config["layer"] = {"class": example.inner[0], "config": dict(example.inner[1])}
        if config.get("layer", config) is None:
            return None
        return {"class": name, "config": encoded(config)}

    def varied(
        self, name: str, family: str, shape: Shape, config: Mapping[str, Any], fixed: Sequence[str] = ()
    ) -> dict[str, Any]:
        takes = inspect.signature(getattr(self.builder.k.layers, name).__init__).parameters
        case = Case(self.random, name, family, shape, self.library)
        return drawn(case, config, list(takes), fixed=fixed)

    def cell(self, shape: Shape) -> Any:
        name = self.random.choice(CELLS)
        return {"class": name, "config": self.varied(name, "rnn", shape, {"units": 3})}

    def distributed(self, shape: Shape) -> Any:
        """What a TimeDistributed applies at every step."""
        if self.depth < 1 and self.random.random() < 0.2:
            return self.model([(shape[1:], "float32", False, None)])
        chosen = self.example_for(shape[1:], "float32", raw=False, alone=True) if len(shape) > 1 else None
        if (
            chosen is None
            or chosen[0].family in {"random", "audio"}
            or chosen[0].name == "SpectralNormalization"
        ):
            return None
        return self.spec(*chosen, shape[1:])

    def give_states(self, step: Step, spec: Any) -> None:
        """Sometimes give a recurrent layer its initial states."""
        count = RECURRENT.get(spec["class"])
        if count is None or self.sequential or self.random.random() > 0.12:
            return
        states = [self.find((spec["config"]["units"],), (True,)) for _ in range(count)]
        if all(states):
            given = [ref(*each) for each in states if each]
            step["call"]["initial_state"] = given if count > 1 or self.random.random() < 0.5 else given[0]

    # -------------------------------------------------------------------------------------------- other inputs

    def inputs_for(self, first: Ref, shapes: Sequence[Shape], dtypes: Sequence[str]) -> list[Ref] | None:
        """`first`, and tensors whose extents are equal to its own, and to each other's, where those of `shapes` are."""
        known: dict[int | None, int | None] = {1: 1}
        if len(shapes[0]) == len(self.shape(first)):
            known |= dict(zip(shapes[0], self.shape(first), strict=True))
        found = [first]
        for number, shape in enumerate(shapes[1:], 1):
            wanted = [known.get(extent, extent) for extent in shape]
            each = self.find(wanted, [extent in known for extent in shape], dtypes[number])
            if each is None:
                return None
            known |= dict(zip(shape, self.shape(each), strict=True))
            found.append(each)
        return found

    def find(self, wanted: Sequence[int | None], bound: Sequence[bool], dtype: str = "float32") -> Ref | None:
        """A tensor of `wanted` extents, where these are `bound`: one there is, a projection of one, or an input."""
        same = [
            each
            for each in self.refs
            if self.dtype(each) == dtype
            and (each in self.raw or dtype == "float32")
            and len(self.shape(each)) == len(wanted)
            and all(a == b or not tied for a, b, tied in zip(self.shape(each), wanted, bound, strict=True))
        ]
        if same and self.random.random() < 0.75:
            return self.random.choice(same)
        near = [
            each
            for each in self.refs
            if self.dtype(each) == dtype == "float32"
            and len(self.shape(each)) == len(wanted)
            and self.shape(each)[-1] is not None
            and all(
                a == b or not t
                for a, b, t in zip(self.shape(each)[:-1], wanted[:-1], bound[:-1], strict=True)
            )
        ]
        if near and wanted[-1] is not None and self.random.random() < 0.7:
            spec = {"class": "Dense", "config": {"units": wanted[-1]}}
            return self.add({"layer": spec, "on": [ref(*self.random.choice(near))], "call": {}})
        if self.depth or self.sequential:
            return self.random.choice(same) if same else None
        return self.add_input(wanted, dtype)

    # --------------------------------------------------------------------------------------------- other moves

    def again(self) -> None:
        """Call a layer once more."""
        made = [number for number, step in enumerate(self.steps) if "layer" in step]
        if not made:
            return
        number = self.random.choice(made)
        first = self.steps[number]

        def other(each: Ref) -> Any:
            shape, dtype = self.shape(each), self.dtype(each)
            alike = [
                one
                for one in self.refs
                if self.dtype(one) == dtype
                and len(self.shape(one)) == len(shape)
                and self.shape(one)[-1:] == shape[-1:]
                and (one in self.raw or each not in self.raw)
            ]
            return ref(*self.random.choice(alike))

        self.add(
            {"again": number, "on": with_refs(first["on"], other), "call": with_refs(first["call"], other)}
        )

    def nested(self) -> None:
        """A model of its own as a layer."""
        tensors = [self.pick()]
        if not self.sequential and self.random.random() < 0.25:
            tensors.append(self.pick())
        tensors = list(dict.fromkeys(tensors))
        spec = self.model(
            [
                (self.shape(each), self.dtype(each), each in self.raw, self.trial.values[each[0]][each[1]])
                for each in tensors
            ]
        )
        if spec is None or (self.sequential and len(spec["model"]["outputs"]) > 1):
            return
        given = [ref(*each) for each in tensors]
        self.add({"layer": spec, "on": [given] if len(given) > 1 else given, "call": {}})

    def model(self, inputs: Sequence[tuple[Shape, str, bool, Any]]) -> Any:
        """A nested model of inputs of these shapes, types and numbers, or None where it reads not all of them."""
        inner = Grower(type(self.builder)(self.library), self.random, self.depth + 1)
        if self.depth:
            inner.names = self.names  # tf_keras keeps what is nested in a nested model in one group
        for shape, dtype, raw, given in inputs:
            if inner.add_input(shape, dtype, raw=raw, given=given) is None:
                return None
        recipe = inner.grow(self.random.randint(1, 3))
        if sum("input" in step for step in recipe["steps"]) < len(inputs) or len(recipe["steps"]) == len(
            inputs
        ):
            return None
        return {"model": recipe, "name": self.name("model")}

    def operation(self) -> None:
        first = self.pick()
        raw, shape = first in self.raw, self.shape(first)
        dialect = DIALECTS[self.library][0]
        found = [
            (operation, use)
            for operation in known_to(self.library).values()
            for use in operation.examples
            if operation.names[dialect]
            and dialect in use.only
            and (raw or operation.name not in JUMPS)
            and (use.dtypes[0] if use.dtypes else "float32") == self.dtype(first)
            and (len(use.shapes[0]) == len(shape) or operation.family in {"activations", "functions"})
        ]
        if not found:
            return
        family = self.random.choice(sorted({each.family for each, _ in found}))
        name = self.random.choice(sorted({each.name for each, _ in found if each.family == family}))
        operation, use = self.random.choice([each for each in found if each[0].name == name])
        dtypes = (*use.dtypes, *["float32"] * (len(use.shapes) - len(use.dtypes)))
        tensors = self.inputs_for(first, use.shapes, dtypes)
        if tensors is None:
            return
        self.use(operation, use, tensors)

    def use(self, operation: Operation, use: Use, tensors: list[Ref]) -> None:
        """Add a call of an operation as an example has it, with other axes where it has one."""
        rank = len(self.shape(tensors[0]))
        varied = dict(use.arguments)
        if isinstance(varied.get("axis"), int) and self.random.random() < 0.5:
            varied["axis"] = self.random.choice([*range(1, rank + 1), *range(-rank, 0)])
        if isinstance(varied.get("keepdims"), bool):
            varied["keepdims"] = self.random.random() < 0.5

        def placed(value: Any) -> Any:
            if isinstance(value, Given):
                if value.behind == "linear":
                    return value
                spec = {"class": "Activation", "config": {"activation": value.behind}}
                made = self.add({"layer": spec, "on": [ref(*tensors[value.number])], "call": {}})
                if made is None:
                    raise Unfit(value.behind)
                tensors.append(made)
                return Given(len(tensors) - 1)
            if isinstance(value, list):
                return [placed(each) for each in value]
            return value

        try:
            use = replace(use, arguments={key: placed(value) for key, value in varied.items()})
        except Unfit:
            return
        spelling = self.random.choice(operation.names[DIALECTS[self.library][0]])
        if spelling.name.startswith("__operators__."):
            return
        args, kwargs = arguments(self.builder.k, spelling, use, [ref(*each) for each in tensors])
        options = {}
        if self.library == "keras":
            named = {each.name for each in spelling.parameters if each.keyword_only}
            options = {key: kwargs.pop(key) for key in list(kwargs) if key in named}
        self.add(
            {
                "operation": spelling.name,
                "options": encoded(options),
                "on": encoded(args),
                "call": encoded(kwargs),
            }
        )


def grow(builder: "Builder", seed: int) -> Recipe:
    """The random model of this seed."""
    random = Random(seed)
    grower = Grower(builder, random)
    grower.first_inputs()
    recipe = grower.grow(random.randint(2, 7))
    recipe["saved_as"] = random.choices(["h5", "keras", "weights"], [8, 1, 1])[0]
    recipe["io_layout"] = random.choices(["torch", "keras"], [3, 1])[0]
    return recipe

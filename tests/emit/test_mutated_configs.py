"""Configurations with something wrong in them: refused or translated, never an internal error."""

import ast
import copy
import random
from collections.abc import Iterator
from typing import Any

from keras2torch.emit.module import write_module
from keras2torch.errors import Keras2TorchError
from keras2torch.graph.build import build_graph
from keras2torch.source.generation import generation_of
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.emit.golden_models import MODELS

JUNK: list[Any] = [
    None, True, False, 0, 1, -1, 2, 10**9, 1 << 52, 0.5, -0.5, "", "x", "same", "valid", "linear", "channels_first",
    "\ud800", "a/b", [], [1], [1, 2], [None, 2], [1, 2, 3], [[1, 1], [1, 1]], [[]], ["x", 0, 0], [["x", 0, 0]], {},
    {"a": 1}, {"class_name": "Dense", "config": {}}, {"class_name": "LSTM", "config": {"units": 2}},
    {"class_name": "Sequential", "config": []},
    {"class_name": "Functional", "config": {"layers": [], "output_layers": []}},
    {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}},
]  # fmt: skip
Path = tuple[Any, ...]


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Every place in a JSON document."""
    if here:
        yield here
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*here, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def mutated(config: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    config = copy.deepcopy(config)
    for _ in range(rng.choice((1, 1, 2, 3))):
        *above, key = rng.choice(list(paths(config)))
        place = at(config, tuple(above))
        kind = rng.randrange(5)
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, list):
            place.append(copy.deepcopy(place[key]))
        elif kind == 2:
            place[key] = copy.deepcopy(at(config, rng.choice(list(paths(config)))))
        else:
            place[key] = copy.deepcopy(rng.choice(JUNK))
    return config


def test_any_configuration_is_refused_or_translated() -> None:
    refused = translated = 0
    for seed in range(1500):
        rng = random.Random(seed)
        make, version = rng.choice(list(MODELS.values()))
        original = make()
        config = mutated(original, rng)
        generation = rng.choice(list(Generation)) if rng.random() < 0.1 else generation_of(version, original)
        try:
            program = translate(build_graph(config, generation))
            source = write_module(program, source_name="m.h5", keras_version=version)
        except Keras2TorchError as error:
            message = str(error)
            refused += 1
        else:
            message = "translated"
            ast.parse(source.text)
            translated += 1
        assert message.isprintable(), seed
    assert refused > 1000
    assert translated > 100

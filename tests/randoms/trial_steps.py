"""Steps that Keras takes: some of them it cannot run, or they yield nothing to judge by."""

import importlib
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from tests.parity.registry_models import allow_lists_in_configs
from tests.randoms.build import Builder
from tests.randoms.grow import Grower
from tests.randoms.recipe import Step, ref
from tests.randoms.settled import UNBOUND, entry, layer, operation

CASES: Mapping[str, tuple[str, Sequence[Step], bool]] = {
    "an inverse error function of any number": (
        "keras",
        [entry(6, 3), operation("math.Erfinv", ref(0))],
        False,
    ),
    "an inverse error function within its domain": (
        "keras",
        [
            entry(6, 3),
            layer("Activation", 0, activation="softsign"),
            operation("math.Erfinv", ref(1)),
        ],
        True,
    ),
    "an inverse error function of numbers that round to one": (
        "keras",
        [entry(6, 3), layer("Activation", 0, activation="tanh"), operation("math.Erfinv", ref(1))],
        False,
    ),
    "what overflows in float32": ("tf_keras", [entry(8), operation("math.exp", ref(0))], False),
    "a recurrence whose gates have no bound": (
        "keras",
        [entry(9, 4, 6, 2), layer("Bidirectional", 0, layer={"class": "ConvLSTM2D", "config": UNBOUND})],
        False,
    ),
    "a sum over axes of different extents": (
        "tf_keras",
        [
            entry(16, 5),
            layer("EinsumDense", 0, equation="abc,bd->adc", output_shape=[4, 5]),
            operation("linalg.tensordot", ref(1), [[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]], 1),
        ],
        False,
    ),
    "places that are not there": (
        "keras",
        [entry(2, 5), entry(2, 5, dtype="int32"), operation("numpy.TakeAlongAxis", ref(0), ref(1), axis=1)],
        False,
    ),
    "rows of a table": (
        "keras",
        [entry(6, dtype="int32"), layer("Embedding", 0, input_dim=7, output_dim=2)],
        True,
    ),
    "vectors of another width in reverse": (
        "keras",
        [
            entry(6, 3),
            layer("ReversibleEmbedding", 0, input_dim=11, output_dim=4) | {"call": {"reverse": True}},
        ],
        False,
    ),
    "columns of an open number": (
        "keras",
        [
            entry(None, dtype="int32"),
            entry(None, dtype="int32"),
            layer("HashedCrossing", num_bins=7) | {"on": [[ref(0), ref(1)]]},
        ],
        False,
    ),
    "a mask of another extent": (
        "keras",
        [
            entry(6, 4),
            entry(6, 5, dtype="bool"),
            layer("Softmax", 0) | {"call": {"mask": ref(1)}},
        ],
        False,
    ),
    "a crop larger than what has no pixels": (
        "tf_keras",
        [entry(4, 7, 1), layer("CenterCrop", 0, height=41, width=7)],
        False,
    ),
    "what TensorFlow has no kernels for on a CPU": (
        "tf_keras",
        [entry(3, 6, 6), layer("Conv2D", 0, filters=2, kernel_size=3, data_format="channels_first")],
        True,
    ),
}
"""The library, steps, and whether the last of them is taken."""


def taken(payload: dict[str, Any]) -> dict[str, bool]:
    """For each case of the library, whether a growing model takes its last step. The others it must take, and all of
    them Keras takes, on symbols.
    """
    k = importlib.import_module(payload["library"])
    allow_lists_in_configs(payload["library"])
    answers = {}
    for name, (library, steps, _) in CASES.items():
        if library == payload["library"]:
            k.backend.clear_session()
            builder = Builder(library)
            for step in steps:
                builder.run(step)
            grower = Grower(Builder(library), Random(0))
            found = [grower.add(step) for step in steps]
            assert None not in found[:-1], (name, found)
            answers[name] = found[-1] is not None
    return answers

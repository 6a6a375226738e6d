"""Inputs 24, 25 and 32 to 36: configurations that are Keras's own in form, and hostile in what they say."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.crafted import (
    Config,
    Weights,
    call,
    functional,
    layer,
    nested,
    numbers,
    sequential,
    write_model,
)
from tests.hostile.attacks import CONVERTS, Attack, hostile

INPUT = layer("InputLayer", "in", batch_input_shape=[None, 4])


def _file(folder: Path, config: Config | str, weights: Weights | None = None, **options: Any) -> Path:
    return write_model(folder / f"{len(list(folder.iterdir()))}.h5", config, weights or {}, **options)


@hostile(24, "calls in a circle, of nothing, with indices that are none")
def wiring(folder: Path) -> list[Attack]:
    def wired(*inbound: Any) -> Path:
        entries = [
            INPUT,
            layer("Add", "a", call("in", "b")),
            layer("Activation", "b", *inbound, activation="relu"),
        ]
        return _file(folder, functional(entries, [["in", 0, 0]], [["b", 0, 0]]))

    calls: dict[str, Any] = {
        "circle": call("a"),
        "itself": call("b"),
        "nothing": call("gone"),
        "-1": call(("in", -1)),
        "10^9": call(("in", 10**9)),
        "tensor 10^9": call(("in", 0, 10**9)),
        "float": call(("in", 0.5)),
        "bool": call(("in", True)),
        "no list": 7,
    }
    at_reader = dict.fromkeys(("circle", "itself", "10^9"), ": a: ")
    spots = at_reader | {"tensor 10^9": "in: has no output 1000000000"}
    return [
        Attack(name, wired(inbound), "bad-config", (spots.get(name, ": b: "),))
        for name, inbound in calls.items()
    ]


@hostile(25, "models 1000 deep; layers that call each other 2^60 times")
def unrolling(folder: Path) -> list[Attack]:
    head = '{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    deep = head * 1000 + json.dumps(layer("Dense", "d", units=4, batch_input_shape=[None, 4])) + "]}}" * 1000
    some: Config = sequential(layer("Dense", "d", units=4, batch_input_shape=[None, 4]))
    for _ in range(25):
        some = sequential(nested(some))
    doubling: Config = functional(
        [
            layer("InputLayer", "x", batch_input_shape=[None, 4]),
            layer("Activation", "y", call("x"), activation="relu"),
        ],
        [["x", 0, 0]],
        [["y", 0, 0]],
        name="m0",
    )
    for number in range(1, 16):
        inner = f"m{number - 1}"
        entries = [
            layer("InputLayer", "x", batch_input_shape=[None, 4]),
            nested(doubling, *[call("x" if not k else (inner, k)) for k in range(16)]),
        ]
        doubling = functional(entries, [["x", 0, 0]], [[inner, 16, 0]], name=f"m{number}")

    def row(count: int) -> Path:
        """One layer, called so often in a row."""
        calls: list[Any] = [[["in" if not k else "r", max(k - 1, 0), 0, {}]] for k in range(count)]
        entries = [INPUT, layer("Activation", "r", *calls, activation="relu")]
        return _file(folder, functional(entries, [["in", 0, 0]], [["r", count - 1, 0]]))

    return [
        Attack("1000 deep", _file(folder, deep), "limit-exceeded", ("nested deeper",)),
        Attack("25 deep", _file(folder, some), "limit-exceeded", ("nested deeper",)),
        Attack("16^15 calls", _file(folder, doubling), "limit-exceeded", ("more than 40000 calls",)),
        Attack("30,000 calls", row(30_000), "limit-exceeded", ("r: more than 40000 calls",)),
        Attack("10^5 calls", row(100_000), "limit-exceeded", ("items",)),
    ]


HOSTILE_OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "units -1": ("Dense", {"units": -1}),
    "units 0": ("Dense", {"units": 0}),
    "units 10^12": ("Dense", {"units": 10**12}),
    "units '8'": ("Dense", {"units": "8"}),
    "units 1.5": ("Dense", {"units": 1.5}),
    "units true": ("Dense", {"units": True}),
    "filters -1": ("Conv2D", {"filters": -1, "kernel_size": 3}),
    "kernel 0": ("Conv2D", {"filters": 2, "kernel_size": 0}),
    "kernel 10^9": ("Conv2D", {"filters": 2, "kernel_size": 10**9}),
    "stride 0": ("Conv2D", {"filters": 2, "kernel_size": 3, "strides": 0}),
    "dilation 10^9": ("Conv2D", {"filters": 2, "kernel_size": 3, "dilation_rate": 10**9}),
    "groups": ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 3}),
    "groups 0": ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 0}),
    "padding": ("Conv2D", {"filters": 2, "kernel_size": 3, "padding": "foo"}),
    "pool 0": ("MaxPooling2D", {"pool_size": 0}),
    "pool -2": ("AveragePooling2D", {"pool_size": -2}),
    "axis": ("BatchNormalization", {"axis": 9}),
    "axis 'x'": ("Softmax", {"axis": "x"}),
    "epsilon negative": ("BatchNormalization", {"epsilon": -1.0}),
    "epsilon zero": ("LayerNormalization", {"epsilon": 0.0, "axis": [9]}),
    "epsilon text": ("BatchNormalization", {"epsilon": "NaN"}),
    "alpha text": ("LeakyReLU", {"alpha": "1e400"}),
    "rate 2": ("Dropout", {"rate": 2}),
    "rate -1": ("Dropout", {"rate": -1}),
    "permute": ("Permute", {"dims": [1, 1, 1]}),
    "crop": ("Cropping2D", {"cropping": -1}),
    "target": ("Reshape", {"target_shape": [-1, -1]}),
    "target -5": ("Reshape", {"target_shape": [-5, 4]}),
    "input_dim": ("Embedding", {"input_dim": -1, "output_dim": 2}),
}


@hostile(32, "numbers out of range: units, strides, groups, axes, epsilons, rates")
def numbers_out_of_range(folder: Path) -> list[Attack]:
    attacks = []
    for name, (class_name, options) in HOSTILE_OPTIONS.items():
        shape = [None, 3] if class_name == "Dense" else [None, 8, 8, 4]
        config = sequential(layer(class_name, "hostile", batch_input_shape=shape, **options))
        attacks.append(Attack(name, _file(folder, config), "unsupported-model", ("hostile",)))
    return attacks


@hostile(33, "outputs larger than any memory: RepeatVector, UpSampling, ZeroPadding, Reshape")
def large_outputs(folder: Path) -> list[Attack]:
    options: dict[str, tuple[str, list[int | None], dict[str, Any]]] = {
        "RepeatVector": ("RepeatVector", [None, 4], {"n": 10**12}),
        "UpSampling2D": ("UpSampling2D", [None, 4, 4, 1], {"size": 10**6}),
        "ZeroPadding2D": ("ZeroPadding2D", [None, 4, 4, 1], {"padding": 10**9}),
        "Reshape": ("Reshape", [None, 4], {"target_shape": [1 << 30, 1 << 20]}),
        "InputLayer": ("Activation", [None, 1 << 40, 1 << 40], {"activation": "relu"}),
    }
    return [
        Attack(
            name,
            _file(folder, sequential(layer(class_name, "hostile", batch_input_shape=shape, **config))),
            "unsupported-model",
            ("hostile",),
        )
        for name, (class_name, shape, config) in options.items()
    ]


DENSE = sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3]))
SQUARE = sequential(layer("Dense", "d", units=3, batch_input_shape=[None, 3]))


@hostile(34, "weights of another shape, in another order, too many, too few")
def wrong_weights(folder: Path) -> list[Attack]:
    kernel, bias = numbers(3, 2), numbers(2)
    stored: dict[str, tuple[Config, Weights, str, str]] = {
        "shape": (DENSE, {"d": {"k": numbers(2, 3), "b": bias}}, "wrong-shape", "(3, 2)"),
        "swapped": (DENSE, {"d": {"b": bias, "k": kernel}}, "wrong-shape", "(3, 2)"),
        "extra": (DENSE, {"d": {"k": kernel, "b": bias, "x": bias}}, "unexpected-weight", "3"),
        "missing": (DENSE, {"d": {"k": kernel}}, "missing-weight", "2"),
        "another layer's": (
            DENSE,
            {"d": {"k": kernel, "b": bias}, "e": {"k": kernel}},
            "unexpected-weight",
            "1 weights for a layer that has none",
        ),
    }
    return [
        Attack(name, _file(folder, config, weights), kind, (words,))
        for name, (config, weights, kind, words) in stored.items()
    ]


@hostile(35, "NaN, infinity and denormals in weights; a negative variance")
def odd_weights(folder: Path) -> list[Attack]:
    def dense(value: float) -> Path:
        kernel = numbers(3, 2)
        kernel[1, 1] = value
        return _file(folder, DENSE, {"d": {"k": kernel, "b": numbers(2)}})

    norm = sequential(layer("BatchNormalization", "n", axis=[1], epsilon=0.001, batch_input_shape=[None, 2]))
    one = np.ones(2, np.float32)
    variance = np.asarray([1.0, -1.0], np.float32)
    weights = {"n": {"gamma": one, "beta": one, "moving_mean": one, "moving_variance": variance}}
    return [
        Attack("NaN", dense(float("nan")), CONVERTS),
        Attack("infinity", dense(float("inf")), CONVERTS),
        Attack("denormal", dense(1e-45), CONVERTS),
        Attack("negative variance", _file(folder, norm, weights), "bad-weight", ("n: moving_variance",)),
    ]


@hostile(36, "an einsum of 10,000 letters, and of no letters")
def einsums(folder: Path) -> list[Attack]:
    equations = {
        "long": "a" * 10_000 + ",bc->" + "a" * 10_000,
        "code": "__import__('os').system('id')",
        "empty": "",
        "arrows": "ab,bc->->ac",
        "number": 7,
        "escape": "\x1b[2Jab,bc->ac",
    }
    return [
        Attack(
            name,
            _file(
                folder,
                sequential(
                    layer(
                        "EinsumDense", "e", equation=equation, output_shape=[2], batch_input_shape=[None, 3]
                    )
                ),
                {"e": {"kernel": numbers(3, 2)}},
            ),
            "unsupported-model",
            ("e (EinsumDense)",),
        )
        for name, equation in equations.items()
    ]

"""Weights for models that were not trained: nothing left at the zeros and ones that would hide a mistake."""

import numpy as np

from samples.catalogue import Model

BATCH = 8
FREE_SIDE = 32  # for axes that the model leaves open


def randomise(model: Model, rng: np.random.Generator) -> None:
    """Give every constant weight a value of its own, every BatchNormalization the moments of real signals.

    With zeros for a bias or ones for a variance a converter could drop or swap them unseen.
    """
    model.set_weights(
        [
            _varied(_role(weight), value, rng)
            for weight, value in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    _settle_moments(model, rng)


def _role(weight: Model) -> str:
    """What a weight is to its layer: tf_keras names it "bn/gamma:0", Keras 3 "gamma"."""
    return str(weight.name).rsplit("/", 1)[-1].partition(":")[0]


def _varied(role: str, value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if role == "gamma":
        return rng.uniform(0.6, 1.4, value.shape).astype(value.dtype)
    if role in {"alpha", "beta", "bias"}:
        return (value + rng.normal(0, 0.1, value.shape)).astype(value.dtype)
    return value  # kernels are random as Keras made them


def _settle_moments(model: Model, rng: np.random.Generator) -> None:
    """Set the moving moments to those of one noise batch.

    Moments drawn at random would do in a shallow net; fifty layers deep they leave an output that hardly
    depends on the input, and a model that answers the same to everything proves nothing about its conversion.
    """
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    shape = [BATCH, *(side or FREE_SIDE for side in model.inputs[0].shape[1:])]
    # Each example has its own level as well as its own noise, so that examples differ deep inside too.
    level = rng.normal(0, 1, [BATCH] + [1] * (len(shape) - 2) + shape[-1:])
    signal = level + rng.normal(0, 0.5, shape)
    if len(shape) == 4 and shape[-1] == 3:
        signal = np.clip(128 + 64 * signal, 0, 255)  # a colour image, as files hold it
    model(signal.astype(np.float32), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum

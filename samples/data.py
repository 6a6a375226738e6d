"""Small made-up data sets, each learnable, so that a few steps move weights and statistics sensibly."""

import numpy as np

from samples.catalogue import Batch, DataMaker


def tinted_images(side: int, classes: int) -> DataMaker:
    """Noise images whose mean colour tells the class: (count, side, side, 3) in 0..1."""

    def make(rng: np.random.Generator, count: int) -> Batch:
        labels = rng.integers(0, classes, count)
        tint = np.linspace(0.1, 0.9, classes)[labels]
        pixels = rng.normal(tint[:, None, None, None], 0.2, (count, side, side, 3))
        return np.clip(pixels, 0, 1).astype(np.float32), labels

    return make


def padded_sentences(vocabulary: int, length: int) -> DataMaker:
    """Word ids with 0 as padding; the label says whether small ids prevail."""

    def make(rng: np.random.Generator, count: int) -> Batch:
        words = rng.integers(1, vocabulary, (count, length))
        words[np.arange(length) >= rng.integers(length // 4, length, count)[:, None]] = 0
        small = (words > 0) & (words < vocabulary // 2)
        labels = small.sum(1) * 2 > (words > 0).sum(1)
        return words.astype(np.int32), labels.astype(np.float32)[:, None]

    return make


def waves(length: int, channels: int) -> DataMaker:
    """Noisy sine waves; the target is the next value of the first channel."""

    def make(rng: np.random.Generator, count: int) -> Batch:
        phase = rng.uniform(0, 2 * np.pi, (count, 1, channels))
        steps = np.arange(length + 1)[None, :, None] * 0.2
        signal = np.sin(steps + phase) + rng.normal(0, 0.05, (count, length + 1, channels))
        return signal[:, :-1].astype(np.float32), signal[:, -1, :1].astype(np.float32)

    return make


def houses(features: int, districts: int) -> DataMaker:
    """A table and a category in; a price and whether it sold out. Keys are the model's own names."""

    def make(rng: np.random.Generator, count: int) -> Batch:
        table = rng.normal(0, 1, (count, features)).astype(np.float32)
        district = rng.integers(0, districts, (count, 1)).astype(np.int32)
        price = (table.sum(1, keepdims=True) + district / districts).astype(np.float32)
        sold = (price > 0.5).astype(np.float32)
        return {"features": table, "district": district}, {"price": price, "sold": sold}

    return make

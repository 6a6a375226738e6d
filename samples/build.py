"""Builds samples of one library: `python -m samples.build keras OUT_DIR NAME...`, a process of its own.

Keras 3 and tf_keras never share a process: each registers its classes with the same TensorFlow.
"""

import importlib
import logging
import sys
import time
import warnings
import zlib
from pathlib import Path

import numpy as np

from samples import catalogue, weights


def quiet_environment() -> dict[str, str]:
    """What a build process must find in its environment before TensorFlow is imported."""
    return {
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",  # the same numbers on every machine
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


def build(sample: catalogue.Sample, keras: catalogue.Keras, out_dir: Path) -> Path:
    """Build, train or randomise one sample and put its file in place in one step. Same bytes every time."""
    seed = zlib.crc32(sample.name.encode())
    keras.utils.set_random_seed(seed)
    keras.backend.clear_session()  # layer names count from 1 again
    rng = np.random.default_rng(seed)
    model = sample.build(keras)
    if sample.training is None:
        weights.randomise(model, rng)
    else:
        train(model, sample.training, rng)
    partial = out_dir / f".{sample.name}.partial.h5"
    model.save(str(partial))
    return partial.replace(out_dir / sample.file_name)


def train(model: catalogue.Model, training: catalogue.Training, rng: np.random.Generator) -> None:
    inputs, targets = training.data(rng, training.steps * training.batch)
    model.compile(optimizer="adam", loss=training.loss)
    model.fit(inputs, targets, batch_size=training.batch, shuffle=False, verbose=0)


def main() -> None:
    library, out_dir, *names = sys.argv[1:]
    # Both libraries advise the .keras format; the old format is the very thing wanted here.
    warnings.filterwarnings("ignore", message="You are saving your model as an HDF5 file")
    logging.getLogger("absl").addFilter(lambda record: "as an HDF5 file" not in record.getMessage())
    keras = importlib.import_module(library)
    importlib.import_module("tensorflow").config.experimental.enable_op_determinism()
    zoo = catalogue.load()
    for name in names:
        started = time.perf_counter()
        path = build(zoo[name], keras, Path(out_dir))
        seconds = time.perf_counter() - started
        print(f"{path.name:28} {path.stat().st_size:>12,} bytes  {seconds:5.1f} s  {library}", flush=True)


if __name__ == "__main__":
    main()

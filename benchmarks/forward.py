"""How fast the emitted module runs beside one written by hand: `python -m benchmarks.forward`.

Each net is built by Keras, converted by the command, and written once more in `benchmarks.handwritten`, as one writes
it in PyTorch, with the same weights. Both run in eager mode, in turn, on one thread of one process. Machines differ and
are shared, so time is the processor's, and what counts is the median of the ratios. Both must give the same answer
first, to 1e-5 of its scale.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import handwritten
from benchmarks.pages import write_between

_VGG_SIZE = 128  # at 224 one run takes seconds
_AGREEMENT = 1e-5
_PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- forward: made by make bench -->", "<!-- end of forward -->"
_BUILD = """
import sys, keras, numpy as np
from keras import layers

def text_lstm():
    return keras.Sequential([
        keras.Input((None,), dtype="int32"),
        layers.Embedding(5000, 128, mask_zero=True, name="embedding"),
        layers.LSTM(128, return_sequences=True, name="lstm1"),
        layers.LSTM(64, name="lstm2"),
        layers.Dense(1, activation="sigmoid", name="head"),
    ])

def text_bilstm():
    return keras.Sequential([
        keras.Input((None,), dtype="int32"),
        layers.Embedding(5000, 128, mask_zero=True, name="embedding"),
        layers.Bidirectional(layers.LSTM(64, return_sequences=True), name="bilstm"),
        layers.Dense(17, activation="softmax", name="head"),
    ])

def transformer():
    words, steps = keras.Input((128,), dtype="int32"), keras.Input((128,), dtype="int32")
    x, y = layers.Embedding(5000, 256, name="token")(words), layers.Embedding(128, 256, name="position")(steps)
    x = layers.Add()([x, y])
    for n in range(4):
        y = layers.MultiHeadAttention(8, 32, name=f"attention_{n}")(x, x)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm1_{n}")(layers.Add()([x, y]))
        y = layers.Dense(1024, activation="gelu", name=f"expand_{n}")(x)
        y = layers.Dense(256, name=f"reduce_{n}")(y)
        x = layers.LayerNormalization(epsilon=1e-6, name=f"norm2_{n}")(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model([words, steps], layers.Dense(10, activation="softmax", name="head")(x))

name, size, source, arrays = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
keras.utils.set_random_seed(0)
if name in globals():
    model = globals()[name]()
else:
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
rng = np.random.default_rng(0)
kept = {}
for layer in model.layers:
    for variable in layer.weights:
        role = variable.path.split("/")[-1]
        if role in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(rng.normal(0.0, 0.1, variable.shape))
    kept |= {f"{layer.name}|{i}": array for i, array in enumerate(layer.get_weights())}
np.savez(arrays, **kept)
model.save(source)
"""


@dataclass(frozen=True)
class Net:
    """One row: what Keras calls it, the net by hand, and inputs for a batch. `size`: of its images."""

    keras: str
    by_hand: Callable[[], Any]
    inputs: Callable[[int], list[torch.Tensor]]
    size: int = 0


def _images(size: int) -> Callable[[int], list[torch.Tensor]]:
    return lambda batch: [torch.rand(batch, 3, size, size, generator=_generator())]


def _sentences(batch: int) -> list[torch.Tensor]:
    """100 words, of which the last are padding: a tenth in the longest sentence, two thirds in the shortest."""
    words = torch.randint(1, 5000, (batch, 100), generator=_generator(), dtype=torch.int32)
    lengths = torch.linspace(90, 34, batch).long()
    return [torch.where(torch.arange(100) < lengths[:, None], words, 0)]


def _words_and_steps(batch: int) -> list[torch.Tensor]:
    words = torch.randint(0, 5000, (batch, 128), generator=_generator(), dtype=torch.int32)
    return [words, torch.arange(128, dtype=torch.int32).expand(batch, 128)]


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


_NETS = {
    "resnet50": Net("ResNet50", handwritten.ResNet50, _images(224), 224),
    "mobilenetv2": Net("MobileNetV2", handwritten.MobileNetV2, _images(224), 224),
    f"vgg16 at {_VGG_SIZE}": Net(
        "VGG16", lambda: handwritten.VGG16(_VGG_SIZE), _images(_VGG_SIZE), _VGG_SIZE
    ),
    "lstm": Net("text_lstm", handwritten.TextLSTM, _sentences),
    "bilstm": Net("text_bilstm", handwritten.TextBiLSTM, _sentences),
    "transformer": Net("transformer", handwritten.TransformerEncoder, _words_and_steps),
}


@dataclass(frozen=True)
class Row:
    """Milliseconds a call, medians, and the ratio of emitted to handwritten: its median and quartiles."""

    net: str
    batch: int
    emitted_ms: float
    by_hand_ms: float
    ratios: tuple[float, float, float]
    calls: int

    def __str__(self) -> str:
        low, middle, high = self.ratios
        return (
            f"{self.net:<14}{self.batch:>6}{self.emitted_ms:>12.2f}{self.by_hand_ms:>12.2f}"
            f"{middle:>8.3f}   {low:.3f}-{high:.3f}{self.calls:>8}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forward", description=__doc__.splitlines()[0])
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(_NETS)} (default: all)")
    parser.add_argument("--batch", type=int, action="append", help="default: 1 and 8")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each row (default: 20)")
    parser.add_argument(
        "--cache", type=Path, default=Path("build/benchmarks"), help="where the .h5 files are kept"
    )
    parser.add_argument("--page", action="store_true", help=f"write the table into {_PAGE.name} too")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    print(
        f"{'net':<14}{'batch':>6}{'emitted ms':>12}{'by hand ms':>12}{'ratio':>8}   {'quartiles':<11}{'calls':>8}"
    )
    done = []
    for name, net in _NETS.items():
        if not arguments.nets or name.split()[0] in arguments.nets:
            for row in _rows(name, net, arguments):
                done.append(row)
                print(row, flush=True)
    if arguments.page:
        write_between(_PAGE, _BEGIN, _END, _table(done))
    return 0


def _table(rows: list[Row]) -> str:
    lines = ["| net | batch | emitted, ms | by hand, ms | ratio | quartiles of the ratio | calls |"]
    lines += ["|---|--:|--:|--:|--:|---|--:|"]
    for row in rows:
        low, middle, high = row.ratios
        lines.append(
            f"| {row.net} | {row.batch} | {row.emitted_ms:.2f} | {row.by_hand_ms:.2f} | **{middle:.3f}** "
            f"| {low:.3f} to {high:.3f} | {row.calls} |"
        )
    where = f"{cpu_name()}, one thread, PyTorch {torch.__version__}"
    return "\n".join([*lines, "", f"Made on {where}."])


def cpu_name() -> str:
    """What Linux calls the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a CPU")


def _rows(name: str, net: Net, arguments: argparse.Namespace) -> Iterator[Row]:
    source = arguments.cache / f"forward-{net.keras.lower()}-{net.size}.h5"
    if not source.exists():
        _build(net, source)
    with np.load(source.with_suffix(".npz")) as arrays:
        weights: dict[str, list[torch.Tensor]] = {}
        for key in arrays.files:
            weights.setdefault(key.split("|")[0], []).append(torch.from_numpy(arrays[key]))
    by_hand = net.by_hand()
    handwritten.load(by_hand, by_hand.layers(), weights)
    by_hand.eval()
    with tempfile.TemporaryDirectory() as folder:
        emitted = _converted(source, Path(folder) / "bundle")
        for batch in arguments.batch or (1, 8):
            yield _row(name, emitted, by_hand, net.inputs(batch), arguments.seconds)


def _build(net: Net, source: Path) -> None:
    partial = source.with_name(f"partial-{source.name}")
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", "-c", _BUILD, net.keras, str(net.size), str(partial)]
    command.append(str(source.with_suffix(".npz")))
    subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
    partial.rename(source)


def _converted(source: Path, bundle: Path) -> nn.Module:
    command = [str(Path(sys.executable).with_name("keras2torch")), "convert", str(source), "-o", str(bundle)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    spec = importlib.util.spec_from_file_location("emitted", bundle / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model: nn.Module = module.load_model()
    return model


def _row(
    name: str, emitted: nn.Module, by_hand: nn.Module, inputs: list[torch.Tensor], seconds: float
) -> Row:
    ours: list[float] = []
    theirs: list[float] = []
    with torch.inference_mode():
        expected = by_hand(*inputs)
        error = float((emitted(*inputs) - expected).abs().max() / expected.abs().max())
        if not error <= _AGREEMENT:
            raise SystemExit(f"{name}: the two nets differ by {error:.1e} of the scale")
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or len(ours) < 10:
            # Who goes first takes turns, so that neither always finds the caches as the other left them.
            for model, times in ((emitted, ours), (by_hand, theirs))[:: 1 if len(ours) % 2 else -1]:
                started = time.process_time()
                model(*inputs)
                times.append(time.process_time() - started)
    low, middle, high = statistics.quantiles(
        [ours / theirs for ours, theirs in zip(ours, theirs, strict=True)], n=4
    )
    return Row(
        name,
        len(inputs[0]),
        statistics.median(ours) * 1e3,
        statistics.median(theirs) * 1e3,
        (low, middle, high),
        len(ours),
    )


if __name__ == "__main__":
    sys.exit(main())

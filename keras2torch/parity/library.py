"""One of the two Keras libraries, and TensorFlow beneath it, as values: nothing else here imports them."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


class KerasError(RuntimeError):
    """Keras could not build or run the canonical model."""

    kind = "reference-failed"


@dataclass(frozen=True)
class Library:
    """`keras` (Keras 3 on TensorFlow) or `tf_keras`. One process must not load both."""

    name: str
    keras: Any
    tf: Any

    @classmethod
    def load(cls, name: str) -> "Library":
        """Import the library `name`, set up so that a run can be repeated to the bit."""
        if name not in {"keras", "tf_keras"}:
            raise ValueError(f"no such reference library: {name!r}")
        tf = importlib.import_module("tensorflow")
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.experimental.enable_op_determinism()
        # Where a graph is used at all, run it as it is written.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        return cls(name, importlib.import_module(name), tf)

    @property
    def versions(self) -> dict[str, str]:
        return {self.name: self.keras.__version__, "tensorflow": self.tf.__version__}

    def tensors(self, outputs: Any) -> list[Any]:
        """The tensors in a layer's outputs, in Keras's order."""
        return [output for output in self.tf.nest.flatten(outputs) if output is not None]

    def layers_of(self, model: Any) -> Iterator[Any]:
        """Every layer of `model`, those inside nested models and wrappers included."""
        yield from model._flatten_layers(include_self=False)

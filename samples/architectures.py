"""Writes down the architectures of keras.applications: `python -m samples.architectures`, whenever Keras changes them.

What is kept is what the libraries' own `to_json` says, less what has no effect on inference or is a default that the
converter knows, so that a file of published weights can be read where there is no Keras. The result is package data:
facts about architectures, none of the libraries' code and none of their weights.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import lzma
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Limits

TARGET = Path("keras2torch/source/applications.json.xz")
LIBRARIES = ("keras", "tf_keras")
"""In this order: tf_keras is asked only for what Keras 3 no longer has."""
_LIMITS = Limits(wall_s=3600.0, memory_bytes=16 << 30)
_UNUSED = ("_initializer", "_regularizer", "_constraint")
_LAYER_KEYS = ("module", "class_name", "config", "registered_name", "name", "inbound_nodes")


def names(payload: Mapping[str, Any]) -> list[str]:
    """The functions in `<library>.applications` that build a model. Runs in a sandbox child."""
    applications = importlib.import_module(payload["library"]).applications
    return sorted(
        name
        for name, value in vars(applications).items()
        if inspect.isfunction(value) and "include_top" in inspect.signature(value).parameters
    )


def describe(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One architecture with its classifier and without. Runs in a sandbox child."""
    keras = importlib.import_module(payload["library"])
    variants = []
    for top in (True, False):
        keras.backend.clear_session()
        model = getattr(keras.applications, payload["name"])(weights=None, include_top=top)
        described = json.loads(model.to_json())
        holding = [layer.name for layer in model.layers if layer.weights]
        variants.append(
            {
                "weighted": len(holding),
                "model": {
                    "class_name": "Functional",
                    "config": pruned_model(described["config"]),
                    "keras_version": keras.__version__,
                    "backend": "tensorflow",
                    "classifier": holding[-1] if top else None,
                },
            }
        )
    return variants


def pruned_model(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a functional model's configuration matters to inference and is no default."""
    kept = {key: config[key] for key in ("name", "input_layers", "output_layers")}
    layers = []
    for layer in config["layers"]:
        own = {
            key: "float32" if key == "dtype" and _is_float32(value) else value
            for key, value in layer["config"].items()
            if not key.endswith(_UNUSED) and (key, value) != ("trainable", True)
        }
        rest = {key: layer[key] for key in _LAYER_KEYS if layer.get(key) is not None}
        layers.append({**rest, "config": own})
    return {**kept, "layers": layers}


def _is_float32(dtype: Any) -> bool:
    return isinstance(dtype, Mapping) and dtype["config"] == {"name": "float32"}


def text_of(found: Mapping[str, Any]) -> bytes:
    """The same bytes for the same architectures, each as a text of its own: they are asked for one at a time."""
    return _compact({name: _compact(variants) for name, variants in found.items()}).encode()


def packed(text: bytes) -> bytes:
    return lzma.compress(text, format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def collect(verifier: Verifier, wanted: list[str] | None = None) -> dict[str, Any]:
    """Ask both libraries for `wanted` (default: everything they have)."""
    found: dict[str, Any] = {}
    for library in LIBRARIES:
        with tempfile.TemporaryDirectory() as folder:

            def asked(
                function: str, payload: Mapping[str, Any], library: str = library, folder: str = folder
            ) -> Any:
                outcome = verifier.sandboxes[library].run(
                    f"samples.architectures:{function}",
                    {"library": library, **payload},
                    workdir=Path(folder),
                    limits=_LIMITS,
                )
                if outcome.error is not None:
                    raise RuntimeError(outcome.error["message"])
                return outcome.result

            for name in asked("names", {}):
                if name not in found and (wanted is None or name in wanted):
                    found[name] = asked("describe", {"name": name})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m samples.architectures", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--out", type=Path, default=TARGET, metavar="FILE", help=f"where to (default: {TARGET})"
    )
    arguments = parser.parse_args()
    with Verifier() as verifier:
        found = collect(verifier)
    data = packed(text_of(found))
    arguments.out.write_bytes(data)
    print(f"{arguments.out}: {len(found)} architectures, {len(data):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

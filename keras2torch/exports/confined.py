"""Exporting as a step that adds files to a bundle; what runs torch is a confined child."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras2torch.errors import CannotExport
from keras2torch.exports.formats import FILES
from keras2torch.sandbox import Limits, Sandbox

_ENVIRONMENT: Mapping[str, str] = {
    # The same bytes and figures each time, and no GPU: it would be compared on the CPU all the same.
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
}
_SECONDS = 1800.0
_TARGET = "keras2torch.exports.inside.run:run_export"

Confined = Callable[[str, Mapping[str, Any], Path], Any]
"""Runs a function by its name on a payload, in a child that may write to a folder; returns what the function did."""


@dataclass(frozen=True)
class Exporter:
    """Adds exports to a bundle; what `bundle.write_bundle` and `bundle.extend_bundle` take."""

    formats: Sequence[str]
    file: str
    """What an error names."""
    confined: Confined | None = None
    """For callers with children of their own; they may read the bundle, and what is raised is the caller's."""

    def __call__(self, bundle: Path, into: Path, manifest: dict[str, Any]) -> None:
        """Export the module in `bundle` into the folder `into`, and say so under `exports` of the manifest.

        Raises `CannotExport` where a format cannot hold the model, or what it holds computes something else.
        """
        workdir = Path(tempfile.mkdtemp(prefix=".export-", dir=into))
        payload = {
            "bundle": str(bundle.resolve()),
            "workdir": str(workdir.resolve()),
            "formats": list(self.formats),
            **{key: manifest[key] for key in ("inputs", "outputs", "layers")},
        }
        try:
            if self.confined is None:
                entries = self._in_own_sandbox(payload, bundle, workdir)
            else:
                entries = self.confined(_TARGET, payload, workdir)
            for entry in entries:
                (workdir / entry["path"]).replace(into / entry["path"])
        finally:
            shutil.rmtree(workdir)
        made = {entry["path"]: entry for entry in [*manifest.get("exports", ()), *entries]}
        manifest["exports"] = [made[path] for path in FILES.values() if path in made]

    def _in_own_sandbox(self, payload: Mapping[str, Any], bundle: Path, workdir: Path) -> Any:
        size = (bundle / "model.safetensors").stat().st_size
        limits = Limits(wall_s=_SECONDS, memory_bytes=(6 << 30) + 12 * size)
        with Sandbox(["torch", "safetensors.torch"], env=_ENVIRONMENT) as sandbox:
            outcome = sandbox.run(_TARGET, payload, workdir=workdir, limits=limits, readable=[bundle])
        if outcome.error is not None:
            raise CannotExport(outcome.error["message"], file=self.file)
        return outcome.result

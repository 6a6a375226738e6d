"""The four steps in order: one bundle and its source in, a ParityReport out.

Keras and the emitted module run in confined processes of their own; this process imports neither.
"""

import dataclasses
import importlib.util
import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras2torch.errors import Keras2TorchError, ParityFailed
from keras2torch.options import Replacement, UserFile
from keras2torch.parity.compare import compare
from keras2torch.parity.conditioning import worth_asking
from keras2torch.parity.learning import KINDS, compare_learning
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import ParityReport
from keras2torch.sandbox import Limits, Outcome, Sandbox

PRELOAD: Mapping[str, Sequence[str]] = {
    "keras": ("tensorflow", "keras"),
    "tf_keras": ("tensorflow", "tf_keras"),
    "torch": ("torch", "safetensors.torch"),
}
"""What each server imports. torch and TensorFlow cannot share a process, nor should keras and tf_keras."""

ENVIRONMENT: Mapping[str, str] = {
    # Set before the libraries are imported: one thread, no oneDNN, no TensorFloat-32, so that a run can be
    # repeated to the bit.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "KERAS_BACKEND": "tensorflow",
    "NVIDIA_TF32_OVERRIDE": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_USE_LEGACY_KERAS": "1",
}


class VerificationError(Keras2TorchError):
    """Parity could not be judged."""


class Verifier:
    """The servers that verifying needs, each started when first asked for. Good for any number of bundles and
    threads.
    """

    def __init__(self) -> None:
        self.sandboxes = {name: Sandbox(preload, env=_environment(name)) for name, preload in PRELOAD.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sandbox in self.sandboxes.values():
            sandbox.close()

    def verify(
        self,
        bundle: Path,
        source: Path,
        *,
        device: str = "cpu",
        training: bool = False,
        gradients: bool = False,
        layers: Sequence[UserFile] = (),
        replace: Sequence[Replacement] = (),
        limits: Limits | None = None,
        cancel: threading.Event | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> ParityReport:
        """Judge `bundle` against its `source`. Writes nothing into the bundle.

        `training` compares a step in training mode too (the statistics of the batch, and what the running ones become;
        all that is random left out), `gradients` the gradients of inputs and weights, both in float64.
        `limits` hold for either side; by default ten minutes, and memory by the size of the source.

        Raises `UsageError` if the bundle is of another source, `ParityFailed` if the emitted module cannot
        run, `VerificationError` if Keras cannot.
        """
        timings: dict[str, float] = {}
        walls: dict[str, Sequence[str]] = {}
        with tempfile.TemporaryDirectory(prefix="keras2torch-parity-") as folder:
            workdir = Path(folder)
            payload: dict[str, Any] = {
                "workdir": str(workdir),
                "bundle": str(bundle.resolve()),
                "device": device,
                "training": training,
                "gradients": gradients,
            }

            def confined(
                step: str, server: str, answer: str, readable: Sequence[Path] = (), module: str | None = None
            ) -> Outcome:
                outcome = self.sandboxes[server].run(
                    f"keras2torch.parity.{module or step}:run_{step}",
                    payload,
                    workdir=workdir,
                    limits=limits,
                    readable=readable,
                    cancel=cancel,
                    on_progress=on_progress,
                )
                timings[step], walls[step] = outcome.wall_s, outcome.walls
                if outcome.ok:
                    (workdir / answer).write_text(json.dumps(outcome.result), encoding="utf-8")
                return outcome

            started = time.monotonic()
            plan = prepare(source, bundle, workdir, layers=layers, replace=replace)
            limits = limits or Limits(memory_bytes=(4 << 30) + 8 * source.stat().st_size)
            timings["prepare"] = time.monotonic() - started
            # torch takes its seconds to import while Keras computes.
            warming = threading.Thread(target=self.sandboxes["torch"].start)
            warming.start()
            try:
                if plan["given"]:
                    outcome = confined("given", "torch", "given.json", readable=[bundle], module="candidate")
                    if outcome.error is not None:
                        raise ParityFailed(
                            f"the emitted module: {outcome.error['message']}", file=str(bundle)
                        )
                outcome = confined("reference", plan["library"], "expected.json")
            finally:
                warming.join()
            if outcome.error is not None:
                raise VerificationError(f"Keras: {outcome.error['message']}", file=str(source))
            load_s = float((outcome.result or {})["load_s"])
            outcome = confined("candidate", "torch", "actual.json", readable=[bundle])
            if outcome.error is not None:
                raise ParityFailed(f"the emitted module: {outcome.error['message']}", file=str(bundle))
            started = time.monotonic()
            report = compare(workdir, bundle)
            if worth_asking(report):
                moved = confined("moved", "torch", "moved.json", readable=[bundle], module="candidate")
                if moved.ok:
                    report = compare(workdir, bundle)
            timings["compare"] = time.monotonic() - started
            case = next((case.name for case in report.cases if case.refused is None), None)
            if (training or gradients) and case is not None:
                payload["case"] = case
                refusals: dict[str, list[str]] = {}
                asked = [kind for kind in KINDS if payload[kind]]
                if plan["given"]:
                    refusals = {kind: ["Keras does not know the caller's own layers"] for kind in asked}
                else:
                    for side, server, whose, error in (
                        ("reference", plan["library"], source, VerificationError),
                        ("candidate", "torch", bundle, ParityFailed),
                    ):
                        step = f"learning_{side}"
                        outcome = confined(
                            step, server, f"{step}.json", readable=[bundle] if server == "torch" else []
                        )
                        if outcome.error is not None:
                            raise error(f"{step}: {outcome.error['message']}", file=str(whose))
                        for kind, why in (outcome.result or {}).items():
                            refusals.setdefault(kind, []).extend([why] if why else [])
                report = compare_learning(
                    source, bundle, workdir, case, refusals, layers=layers, replace=replace
                ).added_to(report)
        return dataclasses.replace(report, timings=timings, keras_load_s=load_s, walls=walls)


def _environment(server: str) -> Mapping[str, str]:
    if server == "torch":
        return ENVIRONMENT
    # TensorFlow takes every GPU there is, and torch must see the one it is asked to use.
    # tf_keras reaches for `tf.keras` in places, which is Keras 3 unless told so.
    legacy = {"TF_USE_LEGACY_KERAS": "1"} if server == "tf_keras" else {}
    return {**ENVIRONMENT, **legacy, "CUDA_VISIBLE_DEVICES": "-1"}


def _check_installed() -> None:
    """Say what is missing before a server dies of it. Looking for a module does not import it."""
    needed = {module.partition(".")[0] for modules in PRELOAD.values() for module in modules}
    missing = sorted(name for name in needed if importlib.util.find_spec(name) is None)
    if missing:
        raise VerificationError(f"verifying needs {', '.join(missing)}: pip install 'keras2torch[verify]'")


def verify(
    bundle: str | Path,
    source: str | Path,
    *,
    device: str = "cpu",
    training: bool = False,
    gradients: bool = False,
    layers: Sequence[str | Path] = (),
    replace: Sequence[str] = (),
) -> ParityReport:
    """Prove that the bundle computes what the Keras model in `source` computes, and write its parity.json.

    `device`: where float32 is judged, "cpu" or "cuda"; float64 always runs on the CPU. `training`, `gradients`: compare
    a step in training mode, and gradients, too. `layers` and `replace`: what the
    conversion was given, if it was. A verdict of "failed"
    is a result, not an error; see `Verifier.verify` for what is raised.
    """
    _check_installed()
    with Verifier() as verifier:
        report = verifier.verify(
            Path(bundle),
            Path(source),
            device=device,
            training=training,
            gradients=gradients,
            layers=list(map(UserFile.read, layers)),
            replace=list(map(Replacement.parse, replace)),
        )
    report.write(Path(bundle) / "parity.json")
    return report

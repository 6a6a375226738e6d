"""One bundle and its source in, a ParityReport out.

Keras and the emitted module run in confined processes of their own; this process imports neither.
"""

import contextlib
import dataclasses
import importlib.util
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keras2torch.errors import Keras2TorchError, ParityFailed, UsageError
from keras2torch.options import Replacement, UserFile
from keras2torch.parity.compare import compare
from keras2torch.parity.conditioning import worth_asking
from keras2torch.parity.learning import KINDS, compare_learning
from keras2torch.parity.prepare import prepare
from keras2torch.parity.report import ParityReport
from keras2torch.parity.steps import TORCH, judged, target
from keras2torch.sandbox import Limits, Sandbox

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

        `training` compares a step of gradient descent too (every weight, and what running statistics become; all that
        is random left out), `gradients` the gradients of inputs and weights, both in float64.
        `limits` hold for either side; by default ten minutes, and memory by the size of the source.

        Raises `UsageError` if the bundle is of another source or torch has no such device, `ParityFailed` if the
        emitted module cannot run, `VerificationError` if Keras cannot.
        """
        with tempfile.TemporaryDirectory(prefix="keras2torch-parity-") as folder:
            verification = _Verification(
                self.sandboxes,
                source=source,
                bundle=bundle,
                workdir=Path(folder),
                asked={"device": device, "training": training, "gradients": gradients},
                own_code={"layers": layers, "replace": replace},
                terms={"limits": limits, "cancel": cancel, "on_progress": on_progress},
            )
            return verification.report()


class _Verification:
    """One bundle being judged: `prepare` and `compare` in this process, the rest in children."""

    def __init__(
        self,
        sandboxes: Mapping[str, Sandbox],
        *,
        source: Path,
        bundle: Path,
        workdir: Path,
        asked: Mapping[str, Any],
        own_code: Mapping[str, Sequence[Any]],
        terms: Mapping[str, Any],
    ) -> None:
        self._sandboxes = sandboxes
        self._source = source
        self._bundle = bundle
        self._workdir = workdir
        self._asked = asked
        self._own_code = own_code
        self._terms = {"workdir": workdir, **terms}
        self._payload: dict[str, Any] = {"workdir": str(workdir), "bundle": str(bundle.resolve()), **asked}
        self._plan: Mapping[str, Any] = {}
        self._timings: dict[str, float] = {}
        self._walls: dict[str, Sequence[str]] = {}
        # torch takes its seconds to import while Keras computes.
        self._warming = threading.Thread(target=sandboxes[TORCH].start)

    def report(self) -> ParityReport:
        """All of it."""
        try:
            report = judged(self, bundle=self._bundle, workdir=self._workdir)
        finally:
            if self._warming.ident is not None:
                self._warming.join()
        if self._asked["training"] or self._asked["gradients"]:
            report = self._with_learning(report)
        load_s = float(json.loads((self._workdir / "expected.json").read_text(encoding="utf-8"))["load_s"])
        return dataclasses.replace(report, timings=self._timings, keras_load_s=load_s, walls=self._walls)

    def prepare(self) -> Mapping[str, Any]:
        with self._timed("prepare"):
            self._plan = prepare(self._source, self._bundle, self._workdir, **self._own_code)
        # After `prepare`, which says what is wrong with a source that has no size.
        if self._terms["limits"] is None:
            self._terms["limits"] = Limits(memory_bytes=(4 << 30) + 8 * self._source.stat().st_size)
        if self._asked["device"] != "cpu":
            self._check_device(self._asked["device"])
        self._warming.start()
        return self._plan

    def _check_device(self, device: str) -> None:
        """Asked before Keras computes for minutes, and where nothing of the bundle runs."""
        outcome = self._sandboxes[TORCH].run(target("device"), self._payload, **self._terms)
        missing = outcome.error["message"] if outcome.error else outcome.result["missing"]
        if missing:
            raise UsageError(f"torch has no device {device!r} here: {missing}")

    def confined(self, step: str, server: str, readable: Sequence[Path], *, needed: bool = True) -> Any:
        outcome = self._sandboxes[server].run(target(step), self._payload, readable=readable, **self._terms)
        self._timings[step], self._walls[step] = outcome.wall_s, outcome.walls
        if outcome.error is not None and needed:
            if server == TORCH:
                raise ParityFailed(f"the emitted module: {outcome.error['message']}", file=str(self._bundle))
            raise VerificationError(f"Keras: {outcome.error['message']}", file=str(self._source))
        return outcome.result if outcome.ok else None

    def compare(self) -> tuple[ParityReport, bool]:
        with self._timed("compare"):
            report = compare(self._workdir, self._bundle)
        return report, worth_asking(report)

    def _with_learning(self, report: ParityReport) -> ParityReport:
        """With a step in training mode, and gradients, as far as they were asked for and can be had."""
        case = next((case.name for case in report.cases if case.refused is None), None)
        if case is None:
            return report
        self._payload["case"] = case
        refusals: dict[str, list[str]] = {}
        if self._plan["given"] or self._plan["fused"]:
            why = (
                "Keras does not know the caller's own layers"
                if self._plan["given"]
                else "batch normalizations are in the weights of other layers, which do not learn as they did"
            )
            refusals = {kind: [why] for kind in KINDS if self._asked[kind]}
        else:
            for step, server, readable in (
                ("learning_reference", self._plan["library"], []),
                ("learning_candidate", TORCH, [self._bundle]),
            ):
                for kind, refused in self.confined(step, server, readable).items():
                    refusals.setdefault(kind, []).extend([refused] if refused else [])
        learned = compare_learning(
            self._source, self._bundle, self._workdir, case, refusals, **self._own_code
        )
        return learned.added_to(report)

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._timings[step] = self._timings.get(step, 0.0) + time.monotonic() - started


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

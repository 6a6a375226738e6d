"""What the emitted bundle computes. With `parts` and `load` the only code here that imports torch.

The bundle is loaded from its files, by its own `load_model`, as its user would. To see inside, the syntax
tree of model.py is instrumented on the way: after each assignment in a `forward`, and round what it returns,
a call hands the value to us. Nothing else of the program changes, so what is observed is what runs.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from keras2torch.parity.arrays import (
    Array,
    ArrayWriter,
    logits_key,
    must_show_logits,
    output_key,
    trace_key,
    write_sample,
)
from keras2torch.parity.instrument import before_activation, load_instrumented
from keras2torch.sandbox import progress

MODULE_NAME = "keras2torch_candidate"


class CandidateError(RuntimeError):
    """The bundle could not be loaded or run."""

    kind = "candidate-failed"
    exit_code = 5


@dataclass(frozen=True)
class Locator:
    """Where one tensor passes; see `layers[].outputs` in the manifest. `key` is what both sides call it.

    `line` may be `before_activation` of one, and is None for what a module yields.
    """

    key: str
    module: str
    line: int | None
    axes: Sequence[int] | None
    passing: int | None = None
    """Which tensor that passes there it is, from 0. None: the one behind that of the layer's call before."""


def run_candidate(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run the bundle on every case that the reference accepted.

    `payload`: `workdir`, with `plan.json`, `expected.json` and `cases/<name>.npz`; `bundle`, its folder;
    `device`, "cpu" or "cuda". Writes `actual64/<name>.npz`, always computed on the CPU, and
    `actual32/<name>.npz`, computed on `device`, all in Keras's axes. Returns versions, the device and how it was set
    up, the most memory of a GPU that was held at once, in bytes, and, per case, the number of outputs.
    """
    workdir, bundle = Path(payload["workdir"]), Path(payload["bundle"])
    device = str(payload.get("device", "cpu"))
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    expected = json.loads((workdir / "expected.json").read_text(encoding="utf-8"))["cases"]
    observer = Observer(locators_of(manifest))
    module = load_instrumented(bundle / "model.py", MODULE_NAME, observer.observe)
    cases: dict[str, dict[str, int]] = {}
    for floats, where in (("float64", "cpu"), ("float32", device)):
        folder = workdir / f"actual{floats[-2:]}"
        folder.mkdir(exist_ok=True)
        make_repeatable(where)
        model = loaded(module, workdir, floats, where)
        cases = _run_cases(model, observer, manifest, expected, workdir, folder.name, where)
    versions = {"torch": torch.__version__}
    return {
        "device_facts": device_facts(device),
        "gpu_peak_bytes": torch.cuda.max_memory_reserved(device) if device.startswith("cuda") else 0,
        "versions": versions,
        "cases": cases,
    }


def run_device(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Why torch cannot compute on the `device` of the payload, as `missing`; None if it can."""
    try:
        torch.zeros(1, device=payload["device"]).cpu()
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without that device
        return {"missing": str(error).splitlines()[0]}
    return {"missing": None}


def loaded(module: Any, workdir: Path, floats: str, device: str = "cpu") -> nn.Module:
    """The bundle's model, by its own `load_model`.

    In float64 it gets the weights that the conversion computed as they were before they were rounded to be stored, of
    which `prepare` left those in `fused.npz`; but only where what is stored is just that, rounded.
    """
    model: nn.Module = module.load_model(device=device, dtype=getattr(torch, floats))
    path = workdir / "fused.npz"
    if floats == "float64" and path.exists():
        tensors = dict(model.named_parameters())
        with np.load(path) as arrays, torch.no_grad():
            for name in arrays.files:
                exact, stored = torch.from_numpy(arrays[name]), tensors.get(name)
                if stored is not None and exact.to(torch.float32).to(exact.dtype).equal(stored):
                    stored.copy_(exact)
    return model


def _run_cases(
    model: nn.Module,
    observer: "Observer",
    manifest: Mapping[str, Any],
    expected: Mapping[str, Any],
    workdir: Path,
    run: str,
    device: str = "cpu",
) -> dict[str, dict[str, int]]:
    """Run what the reference accepted, into the folder `run`: "actual64", "actual32" or "moved64"."""
    floats = f"float{run[-2:]}"
    cases: dict[str, dict[str, int]] = {}
    for number, (name, answer) in enumerate(expected.items()):
        if "refused" in answer:
            continue
        done = (floats == "float32") / 2 + number / len(expected) / 2
        progress(step="candidate", floats=floats, case=name, share=done)
        inputs = case_inputs(workdir / "cases" / f"{name}.npz", manifest["inputs"], floats, device)
        if run == "moved64":
            inputs = [_moved(tensor) for tensor in inputs]
        wanted = set(_keys(answer)) if floats == "float64" else set()
        _begin_anew(model, inputs)
        with ArrayWriter(workdir / run / f"{name}.npz") as writer, torch.inference_mode():
            with observer.watching(model, wanted, writer):
                outputs = flatten(model(*inputs))
            for place, output in enumerate(outputs):
                axes = manifest["outputs"][place]["axes"] if place < len(manifest["outputs"]) else None
                writer.write(output_key(place), in_keras_axes(output, axes))
        cases[name] = {"outputs": len(outputs)}
    return cases


def run_moved(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run the bundle again in float64, its floating inputs moved by one rounding error each, up or down in turn.

    Writes `moved64/<name>.npz`, which holds what `actual64/<name>.npz` does.
    """
    workdir, bundle = Path(payload["workdir"]), Path(payload["bundle"])
    make_repeatable()
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    expected = json.loads((workdir / "expected.json").read_text(encoding="utf-8"))["cases"]
    observer = Observer(locators_of(manifest))
    module = load_instrumented(bundle / "model.py", MODULE_NAME, observer.observe)
    model = loaded(module, workdir, "float64")
    (workdir / "moved64").mkdir(exist_ok=True)
    _run_cases(model, observer, manifest, expected, workdir, "moved64")
    return {}


def _moved(tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    steps = torch.ones(tensor.numel(), dtype=tensor.dtype)
    steps[1::2] = -1
    return tensor * (1 + steps.reshape(tensor.shape) * torch.finfo(tensor.dtype).eps)


def run_given(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Run the bundle on every case, for the layers that the plan says are the caller's own.

    Writes their outputs, whole, to `given64/<name>.npz` and `given32/<name>.npz`. Returns why a case could not run,
    by its name, where its size was our choice.
    """
    workdir, bundle = Path(payload["workdir"]), Path(payload["bundle"])
    make_repeatable()
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    plan = json.loads((workdir / "plan.json").read_text(encoding="utf-8"))
    observer = Observer(locators_of(manifest))
    module = load_instrumented(bundle / "model.py", MODULE_NAME, observer.observe)
    wanted = {trace_key(path, 0) for path in plan["given"]}
    refused: dict[str, str] = {}
    for floats in ("float64", "float32"):
        folder = workdir / f"given{floats[-2:]}"
        folder.mkdir(exist_ok=True)
        model = loaded(module, workdir, floats)
        for case in plan["cases"]:
            name = case["name"]
            inputs = case_inputs(workdir / "cases" / f"{name}.npz", manifest["inputs"], floats, "cpu")
            with ArrayWriter(folder / f"{name}.npz") as writer, torch.inference_mode():
                try:
                    _begin_anew(model, inputs)
                    with observer.watching(model, wanted, writer, whole=True):
                        model(*inputs)
                except RuntimeError as error:
                    if not case["may_be_refused"]:
                        raise
                    refused[name] = str(error).splitlines()[0]
    return {"refused": refused}


def _begin_anew(model: nn.Module, inputs: Sequence[torch.Tensor]) -> None:
    """Where parts keep states, put them into those that the same inputs leave behind, as the reference does."""
    resets: list[Any] = [module.reset_states for module in model.modules() if hasattr(module, "reset_states")]
    for reset in resets:
        reset()
    if resets:
        with torch.inference_mode():
            model(*inputs)


def _keys(answer: Mapping[str, Any]) -> Iterator[str]:
    """What the reference has recorded of a case."""
    yield from (trace_key(path, call) for path, call in answer["traces"])
    yield from (logits_key(path, call) for path, call in answer["logits"])


def make_repeatable(device: str = "cpu") -> None:
    """One thread, no TensorFloat-32, and the same bits every time: on a GPU where torch has such a way to compute."""
    torch.set_num_threads(1)
    # What `use_deterministic_algorithms` does, without its import of the compiler (2 s in every child).
    torch.set_deterministic_debug_mode("error" if device == "cpu" else "warn")
    # TensorFloat-32 keeps ten bits of mantissa; on by default for convolutions and recurrent layers.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")


def device_facts(device: str) -> dict[str, Any]:
    """What float32 was computed on, and how that was set up when it had been; see `DeviceFacts`.

    Asked of torch behind the last case, since the module that ran could have set anything.
    """
    on_gpu = device.startswith("cuda")
    return {
        "device": device,
        "name": torch.cuda.get_device_name(device) if on_gpu else device,
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "tf32_cudnn": torch.backends.cudnn.allow_tf32,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "deterministic": ("no", "where possible", "yes")[torch.get_deterministic_debug_mode()],
        "cuda": torch.version.cuda if on_gpu else None,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,  # type: ignore[no-untyped-call]  # torch's own
    }


def case_inputs(
    path: Path, specs: Sequence[Mapping[str, Any]], floats: str, device: str
) -> list[torch.Tensor]:
    tensors = []
    with np.load(path) as arrays:
        for number, spec in enumerate(specs):
            array: Array = arrays[str(number)]
            if spec["axes"] is not None:
                array = array.transpose(spec["axes"])
            dtype = getattr(torch, floats if spec["dtype"].startswith(("float", "bfloat")) else spec["dtype"])
            tensors.append(torch.from_numpy(np.ascontiguousarray(array)).to(device=device, dtype=dtype))
    return tensors


def in_keras_axes(tensor: torch.Tensor, axes: Sequence[int] | None) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array if axes is None or array.ndim != len(axes) else array.transpose(np.argsort(axes))


def flatten(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in flatten(item)]
    raise CandidateError(f"expected a tensor, found {type(value).__name__}")


# ------------------------------------------------------------------------------------------------ observing


def locators_of(manifest: Mapping[str, Any]) -> list[Locator]:
    """Where layer outputs pass, and what goes into their activations."""
    locators = []
    for layer in manifest["layers"]:
        for place in layer.get("outputs", ()):
            name, call = layer["keras_name"], place["call"]
            locators.append(
                Locator(
                    trace_key(name, call), place["module"], place["line"], place["axes"], place.get("passing")
                )
            )
            if must_show_logits(layer):
                locators.append(Locator(logits_key(name, call), layer["torch_name"], None, None))
            elif place["line"] is not None:
                line = before_activation(place["line"])
                locators.append(
                    Locator(
                        logits_key(name, call), place["module"], line, place["axes"], place.get("passing")
                    )
                )
    return locators


class Observer:
    """Receives the values that pass the places the manifest names, and writes those that are wanted.

    A place in a shared module is passed once a call. Several layers may name one passing, where some of them change
    nothing, or passings of their own, where a block stands for each in turn.
    """

    def __init__(self, locators: Sequence[Locator]) -> None:
        self._places: dict[tuple[str, int | None], dict[int, list[Locator]]] = {}
        calls: Counter[tuple[str, int | None, str]] = Counter()
        for locator in locators:
            place = (locator.module, locator.line)
            layer = (*place, locator.key.rpartition(":")[0])
            number = calls[layer] if locator.passing is None else locator.passing
            calls[layer] += 1
            self._places.setdefault(place, {}).setdefault(number, []).append(locator)
        self._paths: dict[int, str] = {}
        self._passed: Counter[tuple[str, int | None]] = Counter()
        self._take: Callable[[Locator, Any], None] | None = None

    @contextmanager
    def watching(
        self, model: nn.Module, wanted: Set[str], writer: ArrayWriter, *, whole: bool = False
    ) -> Iterator[None]:
        """Write the tensors with the keys `wanted` while `model` runs: samples of them, or the `whole`."""
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._passed = Counter()

        def take(locator: Locator, value: Any) -> None:
            if locator.key in wanted:
                tensor = flatten(value)[0]  # a layer's first output; states come after it
                array = in_keras_axes(tensor, locator.axes)
                if whole:
                    writer.write(locator.key, array)
                else:
                    write_sample(writer, locator.key, array)

        self._take = take
        with ExitStack() as hooks:
            for module in model.modules():
                if (self._paths[id(module)], None) in self._places:
                    hooks.enter_context(self._hook(module))
            try:
                yield
            finally:
                self._take = None

    def observe(self, module: nn.Module, line: int, value: Any) -> Any:
        """Called by the instrumented code; gives the value back, so that it can stand round an expression."""
        self._passing(module, line, value)
        return value

    @contextmanager
    def _hook(self, module: nn.Module) -> Iterator[None]:
        handle = module.register_forward_hook(
            lambda module, _inputs, output: self._passing(module, None, output)
        )
        try:
            yield
        finally:
            handle.remove()

    def _passing(self, module: nn.Module, line: int | None, value: Any) -> None:
        place = (self._paths.get(id(module), "?"), line)
        for locator in self._places.get(place, {}).get(self._passed[place], ()):
            if self._take is not None:
                self._take(locator, value)
        self._passed[place] += 1

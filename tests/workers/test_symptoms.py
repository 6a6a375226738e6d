"""Which end of a child means what: real children where this machine can make them end so, recorded words elsewhere."""

import threading
from pathlib import Path

import pytest

from keras2torch.sandbox import Outcome
from tests.workers.test_verdict import ended
from workers import errors, isolation, symptoms
from workers.isolation import Sandboxes

#: The first lines of what torch, TensorFlow, the C++ library and NVIDIA's say.
OUT_OF_MEMORY = [
    (
        "RuntimeError",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 80000 bytes. Error code 12",
        "out-of-memory",
    ),
    ("ResourceExhaustedError", "{{function_node __wrapped__MatMul}} failed to allocate", "out-of-memory"),
    ("KerasError", "case seed0: OOM when allocating tensor with shape[4,1000000]", "out-of-memory"),
    ("RuntimeError", "std::bad_alloc", "out-of-memory"),
    ("OSError", "[Errno 12] Cannot allocate memory", "out-of-memory"),
    (
        "OutOfMemoryError",
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.77 GiB",
        "gpu-out-of-memory",
    ),
    (
        "RuntimeError",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "gpu-out-of-memory",
    ),
]
DEVICE = [
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "No CUDA GPUs are available: CUDA driver initialization failed, you might not have a CUDA gpu.",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
]


@pytest.mark.parametrize(
    ("class_", "message", "kind"), OUT_OF_MEMORY, ids=[each[1][:20] for each in OUT_OF_MEMORY]
)
def test_memory_runs_out_in_many_voices(class_: str, message: str, kind: str) -> None:
    error = symptoms.error_of("verify", ended("exception", class_=class_, message=message), oom_kills=0)
    assert isinstance(error, errors.OutOfMemory)
    assert error.kind == kind


@pytest.mark.parametrize("message", DEVICE)
def test_a_gpu_that_fails_is_no_fault_of_the_model(message: str) -> None:
    error = symptoms.error_of(
        "verify", ended("exception", class_="RuntimeError", message=message), oom_kills=0
    )
    assert isinstance(error, errors.DeviceFailed)
    assert error.kind == "device-failed"


def test_the_kernels_kill_for_memory_is_told_from_any_other() -> None:
    killed = ended("crashed", class_="SandboxFailure", message="killed by SIGKILL", signal=9)
    assert isinstance(symptoms.error_of("verify", killed, oom_kills=1), errors.OutOfMemory)
    assert type(symptoms.error_of("verify", killed, oom_kills=0)) is errors.ChildDied
    aborted = ended("crashed", class_="SandboxFailure", message="killed by SIGABRT", signal=6)
    assert type(symptoms.error_of("verify", aborted, oom_kills=1)) is errors.ChildDied


@pytest.mark.parametrize(
    ("class_", "kind", "message", "expected"),
    [
        ("CannotWrite", "cannot-write", "No space left on device: out of memory/x", errors.ChildCannotWrite),
        ("CannotExport", "cannot-export", "layer 'out of memory': no export does that", errors.ChildFailed),
        ("KeyError", "exception", "'cuda_layer'", errors.ChildFailed),
    ],
)
def test_what_is_said_of_something_else_is_no_symptom(
    class_: str, kind: str, message: str, expected: type[errors.JobError]
) -> None:
    assert (
        type(symptoms.error_of("verify", ended(kind, class_=class_, message=message), oom_kills=0))
        is expected
    )


def of_child(
    sandboxes: Sandboxes, workdir: Path, server: str, function: str, **payload: object
) -> errors.JobError:
    with pytest.raises(errors.JobError) as caught:
        sandboxes.run(
            server,
            f"tests.workers.hungry:{function}",
            payload,
            stage="verify",
            workdir=workdir,
            seconds=60,
            stop=threading.Event(),
        )
    return caught.value


def test_torch_without_memory_says_so_in_words(sandboxes: Sandboxes, tmp_path: Path) -> None:
    error = of_child(sandboxes, tmp_path, isolation.TORCH, "fill_a_tensor", bytes=64 << 30)
    assert isinstance(error, errors.OutOfMemory), error
    assert error.kind == "out-of-memory"


def test_an_abort_for_want_of_memory_is_known_by_its_log(sandboxes: Sandboxes, tmp_path: Path) -> None:
    error = of_child(sandboxes, tmp_path, isolation.ENGINE, "abort_as_cpp_does")
    assert isinstance(error, errors.OutOfMemory), error
    outcome: Outcome = error.outcome
    assert outcome.signal == 6

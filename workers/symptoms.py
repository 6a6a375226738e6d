"""How a child that did not return ended: dead, out of memory, let down by its GPU or disk, or in an exception.

Memory runs out in many voices. Python raises, C++ aborts with a word in the log, TensorFlow and torch raise errors
of their own, and the kernel kills without a word but counts that it did.
"""

import re
import signal

from keras2torch.sandbox import Outcome
from workers import errors

#: Kinds of error by which the sandbox says that the process, not the function, came to an end.
_DEATHS = frozenset({"timed-out", "out-of-memory", "crashed", "exited", "server-lost"})
#: Kinds of what the engine foresaw and says clearly: nothing in their messages is a symptom.
_FORESEEN = frozenset({"cannot-write", "cannot-export"})

_MEMORY = re.compile(
    r"bad_alloc|can't allocate memory|cannot allocate memory|not enough memory|out of memory"
    r"|OOM when allocating|failed to allocate memory",
    re.IGNORECASE,
)
_GPU_MEMORY = re.compile(
    r"(CUDA|HIP) out of memory|CUDA_ERROR_OUT_OF_MEMORY|CUDA error: out of memory"
    r"|(CUBLAS|CUDNN|CUSOLVER)_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_GPU = re.compile(
    r"CUDA error|CUDA_ERROR_|CUDA driver|CUDA-capable device|cuDNN error|(CUBLAS|CUDNN|CUSOLVER|CUFFT)_STATUS_"
    r"|\bECC error|\bXid\b|NVML",
    re.IGNORECASE,
)


def error_of(stage: str, outcome: Outcome, *, oom_kills: int) -> errors.JobError:
    """What to raise for an outcome with an error; `oom_kills` is how often the kernel killed for memory meanwhile."""
    assert outcome.error is not None
    kind, message = str(outcome.error["kind"]), str(outcome.error["message"])
    died = outcome.signal is not None or outcome.timed_out or kind in _DEATHS
    if not died and kind in _FORESEEN:
        return (errors.ChildCannotWrite if kind == "cannot-write" else errors.ChildFailed)(stage, outcome)
    if _GPU_MEMORY.search(message):
        return errors.OutOfMemory(stage, outcome, "gpu-out-of-memory")
    if kind == "out-of-memory" or _killed_for_memory(outcome, oom_kills) or _aborted_for_memory(outcome):
        return errors.OutOfMemory(stage, outcome)
    if not died and (_MEMORY.search(message) or outcome.error["class"] == "ResourceExhaustedError"):
        return errors.OutOfMemory(stage, outcome)
    if _GPU.search(message):
        return errors.DeviceFailed(stage, outcome)
    return (errors.ChildDied if died else errors.ChildFailed)(stage, outcome)


def _killed_for_memory(outcome: Outcome, oom_kills: int) -> bool:
    return outcome.signal == signal.SIGKILL and not outcome.timed_out and oom_kills > 0


def _aborted_for_memory(outcome: Outcome) -> bool:
    return outcome.signal == signal.SIGABRT and bool(_MEMORY.search(outcome.log_tail))

"""The slots of a worker: what computes one job at a time, a GPU each, or else the processors.

The TensorFlow reference stays on the processors: only float32 of the candidate is judged on the GPU.
"""

import contextlib
import logging
import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from workers import gpus
from workers.gpus import Gpu, GpuTrouble

log = logging.getLogger(__name__)


class Device(StrEnum):
    """What an operator asks of a worker."""

    AUTO = "auto"
    """A GPU a slot where there are any, else processors."""
    CPU = "cpu"
    CUDA = "cuda"
    """GPUs, or the worker does not start."""


class NoGpu(Exception):
    """A GPU is demanded and there is none; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What one job at a time may have to itself."""

    gpu: Gpu | None = None

    @property
    def device(self) -> str:
        """As torch spells it; the child sees no other GPU, so its own is the first."""
        return "cpu" if self.gpu is None else "cuda"

    def has_room_for(self, size: int) -> bool:
        """Whether the weights of a file of `size` bytes fit at all, let alone what is computed of them."""
        return self.gpu is None or self.gpu.memory_bytes is None or size <= self.gpu.memory_bytes

    @property
    def environment(self) -> Mapping[str, str]:
        """For the child alone. By UUID, since numbers depend on who counts; "-1" shows none."""
        return {"CUDA_VISIBLE_DEVICES": "-1" if self.gpu is None else self.gpu.uuid}

    @property
    def facts(self) -> Mapping[str, str | int | None]:
        """What is recorded with an attempt."""
        if self.gpu is None:
            return {"device": self.device}
        gpu = self.gpu
        return {
            "device": self.device,
            "gpu": gpu.name,
            "gpu_uuid": gpu.uuid,
            "gpu_memory_bytes": gpu.memory_bytes,
        }


CPU = Slot()


def find(asked: Device, most: int) -> list[Slot]:
    """At most `most` slots, at least one.

    A GPU's job needs a processor for its reference as well, so `most` bounds the GPUs used, too.

    Raises:
        NoGpu: one is demanded, and there is none.
    """
    found: tuple[Gpu, ...] = ()
    if asked is not Device.CPU:
        try:
            found = gpus.discover()
        except GpuTrouble as error:
            if asked is Device.CUDA:
                raise NoGpu(f"a GPU is demanded, but {error}") from error
            log.warning("computing on the processors: %s", error)
    if asked is Device.CUDA and not found:
        raise NoGpu("a GPU is demanded, but this machine shows none")
    return [Slot(gpu=gpu) for gpu in found[:most]] or [CPU] * most


class Slots:
    """The slots of one worker, lent one a job; safe for many threads."""

    def __init__(self, slots: list[Slot]) -> None:
        self.all = tuple(slots)
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for slot in slots:
            self._free.put(slot)

    def __len__(self) -> int:
        return len(self.all)

    def __str__(self) -> str:
        named = [str(slot.gpu) for slot in self.all if slot.gpu is not None]
        return "; ".join(named) or "cpu"

    @contextlib.contextmanager
    def lent(self) -> Iterator[Slot]:
        """A slot nobody else has meanwhile; waits for one where there are GPUs, and more threads ask than these."""
        if self.all[0].gpu is None:  # threads share processors without our help
            yield self.all[0]
            return
        slot = self._free.get()
        try:
            yield slot
        finally:
            self._free.put(slot)

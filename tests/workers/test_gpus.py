"""GPUs as nvidia-smi tells of them: answers as drivers gave them, and a tool on the path that gives them."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workers.conftest import Install
from workers import gpus, proof, slots
from workers.gpus import Gpu, GpuTrouble
from workers.slots import CPU, Device, NoGpu, Slot, Slots

A = "GPU-4404041a-04cf-1ccf-9e70-f139a9b1e23c"
B = "GPU-5a1b8ab2-8a3f-2f4e-16d0-0b0fd6b51e0b"
MIG = ("MIG-c7384736-a75d-5afc-978f-d2f1294409fd", "MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d")

TWO = f"0, {A}, NVIDIA A100-SXM4-40GB, 40960\n1, {B}, NVIDIA A100-SXM4-40GB, 40960\n"
TWO_LISTED = f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})\n"
DIVIDED_LISTED = (
    f"GPU 0: NVIDIA A100-SXM4-40GB (UUID: {A})\n"
    f"  MIG 3g.20gb     Device  0: (UUID: {MIG[0]})\n"
    f"  MIG 1c.3g.20gb  Device  1: (UUID: {MIG[1]})\n"
    f"GPU 1: NVIDIA A100-SXM4-40GB (UUID: {B})\n"
)
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA"
    " driver is installed and running.\n\n"
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.129\n"


def test_two_gpus() -> None:
    assert gpus.parse(TWO, TWO_LISTED) == [
        Gpu(name="NVIDIA A100-SXM4-40GB", uuid=A, memory_bytes=40 << 30),
        Gpu(name="NVIDIA A100-SXM4-40GB", uuid=B, memory_bytes=40 << 30),
    ]


def test_the_parts_of_a_divided_gpu_stand_for_it() -> None:
    found = gpus.parse(TWO, DIVIDED_LISTED)
    assert [gpu.uuid for gpu in found] == [*MIG, B]
    assert str(found[0]) == f"NVIDIA A100-SXM4-40GB MIG 3g.20gb ({MIG[0]}, 20 GiB)"
    assert found[1].memory_bytes == 20 << 30


@pytest.mark.parametrize("unknown", ["[N/A]", "[Not Supported]", "[Insufficient Permissions]"])
def test_memory_that_the_driver_does_not_tell(unknown: str) -> None:
    (gpu,) = gpus.parse(f"0, {A}, NVIDIA GB10, {unknown}\n", "")
    assert gpu.memory_bytes is None
    assert str(gpu) == f"NVIDIA GB10 ({A})"


def test_no_devices_are_none() -> None:
    assert gpus.parse("No devices were found\n", "") == []
    assert gpus.parse("", "") == []


@pytest.mark.parametrize(
    "answer", [NO_DRIVER, MISMATCH, "\x00\xff, x, y, z\n", f"0, {A}, short\n", "a, b, c, d\n"]
)
def test_what_is_no_answer_is_trouble(answer: str) -> None:
    with pytest.raises(GpuTrouble):
        gpus.parse(answer, "")


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("1,0", [B, A]),
        ("0", [A]),
        (A[:12], [A]),
        (f"{B},{A}", [B, A]),
        ("", []),
        ("-1", []),
        ("0,9,1", [A]),
        ("GPU-", []),
    ],
)
def test_cuda_visible_devices_hides_gpus_as_cuda_does(visible: str, expected: list[str]) -> None:
    found = gpus.parse(TWO, TWO_LISTED)
    assert [gpu.uuid for gpu in gpus.visible_of(found, visible)] == expected


def test_one_slot_a_gpu_each_pinned_by_its_uuid(tool: Install) -> None:
    tool(TWO, TWO_LISTED)
    found = slots.find(Device.AUTO, 8)
    assert [slot.environment for slot in found] == [{"CUDA_VISIBLE_DEVICES": A}, {"CUDA_VISIBLE_DEVICES": B}]
    assert {slot.device for slot in found} == {"cuda"}
    assert found[0].facts == {
        "device": "cuda",
        "gpu": "NVIDIA A100-SXM4-40GB",
        "gpu_uuid": A,
        "gpu_memory_bytes": 40 << 30,
    }
    assert str(Slots(found)) == f"NVIDIA A100-SXM4-40GB ({A}, 40 GiB); NVIDIA A100-SXM4-40GB ({B}, 40 GiB)"


def test_no_more_gpus_than_jobs_at_once(tool: Install) -> None:
    tool(TWO, TWO_LISTED)
    assert len(slots.find(Device.CUDA, 1)) == 1


def test_gpus_may_be_forbidden(tool: Install) -> None:
    tool(TWO, TWO_LISTED)
    assert slots.find(Device.CPU, 3) == [CPU] * 3
    assert CPU.environment == {"CUDA_VISIBLE_DEVICES": "-1"}


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [
        ("No devices were found\n", 6, "shows none"),
        (NO_DRIVER, 9, "couldn't communicate"),
        (MISMATCH, 18, "mismatch"),
    ],
)
def test_a_gpu_that_is_demanded_and_not_there_stops_the_worker_in_one_line(
    tool: Install, query: str, code: int, why: str
) -> None:
    tool(query, code=code)
    with pytest.raises(NoGpu, match=why) as caught:
        slots.find(Device.CUDA, 2)
    assert "\n" not in str(caught.value)
    assert slots.find(Device.AUTO, 2) == [CPU] * 2


def test_a_machine_without_the_tool_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.discover() == ()


def test_a_gpu_is_lent_to_one_job_at_a_time_and_processors_to_all() -> None:
    gpu = Slot(gpu=Gpu(name="G", uuid=A, memory_bytes=None))
    lent = Slots([gpu])
    with lent.lent() as one:
        assert one is gpu
        assert lent._free.empty()
    with lent.lent() as again:
        assert again is gpu
    cpu = Slots([CPU])
    with cpu.lent() as first, cpu.lent() as second:
        assert (first, second) == (CPU, CPU)


def test_a_gpu_takes_no_file_that_is_larger_than_its_memory() -> None:
    gpu = Gpu(name="g", uuid="GPU-1", memory_bytes=1000)
    assert Slot(gpu=gpu).has_room_for(1000)
    assert not Slot(gpu=gpu).has_room_for(1001)
    assert Slot(gpu=replace(gpu, memory_bytes=None)).has_room_for(1001)
    assert CPU.has_room_for(1001)


def test_the_most_memory_of_a_gpu_is_what_a_step_says_of_it() -> None:
    assert proof.gpu_peak_bytes({"gpu_peak_bytes": 7}) == 7
    for said in ({}, None, {"gpu_peak_bytes": "much"}):
        assert proof.gpu_peak_bytes(said) == 0

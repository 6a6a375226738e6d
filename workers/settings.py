"""What a worker, and whoever sends to it, is told by whoever starts it."""

from dataclasses import dataclass
from pathlib import Path

from workers import inbox
from workers.slots import Device


@dataclass(frozen=True, kw_only=True)
class BrokerSettings:
    """How to reach the broker; `visibility_seconds` must exceed the longest time a job may take."""

    url: str
    prefix: str = ""
    visibility_seconds: float = 7200


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """Seconds and bytes throughout."""

    slots: int = 1
    """Jobs at once at most; with GPUs, one a GPU."""
    device: Device = Device.AUTO
    queues: tuple[str, ...] = inbox.QUEUES
    """Whose jobs it takes."""
    memory_bytes: int | None = None
    """What all its jobs may fill together; None: four fifths of what the machine or container has."""
    health_dir: Path | None = None
    """Where the files `alive` and `ready` are kept; None: nowhere."""
    lease_seconds: float = 90
    heartbeat_seconds: float = 15
    job_timeout_seconds: float = 3600
    job_memory_bytes: int = 8 << 30
    drain_seconds: float = 30
    outage_seconds: float = 86400
    """How long a job waits for a store or a database that is away before it fails."""
    scratch_dir: Path | None = None
    """Where sources are downloaded to and bundles are written; None: the system's temporary folder."""

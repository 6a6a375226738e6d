"""What callers hand to the queries: plain values, so that no caller touches a table by itself."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MESSAGE_LIMIT = 2000
_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|0x[0-9a-fA-F]+|(?:/[^\s/:]+)+|\d+")


def normalised(message: str) -> str:
    """What messages of one cause have in common: quoted names, numbers and paths are `*`."""
    return _VARIABLE.sub("*", message)


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One of the reasons in a refusal; `subject` is what to count by, such as a layer class."""

    kind: str
    subject: str
    message: str
    layer: str | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorInfo:
    """Why an attempt did not succeed."""

    kind: str
    """Kebab-case, stable: `not-hdf5`, `unsupported-model`, `store-unavailable`."""
    message: str
    """One line; cut at 2000 characters when stored."""
    reasons: tuple[Reason, ...] = ()

    @property
    def stored_message(self) -> str:
        return self.message[:_MESSAGE_LIMIT]

    @property
    def fingerprint(self) -> str:
        """Equal for errors a person would call the same: names, numbers and paths left out."""
        pattern = normalised(self.stored_message)
        return hashlib.sha256(f"{self.kind}\n{pattern}".encode(errors="replace")).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an attempt took and how its process ended; every field may be unknown."""

    exit_code: int | None = None
    signal: int | None = None
    max_rss_bytes: int | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    log_key: str | None = None


@dataclass(frozen=True)
class LogTail:
    """The end of a log that is still being written."""

    text: str
    said: int
    """Characters of the whole so far: `text` is the last of them."""

    def since(self, said: int) -> str:
        """What came after the first `said` characters, or as much of it as is here."""
        return self.text[-(self.said - said) :] if said < self.said else ""


@dataclass(frozen=True, kw_only=True)
class ArtifactInfo:
    """One published file of a bundle: its name there, its content, and where the store keeps it."""

    name: str
    sha256: str
    size: int
    key: str


@dataclass(frozen=True, kw_only=True)
class ParityInfo:
    """A parity verdict; errors are relative to each tensor's own scale."""

    passed: bool
    structure_error: float | None
    deployment_error: float | None
    device: str
    report: Mapping[str, Any]
    structure_limit: float | None = None
    deployment_limit: float | None = None

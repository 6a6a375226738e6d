"""What makes two pieces of work the same: pure functions over strings, no clock, no database."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def source_version(etag: str, size: int, version_id: str | None) -> str:
    """What tells two versions of one key apart, without reading the content.

    An ETag is no content hash (multipart and encrypted objects), so it serves only to notice a change.
    """
    return version_id or f"{etag}:{size}"


def canonical_options(options: Mapping[str, Any]) -> str:
    """The one JSON text of equal options, whatever order they were given in."""
    return json.dumps(options, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def options_key(options: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the canonical options."""
    return hashlib.sha256(canonical_options(options).encode()).hexdigest()


def content_key(source_sha256: str, converter_version: str, options: Mapping[str, Any]) -> str:
    """Hex SHA-256 naming a conversion's result: same content, same converter, same options."""
    parts = (source_sha256, converter_version, canonical_options(options))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

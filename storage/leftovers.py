"""What interrupted writers leave: files under temporary names, and uploads in parts that nobody completed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.walk import TEMPORARY

PROBE = "tmp/probe-"
"""How the keys begin by which a bucket is asked what it can do."""


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Something to be removed, if it is old enough that nobody can be writing it still."""

    key: str
    since: datetime
    size: int
    """Bytes; 0 where it is not known."""
    upload_id: str | None = None
    """Of an upload in parts."""


def in_folder(root: Path) -> Iterator[Leftover]:
    """Temporary files below `root`."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(TEMPORARY):
                path = Path(folder, name)
                found = path.lstat()
                moment = datetime.fromtimestamp(found.st_mtime, UTC)
                yield Leftover(key=path.relative_to(root).as_posix(), since=moment, size=found.st_size)


def in_bucket(client: Any, bucket: str, prefix: str) -> Iterator[Leftover]:
    """Uploads below `prefix` that are neither completed nor aborted, and objects that a probe left.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: as boto3 does.
    """
    uploads = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for page in uploads:
        for found in page.get("Uploads", ()):
            yield Leftover(
                key=found["Key"].removeprefix(prefix),
                since=found["Initiated"].astimezone(UTC),
                size=0,
                upload_id=found["UploadId"],
            )
    for begin in (PROBE, TEMPORARY):
        objects = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + begin)
        for page in objects:
            for found in page.get("Contents", ()):
                yield Leftover(
                    key=found["Key"].removeprefix(prefix),
                    since=found["LastModified"].astimezone(UTC),
                    size=found["Size"],
                )

"""Uploading a file as one object, in parts where it is large, replacing nothing unless told to."""

import base64
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from storage.disk import local_errors, reading

PART_BYTES = 16 << 20
"""Files above this go in parts of this size, one in memory at a time. S3 admits 10,000: 156 GiB."""


def upload(
    client: Any, where: Mapping[str, str], path: Path, *, sha256: str, condition: Mapping[str, str]
) -> None:
    """Uploads `path` to `where` (Bucket and Key) with its digest; `condition` guards the last step.

    Every body carries its MD5, the one checksum that every store verifies on arrival.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: as boto3 does.
    """
    metadata = {"sha256": sha256}
    with reading(path) as file:
        body = _read(file, path)
        if file.tell() == path.stat().st_size:
            client.put_object(**where, Body=body, ContentMD5=md5_of(body), Metadata=metadata, **condition)
            return
        upload_id = client.create_multipart_upload(**where, Metadata=metadata)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            while body:
                part = {"PartNumber": len(parts) + 1}
                answer = client.upload_part(
                    **where, **part, UploadId=upload_id, Body=body, ContentMD5=md5_of(body)
                )
                parts.append(part | {"ETag": answer["ETag"]})
                body = _read(file, path)
            client.complete_multipart_upload(
                **where, UploadId=upload_id, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            # Parts of an upload nobody completes are kept, unseen and paid for.
            with suppress(BotoCoreError, ClientError):
                client.abort_multipart_upload(**where, UploadId=upload_id)
            raise


def md5_of(body: bytes) -> str:
    """The Content-MD5 header of a body: a guard against the wire, not against an adversary."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _read(file: BinaryIO, path: Path) -> bytes:
    with local_errors(str(path), None):
        return file.read(PART_BYTES)

"""A bucket, or the part of one below a prefix, at any S3-compatible endpoint."""

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from storage.disk import local_errors, reading, replacing
from storage.errors import ObjectDamaged, ObjectDiffers, ObjectMissing, StoreRefused, StoreUnavailable
from storage.hashing import copy_hashed, sha256_of
from storage.leftovers import PROBE, Leftover, in_bucket
from storage.s3_client import make_client
from storage.s3_errors import code_of, s3_errors, status_of
from storage.s3_upload import md5_of, upload
from storage.store import ObjectInfo, ProbeReport, PutResult, StoreSettings
from storage.url import S3Url

PAGE_KEYS = 1000
"""Keys asked for at once, which is also the most that S3 gives."""
_READ_ATTEMPTS = 3
_MD5_DIGITS = 32
"""In the ETag of an object that was put in one piece; of one put in parts, it has a dash and more."""
_ASK_FIRST_BYTES = 1 << 20
_Read = TypeVar("_Read")
_IF_ABSENT = {"IfNoneMatch": "*"}
# One request copies up to 5 GB within a store; only what is larger needs parts.
_COPY = TransferConfig(multipart_threshold=4 << 30, multipart_chunksize=1 << 30)


class S3Store:
    """Objects of one bucket. Every object put here carries its own SHA-256 in its metadata."""

    def __init__(self, address: S3Url, settings: StoreSettings) -> None:
        self.url = str(address)
        self._bucket = address.bucket
        self._prefix = f"{address.prefix}/" if address.prefix else ""
        self._client = make_client(settings)
        self._probing = threading.Lock()
        self._conditional: bool | None = None

    def list(self, prefix: str = "", start_after: str | None = None) -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix + prefix,
            PaginationConfig={"PageSize": PAGE_KEYS},
            **({"StartAfter": self._prefix + start_after} if start_after else {}),
        )
        with s3_errors(self.url, None):
            for page in pages:
                for found in page.get("Contents", ()):
                    key = found["Key"].removeprefix(self._prefix)
                    # Consoles make "folders": empty objects whose key ends in a slash.
                    if key and not key.endswith("/"):
                        yield ObjectInfo(
                            key=key,
                            size=found["Size"],
                            etag=found["ETag"].strip('"'),
                            version_id=None,
                            last_modified=found["LastModified"].astimezone(UTC),
                        )

    def stat(self, key: str) -> ObjectInfo:
        return self._describe(key, self._head(key))

    def exists(self, key: str) -> bool:
        try:
            self._head(key)
        except ObjectMissing:
            return False
        return True

    def fetch(self, key: str, path: Path, *, etag: str | None = None, version_id: str | None = None) -> str:
        wanted = _version(etag, version_id)
        seen: set[str] = set()
        return self._until_whole(lambda: self._fetched(key, path, wanted, seen))

    def _fetched(self, key: str, path: Path, wanted: Mapping[str, Any], seen: set[str]) -> str:
        answer = self._get(key, **wanted)
        # Not `with answer["Body"]`: that hands out the connection, whose errors are none of boto3's.
        md5 = hashlib.md5(usedforsecurity=False) if "sha256" not in answer["Metadata"] else None
        with closing(answer["Body"]) as body, replacing(path) as target:
            sha256 = copy_hashed(body, target, reading=lambda: s3_errors(self.url, key), md5=md5)
            if target.tell() != answer["ContentLength"]:
                raise ObjectDamaged(self.url, key, f"{target.tell()} of {answer['ContentLength']} bytes came")
            stored = answer["Metadata"].get("sha256", sha256)
            if stored != sha256:
                raise ObjectDamaged(self.url, key, f"SHA-256 is {sha256}, but was {stored} when it was put")
            # What others put here has no more than an ETag to go by. It is most often the MD5, and where a store
            # makes something else of it, a second reading that brings the same bytes speaks for them.
            etag = answer.get("ETag", "").strip('"')
            if (
                md5 is not None
                and len(etag) == _MD5_DIGITS
                and md5.hexdigest() != etag
                and sha256 not in seen
            ):
                seen.add(sha256)
                raise ObjectDamaged(self.url, key, f"MD5 is {md5.hexdigest()}, but its ETag is {etag}")
        return sha256

    def read_bytes(self, key: str, *, max_bytes: int = 16 << 20) -> bytes:
        return self._until_whole(lambda: self._read(key, max_bytes))

    def _read(self, key: str, max_bytes: int) -> bytes:
        answer = self._get(key)
        with closing(answer["Body"]) as body, s3_errors(self.url, key):
            if answer["ContentLength"] > max_bytes:
                raise StoreRefused(self.url, key, f"it is larger than {max_bytes} bytes")
            data: bytes = body.read()
        stored = answer["Metadata"].get("sha256")
        if stored is not None and stored != hashlib.sha256(data).hexdigest():
            raise ObjectDamaged(self.url, key, f"SHA-256 is not {stored}, as it was when it was put")
        return data

    def read_range(
        self, key: str, start: int, stop: int, *, etag: str | None = None, version_id: str | None = None
    ) -> bytes:
        wanted = {"Range": f"bytes={start}-{stop - 1}", **_version(etag, version_id)}
        return self._until_whole(lambda: self._ranged(key, wanted, stop - start))

    def _until_whole(self, read: Callable[[], _Read]) -> _Read:
        """What `read` returns. boto3 asks again where there was no answer; one that is cut off is ours to repeat."""
        attempt = 1
        while True:
            try:
                return read()
            except StoreUnavailable:
                if attempt == _READ_ATTEMPTS:
                    raise
                attempt += 1

    def _ranged(self, key: str, wanted: Mapping[str, Any], size: int) -> bytes:
        with s3_errors(self.url, key):
            answer = self._client.get_object(**self._where(key), **wanted)
        with closing(answer["Body"]) as body, s3_errors(self.url, key):
            data: bytes = body.read(size + 1)
        if len(data) != size:
            raise ObjectDamaged(self.url, key, f"{len(data)} of {size} bytes came")
        return data

    def link(self, key: str, seconds: int, disposition: str) -> str | None:
        with s3_errors(self.url, key):
            link: str = self._client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._bucket,
                    "Key": self._prefix + key,
                    "ResponseContentDisposition": disposition,
                    "ResponseContentType": "application/octet-stream",
                },
                ExpiresIn=seconds,
            )
        return link

    def put_file(
        self, key: str, path: Path, *, if_absent: bool = True, sha256: str | None = None
    ) -> PutResult:
        with reading(path) as file:
            found = sha256_of(file, reading=lambda: local_errors(str(path), None))
        if sha256 is not None and found != sha256:
            raise ObjectDamaged(str(path), None, f"its SHA-256 is {found}, not {sha256}")

        def send(condition: Mapping[str, str]) -> None:
            upload(self._client, self._where(key), path, sha256=found, condition=condition)

        size = path.stat().st_size
        # To ask first saves sending hundreds of megabytes to be told that they are there; of little, it costs more.
        there = if_absent and size > _ASK_FIRST_BYTES and self.exists(key)
        created = not there and self._put(key, send, if_absent=if_absent)
        if not created and sha256 is not None:
            self._compare(key, sha256, size)
        return PutResult(created=created)

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = True) -> PutResult:
        metadata = {"sha256": hashlib.sha256(data).hexdigest()}

        def send(condition: Mapping[str, str]) -> None:
            self._client.put_object(
                **self._where(key), Body=data, ContentMD5=md5_of(data), Metadata=metadata, **condition
            )

        return PutResult(created=self._put(key, send, if_absent=if_absent))

    def copy(self, key: str, to: str) -> None:
        metadata = self._head(key)["Metadata"]
        with s3_errors(self.url, to):
            self._client.copy(
                CopySource={"Bucket": self._bucket, "Key": self._prefix + key},
                **self._where(to),
                # Copied in parts, an object would lose its metadata, and with it our SHA-256.
                ExtraArgs={"Metadata": metadata, "MetadataDirective": "REPLACE"},
                Config=_COPY,
            )

    def delete(self, key: str) -> None:
        with s3_errors(self.url, key):
            self._client.delete_object(**self._where(key))

    def leftovers(self) -> Iterator[Leftover]:
        with s3_errors(self.url, None):
            yield from in_bucket(self._client, self._bucket, self._prefix)

    def discard(self, leftover: Leftover) -> None:
        if leftover.upload_id is None:
            self.delete(leftover.key)
            return
        with s3_errors(self.url, leftover.key), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**self._where(leftover.key), UploadId=leftover.upload_id)

    def probe(self, *, write: bool) -> ProbeReport:
        with s3_errors(self.url, None):
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        skew = _skew(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        conditional = self._writes_conditionally() if write else False
        return ProbeReport(writable=write, conditional_writes=conditional, clock_skew_seconds=skew)

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    def _head(self, key: str) -> Any:
        with s3_errors(self.url, key):
            return self._client.head_object(**self._where(key))

    def _get(self, key: str, **wanted: Any) -> Any:
        # With ChecksumMode, boto3 verifies whatever checksum the object was stored with.
        with s3_errors(self.url, key):
            return self._client.get_object(**self._where(key), ChecksumMode="ENABLED", **wanted)

    def _describe(self, key: str, head: Any) -> ObjectInfo:
        version_id = head.get("VersionId")
        return ObjectInfo(
            key=key,
            size=head["ContentLength"],
            etag=head["ETag"].strip('"'),
            version_id=None if version_id == "null" else version_id,
            last_modified=head["LastModified"].astimezone(UTC),
        )

    def _compare(self, key: str, sha256: str, size: int) -> None:
        """Raises unless the object that is already there has this content, as far as it says itself."""
        head = self._head(key)
        stored = head["Metadata"].get("sha256")
        if head["ContentLength"] != size or stored != sha256:
            raise ObjectDiffers(
                self.url, key, f"it is there with SHA-256 {stored or 'unknown'}, not {sha256}"
            )

    def _put(self, key: str, send: Callable[[Mapping[str, str]], None], *, if_absent: bool) -> bool:
        with s3_errors(self.url, key):
            if not if_absent:
                send({})
                return True
            if not self._writes_conditionally():
                # Two writers may both get here. Under a key named by its content that is harmless.
                if self.exists(key):
                    return False
                send({})
                return True
            try:
                send(_IF_ABSENT)
            except ClientError as error:
                if not _taken(error):
                    raise
                return False
            return True

    def _writes_conditionally(self) -> bool:
        """Whether the store honours `If-None-Match: *`; some reject it, and some ignore it without a word."""
        with self._probing:
            if self._conditional is None:
                key = f"{PROBE}{secrets.token_hex(8)}"
                where = self._where(key)
                with s3_errors(self.url, key):
                    self._client.put_object(**where, Body=b"")
                    try:
                        self._client.put_object(**where, Body=b"", IfNoneMatch="*")
                        self._conditional = False
                    except ClientError as error:
                        if not _taken(error) and status_of(error) not in {400, 501}:
                            raise
                        self._conditional = _taken(error)
                    finally:
                        self._client.delete_object(**where)
            return self._conditional


def _skew(date: str) -> float | None:
    """Seconds by which a store's clock is ahead, by the header it sent; None where that is no date."""
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    # Without a zone, or of -0000, it is Universal Time (RFC 5322, 3.3).
    return (told.replace(tzinfo=told.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def _taken(error: ClientError) -> bool:
    # 304 is what older MinIO answered.
    return code_of(error) == "PreconditionFailed" or status_of(error) in {304, 412}


def _version(etag: str | None, version_id: str | None) -> dict[str, str]:
    """What asks for this version of an object and no other."""
    given = {"IfMatch": None if etag is None else f'"{etag}"', "VersionId": version_id}
    return {name: value for name, value in given.items() if value is not None}

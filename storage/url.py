"""The spellings of a store's address."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from storage.errors import BadUrl


@dataclass(frozen=True)
class S3Url:
    """A bucket, and the part of it below `prefix` (empty, or without slashes at either end)."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse_url(url: str) -> S3Url | Path:
    """An S3 address, or an absolute folder path for anything that is not one.

    Raises:
        BadUrl: another scheme, a missing bucket, a file URL naming another host.
    """
    if not url:
        raise BadUrl(url, "it is empty")
    if "://" not in url:
        return Path(url).expanduser().absolute()
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path:
            raise BadUrl(url, "a file URL is spelled file:///folder")
        return Path(unquote(parts.path)).absolute()
    if parts.scheme != "s3":
        raise BadUrl(url, "a store is a folder, file:///folder or s3://bucket/prefix")
    # Not `parts.path`: in a key, `?` and `#` are letters like any other.
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise BadUrl(url, "the bucket is missing")
    return S3Url(bucket, prefix.strip("/"))

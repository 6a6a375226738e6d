from pathlib import Path

import pytest

from storage import StoreSettings, open_store
from storage.errors import BadUrl
from storage.url import S3Url, parse_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://bucket", S3Url("bucket", "")),
        ("s3://bucket/", S3Url("bucket", "")),
        ("s3://bucket/a/b/", S3Url("bucket", "a/b")),
        ("s3://bucket/what?#/x", S3Url("bucket", "what?#/x")),
        ("/data/models", Path("/data/models")),
        ("file:///data/my%20models", Path("/data/my models")),
    ],
)
def test_addresses(url: str, expected: S3Url | Path) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    "url", ["", "s3://", "s3:///key", "gs://bucket", "file://host/x", "file://", "https://x/y"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_an_s3_address_is_spelled_one_way() -> None:
    settings = StoreSettings(s3_endpoint_url="http://127.0.0.1:1", s3_region="us-east-1")
    assert (
        open_store("s3://bucket/a/", settings).url
        == open_store("s3://bucket/a", settings).url
        == "s3://bucket/a"
    )

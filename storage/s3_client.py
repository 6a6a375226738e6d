"""The boto3 client: time limits, retries, and what S3-compatible stores need to be told differently."""

from functools import lru_cache
from typing import Any, Literal

import boto3
from botocore.config import Config

from storage.store import StoreSettings


# A client is safe to share between threads, costs 0.1 s to make, and keeps its connections.
@lru_cache(maxsize=8)
def make_client(settings: StoreSettings) -> Any:
    """A client for these settings; the same one for equal settings. boto3 writes its class at run time."""
    elsewhere = settings.s3_endpoint_url is not None
    # Many S3-compatible stores reject the checksums that boto3 adds on its own since 1.36.
    checksums: Literal["when_required", "when_supported"] = "when_required" if elsewhere else "when_supported"
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        # Not "standard", which stops asking again for good where a store fails often (its quota of retries).
        retries={"mode": "legacy", "total_max_attempts": settings.s3_attempts},
        max_pool_connections=32,
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        # Bucket names as host names need a wildcard certificate and DNS, which few private stores have.
        s3={"addressing_style": "path"} if elsewhere else {},
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key,
        config=config,
    )

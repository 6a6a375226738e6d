"""What S3 and the way to it say, in the words of `errors`."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from storage import errors

_CODES: dict[str, type[errors.StorageError]] = {
    "NoSuchBucket": errors.StoreMissing,
    "NoSuchKey": errors.ObjectMissing,
    "NoSuchVersion": errors.ObjectMissing,
    "404": errors.ObjectMissing,
    "PreconditionFailed": errors.ObjectChanged,
    "412": errors.ObjectChanged,
    "KeyTooLongError": errors.BadKey,
    "BadDigest": errors.ObjectDamaged,
    "IncompleteBody": errors.ObjectDamaged,
    "XAmzContentSHA256Mismatch": errors.ObjectDamaged,
    # Of status 400, as if the request were to blame; it came too slowly.
    "RequestTimeout": errors.StoreUnavailable,
    "EntityTooLarge": errors.StoreRefused,
    "QuotaExceeded": errors.DiskFull,
    "XMinioStorageFull": errors.DiskFull,
}
_BUSY_STATUS = {408, 409, 425, 429}
_EXCEPTIONS: tuple[tuple[type[BotoCoreError], type[errors.StorageError]], ...] = (
    (NoCredentialsError, errors.StoreRefused),
    (PartialCredentialsError, errors.StoreRefused),
    (ParamValidationError, errors.StoreRefused),
    (FlexibleChecksumError, errors.ObjectDamaged),
)


@contextmanager
def s3_errors(url: str, key: str | None) -> Iterator[None]:
    """Turns what boto3 raises within into the storage error it means, naming this object."""
    try:
        yield
    except ClientError as error:
        raise _meaning(error)(url, key, str(error)) from error
    except BotoCoreError as error:
        # What is left is about connections: refused, timed out, cut off in a body, no such host.
        found = (meaning for kind, meaning in _EXCEPTIONS if isinstance(error, kind))
        raise next(found, errors.StoreUnavailable)(url, key, str(error)) from error


def code_of(error: ClientError) -> str:
    """The machine-readable name S3 gives an error; a bare status for an answer without a body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status, 0 if there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _meaning(error: ClientError) -> type[errors.StorageError]:
    status = status_of(error)
    # A name that nobody knows, another server's or one that was damaged on its way, says what its status says.
    known = _CODES.get(code_of(error)) or _CODES.get(f"{status}")
    if known is not None:
        return known
    if status >= 500 or status in _BUSY_STATUS:
        return errors.StoreUnavailable
    return errors.StoreRefused

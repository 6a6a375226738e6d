"""Buckets, and models put into them, for an installation that has no other S3 client at hand.

objects.py make s3://BUCKET ...          makes those that are not there
objects.py upload FOLDER s3://BUCKET/..  copies the files of a folder, leaving what is there as it is
"""

import sys
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from fleet import connect
from fleet.errors import FleetError, UsageError
from fleet.settings import Settings, load_settings
from keras2torch.errors import one_line
from storage.errors import BadUrl, StorageError
from storage.s3_client import make_client
from storage.url import S3Url, parse_url


def make(settings: Settings, urls: list[str]) -> None:
    """Make the buckets of `urls` unless they are there."""
    client = make_client(connect.store_settings(settings))
    for address in map(parse_url, urls):
        if not isinstance(address, S3Url):
            raise UsageError(f"{address}: not an s3:// address")
        already = client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists
        try:
            with suppress(*already):
                client.create_bucket(Bucket=address.bucket)
        except (BotoCoreError, ClientError) as error:
            raise FleetError(f"s3://{address.bucket}: {error}") from error
        print(f"s3://{address.bucket}: there")


def upload(settings: Settings, folder: Path, url: str) -> None:
    """Copy every file below `folder` to its relative name below `url`, unless there is one of that name."""
    store = connect.open_store(url, settings)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise UsageError(f"{folder}: no files")
    put = [store.put_file(str(path.relative_to(folder)), path, if_absent=True).created for path in files]
    print(f"{store.url}: {sum(put)} files copied, {len(put) - sum(put)} there already")


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 done, 1 something does not work, 2 wrong usage."""
    try:
        match arguments:
            case ["make", *urls] if urls:
                make(load_settings(), urls)
            case ["upload", folder, url]:
                upload(load_settings(), Path(folder), url)
            case _:
                raise UsageError("make s3://BUCKET ..., or upload FOLDER s3://BUCKET/PREFIX")
    except (FleetError, StorageError, BadUrl) as error:
        print(f"objects: {one_line(str(error), 1000)}", file=sys.stderr)
        return error.exit_code if isinstance(error, FleetError) else FleetError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

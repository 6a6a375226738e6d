"""The script that makes buckets and fills them for an installation in containers, against a real endpoint."""

import os
import subprocess
import sys
from pathlib import Path

from storage import StoreSettings, open_store
from tests.servers import S3

ROOT = Path(__file__).resolve().parents[2]


def run(server: S3, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "deploy" / "objects.py"), *arguments],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FLEET_S3_ENDPOINT_URL": server.endpoint,
            "FLEET_S3_REGION": "us-east-1",
            "FLEET_S3_ACCESS_KEY_ID": "me",
            "FLEET_S3_SECRET_ACCESS_KEY": "secret",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_buckets_are_made_once_and_a_folder_is_copied_once(s3_server: S3, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.h5").write_bytes(b"a")
    (tmp_path / "deep" / "b.h5").write_bytes(b"bb")
    for _ in range(2):
        made = run(s3_server, "make", "s3://filled-by-hand", "s3://results-of-it")
        assert (made.returncode, made.stdout.split()[0]) == (0, "s3://filled-by-hand:"), made.stderr
    first = run(s3_server, "upload", str(tmp_path), "s3://filled-by-hand/in")
    assert first.stdout == "s3://filled-by-hand/in: 2 files copied, 0 there already\n", first.stderr
    again = run(s3_server, "upload", str(tmp_path), "s3://filled-by-hand/in")
    assert again.stdout == "s3://filled-by-hand/in: 0 files copied, 2 there already\n"
    settings = StoreSettings(
        s3_endpoint_url=s3_server.endpoint,
        s3_region="us-east-1",
        s3_access_key_id="me",
        s3_secret_access_key="secret",
    )
    there = {found.key: found.size for found in open_store("s3://filled-by-hand/in", settings).list()}
    assert there == {"a.h5": 1, "deep/b.h5": 2}


def test_what_cannot_be_done_is_one_line_and_a_code(s3_server: S3, tmp_path: Path) -> None:
    for arguments, code in (
        (("upload", str(tmp_path), "s3://filled-by-hand"), 2),
        (("make", str(tmp_path)), 2),
        (("upload",), 2),
        (("make", "s3://Not_A_Name!"), 1),
    ):
        done = run(s3_server, *arguments)
        assert done.returncode == code, done
        assert done.stderr.startswith("objects: ")
        assert done.stderr.count("\n") == 1

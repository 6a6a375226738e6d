import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from storage import ObjectStore, StoreSettings, open_store, s3_upload
from storage.errors import (
    DiskFull,
    ObjectChanged,
    ObjectDamaged,
    ObjectMissing,
    StorageError,
    StoreMissing,
    StoreRefused,
    StoreUnavailable,
)
from storage.s3 import S3Store, _skew
from storage.s3_client import make_client
from storage.url import S3Url
from tests import servers


@pytest.fixture
def settings(s3_server: servers.S3) -> StoreSettings:
    return StoreSettings(s3_endpoint_url=s3_server.endpoint)


@pytest.fixture
def store(settings: StoreSettings, s3_bucket: str) -> S3Store:
    return S3Store(S3Url(s3_bucket, ""), settings)


@pytest.fixture
def client(s3_server: servers.S3) -> Iterator[Any]:
    client = boto3.client("s3", endpoint_url=s3_server.endpoint, region_name="us-east-1")
    yield client
    client.close()


def test_listing_more_than_a_page(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.s3.PAGE_KEYS", 7)
    keys = [f"{number:02}.h5" for number in range(23)]
    for key in keys:
        store.put_bytes(key, b"", if_absent=False)
    assert [found.key for found in store.list()] == keys
    assert [found.key for found in store.list(start_after=keys[3])] == keys[4:]


@pytest.mark.usefixtures("s3_server")
def test_a_busy_store_is_asked_again() -> None:
    calls: list[str] = []

    def busy_once(request: _Crooked, _: bytes) -> None:
        calls.append(request.command)
        request.reply(503 if len(calls) == 1 else 200, _xml("SlowDown") if len(calls) == 1 else b"")

    with crooked(busy_once, attempts=3) as store:
        store.put_bytes("key", b"x", if_absent=False)
    assert calls == ["PUT", "PUT"]


def test_folders_that_consoles_make_are_no_objects(store: S3Store, client: Any, s3_bucket: str) -> None:
    client.put_object(Bucket=s3_bucket, Key="folder/", Body=b"")
    client.put_object(Bucket=s3_bucket, Key="folder/a.h5", Body=b"")
    assert [found.key for found in store.list()] == ["folder/a.h5"]


def test_keys_are_taken_as_they_are(store: S3Store) -> None:
    for key in ("a//b.h5", "../c.h5", "d?e#f.h5", "g h.h5"):
        store.put_bytes(key, key.encode())
        assert store.read_bytes(key) == key.encode()


@pytest.mark.parametrize("extra", [0, 1, s3_upload.PART_BYTES])
def test_a_large_file_goes_in_parts(
    store: S3Store, client: Any, s3_bucket: str, tmp_path: Path, extra: int
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"".join(bytes([number % 251]) * 4096 for number in range(s3_upload.PART_BYTES // 4096)))
    with path.open("ab") as file:
        file.write(b"z" * extra)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert store.put_file("cas/big", path, sha256=digest).created
    assert not store.put_file("cas/big", path, sha256=digest).created
    parts = client.head_object(Bucket=s3_bucket, Key="cas/big", PartNumber=1).get("PartsCount", 1)
    assert parts == (1 if extra == 0 else 2)
    assert store.fetch("cas/big", tmp_path / "copy") == digest
    assert client.list_multipart_uploads(Bucket=s3_bucket).get("Uploads", []) == []


def test_a_large_upload_that_loses_the_race_leaves_no_parts(
    store: S3Store, client: Any, s3_bucket: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"x" * (s3_upload.PART_BYTES + 1))
    store.put_bytes("cas/big", b"there before")
    with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
        s3_upload.upload(
            make_client(StoreSettings(s3_endpoint_url=client.meta.endpoint_url)),
            {"Bucket": s3_bucket, "Key": "cas/big"},
            path,
            sha256="any",
            condition={"IfNoneMatch": "*"},
        )
    assert client.list_multipart_uploads(Bucket=s3_bucket).get("Uploads", []) == []
    assert store.read_bytes("cas/big") == b"there before"


def test_a_version_can_be_fetched_after_it_was_replaced(
    s3_server: servers.S3, settings: StoreSettings, tmp_path: Path
) -> None:
    with s3_server.bucket(versioned=True) as bucket:
        store = open_store(f"s3://{bucket}", settings)
        store.put_bytes("a.h5", b"one")
        first = store.stat("a.h5")
        store.put_bytes("a.h5", b"two", if_absent=False)
        assert first.version_id is not None
        assert store.stat("a.h5").version_id != first.version_id
        store.fetch("a.h5", tmp_path / "copy", etag=first.etag, version_id=first.version_id)
        assert (tmp_path / "copy").read_bytes() == b"one"
        with pytest.raises(ObjectChanged):
            store.fetch("a.h5", tmp_path / "copy2", etag=first.etag)


def test_content_that_is_not_what_was_put_is_noticed(
    store: S3Store, client: Any, s3_bucket: str, tmp_path: Path
) -> None:
    store.put_bytes("key", b"good")
    metadata = client.head_object(Bucket=s3_bucket, Key="key")["Metadata"]
    client.put_object(Bucket=s3_bucket, Key="key", Body=b"rots", Metadata=metadata)
    with pytest.raises(ObjectDamaged, match="key"):
        store.fetch("key", tmp_path / "copy")
    with pytest.raises(ObjectDamaged, match="key"):
        store.read_bytes("key")
    assert list(tmp_path.iterdir()) == []


def test_an_object_without_our_digest_can_be_read_but_not_reused(
    store: S3Store, client: Any, s3_bucket: str, tmp_path: Path
) -> None:
    client.put_object(Bucket=s3_bucket, Key="key", Body=b"plain")
    assert store.fetch("key", tmp_path / "copy") == hashlib.sha256(b"plain").hexdigest()
    with pytest.raises(StorageError, match="SHA-256 unknown"):
        store.put_file("key", tmp_path / "copy", sha256=hashlib.sha256(b"plain").hexdigest())


def test_a_missing_bucket(settings: StoreSettings) -> None:
    store = open_store("s3://no-such-bucket/models", settings)
    with pytest.raises(StoreMissing, match="s3://no-such-bucket/models"):
        list(store.list())
    with pytest.raises(StoreMissing):
        store.put_bytes("a", b"")
    with pytest.raises(StoreMissing):
        store.probe(write=True)


def test_nobody_answers() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        store = open_store("s3://bucket", _settings(f"http://127.0.0.1:{closed.getsockname()[1]}"))
        with pytest.raises(StoreUnavailable, match="s3://bucket") as caught:
            list(store.list())
    assert "\n" not in str(caught.value)


def test_no_credentials(s3_server: servers.S3, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in s3_server.credentials:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    make_client.cache_clear()
    store = open_store(
        f"s3://{s3_bucket}", StoreSettings(s3_endpoint_url=s3_server.endpoint, s3_region="eu-west-1")
    )
    with pytest.raises(StoreRefused, match="credentials"):
        list(store.list())
    make_client.cache_clear()


class _Crooked(BaseHTTPRequestHandler):
    """Answers as `server.answer` says; for the trouble no real server makes on request."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.answer(self, body)  # type: ignore[attr-defined]

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer  # noqa: N815 - the base class looks for these

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("claimed", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


Answer = Callable[[_Crooked, bytes], None]


@contextmanager
def crooked(answer: Answer, *, attempts: int = 1) -> Iterator[ObjectStore]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Crooked)
    server.answer = answer  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        yield open_store("s3://bucket", _settings(endpoint, attempts))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _settings(endpoint: str, attempts: int = 1) -> StoreSettings:
    return StoreSettings(s3_endpoint_url=endpoint, s3_region="us-east-1", s3_attempts=attempts)


def _xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>because</Message></Error>".encode()


@pytest.mark.usefixtures("s3_server")
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", StoreRefused),
        (403, "SignatureDoesNotMatch", StoreRefused),
        (404, "NoSuchBucket", StoreMissing),
        (409, "ConditionalRequestConflict", StoreUnavailable),
        (500, "InternalError", StoreUnavailable),
        (503, "SlowDown", StoreUnavailable),
        (507, "XMinioStorageFull", DiskFull),
        (400, "RequestTimeout", StoreUnavailable),
        (400, "IncompleteBody", ObjectDamaged),
        # Names that nobody knows: one bit of each was flipped on the way.
        (404, "NoCuchKey", ObjectMissing),
        (412, "PreconditionFaileg", ObjectChanged),
        (500, "InternalErros", StoreUnavailable),
    ],
)
def test_what_a_store_says_is_understood(status: int, code: str, expected: type[StorageError]) -> None:
    refusing = crooked(lambda request, _: request.reply(status, _xml(code)))
    with refusing as store, pytest.raises(StorageError, match="s3://bucket/key") as caught:
        store.put_bytes("key", b"x", if_absent=False)
    assert type(caught.value) is expected
    assert code in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("s3_server")
def test_a_body_cut_short_is_noticed(tmp_path: Path) -> None:
    def cut(request: _Crooked, _: bytes) -> None:
        request.reply(200, b"half", claimed="8", ETag='"e"')
        request.close_connection = True

    with crooked(cut) as store, pytest.raises(StoreUnavailable, match="s3://bucket/key"):
        store.fetch("key", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("s3_server")
@pytest.mark.parametrize("habit", ["ignores the condition", "rejects the condition"])
def test_a_store_without_conditional_writes_still_replaces_nothing(habit: str) -> None:
    kept: dict[str, bytes] = {}

    def answer(request: _Crooked, body: bytes) -> None:
        match request.command:
            case "PUT" if "If-None-Match" in request.headers and habit == "rejects the condition":
                request.reply(501, _xml("NotImplemented"))
            case "PUT":
                kept[request.path] = body
                request.reply(200, ETag='"e"')
            case "DELETE":
                kept.pop(request.path, None)
                request.reply(204)
            case "HEAD":
                date = "Thu, 01 Jan 2026 00:00:00 GMT"
                request.reply(200 if request.path in kept else 404, ETag='"e"', Last_Modified=date)
            case _:
                request.reply(200, b"<ListBucketResult/>")

    with crooked(answer) as store:
        assert not store.probe(write=True).conditional_writes
        assert store.put_bytes("key", b"first").created
        assert not store.put_bytes("key", b"second").created
    assert kept == {"/bucket/key": b"first"}


@pytest.mark.usefixtures("s3_server")
def test_a_store_that_knows_no_new_checksums_is_sent_none(tmp_path: Path) -> None:
    """Stores that are not AWS reject bodies and headers that boto3 adds on its own since 1.36."""
    kept: dict[str, bytes] = {}

    def answer(request: _Crooked, body: bytes) -> None:
        sent = {name.lower(): value for name, value in request.headers.items()}
        new = {
            name
            for name in sent
            if name.startswith(("x-amz-checksum-", "x-amz-sdk-checksum", "x-amz-trailer"))
        }
        # A question, which whoever does not know it leaves unanswered.
        new.discard("x-amz-checksum-mode")
        if new or "aws-chunked" in sent.get("content-encoding", ""):
            request.reply(400, _xml("InvalidArgument"))
        elif request.command == "PUT":
            kept[request.path.partition("?")[0]] = body
            request.reply(200, ETag='"e"')
        elif request.command == "POST" and "uploads" in request.path:
            upload = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            request.reply(200, upload)
        elif request.command == "POST":
            result = b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
            request.reply(200, result)
        elif request.command == "GET":
            request.reply(200, kept[request.path.partition("?")[0]], ETag='"e"')
        else:
            request.reply(404 if request.command == "HEAD" else 204)

    path = tmp_path / "large"
    path.write_bytes(b"x" * (s3_upload.PART_BYTES + 1))
    with crooked(answer) as store:
        store.put_bytes("small", b"data", if_absent=False)
        assert store.read_bytes("small") == b"data"
        store.put_file("large", path, if_absent=False)
    assert kept["/bucket/large"] == b"x"


@pytest.mark.usefixtures("s3_server")
@pytest.mark.parametrize(("cuts", "comes"), [(2, True), (3, False)])
def test_a_range_that_is_cut_short_is_asked_for_again(cuts: int, comes: bool) -> None:
    asked: list[str] = []

    def answer(request: _Crooked, _: bytes) -> None:
        asked.append(request.headers["Range"])
        if len(asked) <= cuts:
            request.reply(206, b"ha", claimed="4", ETag='"e"')
            request.close_connection = True
        else:
            request.reply(206, b"half", ETag='"e"')

    with crooked(answer) as store:
        if comes:
            assert store.read_range("key", 4, 8, etag="e") == b"half"
        else:
            with pytest.raises(StoreUnavailable, match="s3://bucket/key"):
                store.read_range("key", 4, 8, etag="e")
    assert asked == ["bytes=4-7"] * 3


@pytest.mark.usefixtures("s3_server")
@pytest.mark.parametrize("way", ["fetch", "read_bytes"])
@pytest.mark.parametrize(("cuts", "comes"), [(2, True), (3, False)])
def test_an_object_that_is_cut_short_is_asked_for_again(
    way: str, cuts: int, comes: bool, tmp_path: Path
) -> None:
    asked = 0

    def answer(request: _Crooked, _: bytes) -> None:
        nonlocal asked
        asked += 1
        if asked <= cuts:
            request.reply(200, b"ha", claimed="4", ETag='"e"')
            request.close_connection = True
        else:
            request.reply(200, b"half", ETag='"e"')

    def read(store: ObjectStore) -> bytes:
        if way == "read_bytes":
            return store.read_bytes("key")
        store.fetch("key", tmp_path / "copy")
        return (tmp_path / "copy").read_bytes()

    with crooked(answer) as store:
        if comes:
            assert read(store) == b"half"
        else:
            with pytest.raises(StoreUnavailable, match="s3://bucket/key"):
                read(store)
            assert list(tmp_path.iterdir()) == []
    assert asked == 3


def test_a_bit_that_flips_on_the_way_of_a_stranger_s_object_is_noticed(tmp_path: Path) -> None:
    content = b"somebody else put this here"
    flipped = bytes([content[0] ^ 1]) + content[1:]
    etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
    asked: list[str] = []

    def answer(request: _Crooked, _: bytes) -> None:
        asked.append(request.path)
        request.reply(200, flipped if len(asked) == 1 else content, ETag=etag)

    with crooked(answer) as store:
        assert store.fetch("key", tmp_path / "f") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "f").read_bytes() == content
    assert len(asked) == 2


def test_an_etag_that_is_no_md5_is_not_held_against_an_object(tmp_path: Path) -> None:
    """As of objects that a store encrypts: the same bytes twice are the object's."""
    with crooked(lambda request, _: request.reply(200, b"x", ETag=f'"{"0" * 32}"')) as store:
        assert store.fetch("key", tmp_path / "f") == hashlib.sha256(b"x").hexdigest()


def test_an_object_that_comes_otherwise_each_time_is_damaged(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: _Crooked, _: bytes) -> None:
        asked.append(request.path)
        request.reply(200, str(len(asked)).encode(), ETag=f'"{"0" * 32}"')

    with crooked(answer) as store, pytest.raises(ObjectDamaged, match="its ETag is 000"):
        store.fetch("key", tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    ("date", "known"),
    [
        ("Fri, 27 Nov 2026 00:00:00 GMT", True),
        ("Fri, 27 Nov 2026 00:00:00 -0000", True),
        ("yesterday", False),
        ("", False),
    ],
)
def test_a_store_s_idea_of_the_time_is_no_reason_to_fail(date: str, known: bool) -> None:
    assert (_skew(date) is not None) is known

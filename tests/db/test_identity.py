import pytest

from db import identity
from db.records import ErrorInfo


def test_order_of_options_does_not_matter() -> None:
    assert identity.options_key({"a": 1, "b": [2]}) == identity.options_key({"b": [2], "a": 1})


def test_different_options_differ() -> None:
    keys = {identity.options_key(options) for options in ({}, {"a": 1}, {"a": "1"}, {"a": None}, {"b": 1})}
    assert len(keys) == 5


def test_options_that_are_no_json_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        identity.options_key({"a": float("nan")})


def test_content_key_depends_on_all_three() -> None:
    base = identity.content_key("sha", "1.0", {})
    assert base == identity.content_key("sha", "1.0", {})
    assert base != identity.content_key("sha2", "1.0", {})
    assert base != identity.content_key("sha", "1.1", {})
    assert base != identity.content_key("sha", "1.0", {"a": 1})


def test_version_of_a_source() -> None:
    assert identity.source_version("etag", 5, "v7") == "v7"
    assert identity.source_version("etag", 5, None) != identity.source_version("etag", 6, None)


def test_fingerprint_leaves_names_and_numbers_out() -> None:
    first = ErrorInfo(kind="wrong-shape", message="/tmp/x1/a.h5: layer 'dense_1' has shape (3, 4)")
    second = ErrorInfo(kind="wrong-shape", message="/data/b.h5: layer 'out' has shape (31, 7)")
    other = ErrorInfo(kind="wrong-shape", message="/data/b.h5: weight 'out' is missing")
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != other.fingerprint


def test_a_long_message_is_cut() -> None:
    assert len(ErrorInfo(kind="x", message="a" * 10_000).stored_message) == 2000

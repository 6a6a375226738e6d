"""Two jobs of one content that publish at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.errors import BadKey
from storage.local import LocalStore
from workers import publish


def test_who_comes_second_shows_what_stands(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    store = LocalStore(tmp_path / "store")
    with ThreadPoolExecutor(2) as pool:
        for name in ("first", "second"):
            bundle = tmp_path / name
            bundle.mkdir()
            (bundle / "README.md").write_text(f"converted from {name}.h5")
            (bundle / "manifest.json").write_text("{}")
            result = publish.publish(store, bundle, content_key="same", facts={}, pool=pool)
            publish.put_by_name(store, bundle, result, f"{name}.h5", pool=pool)
    for name in ("first", "second"):
        assert store.read_bytes(f"by-name/{name}/README.md") == b"converted from first.h5"


@pytest.mark.parametrize(
    "key", ["../../pwned.h5", "a/../../../pwned.h5", "/etc/pwned.h5", "a//b.h5", "..h5/../x"]
)
def test_no_key_leads_out_of_the_destination(tmp_path: Path, key: str) -> None:
    """Buckets may hold objects of any name."""
    store, bundle = LocalStore(tmp_path / "store"), tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model.py").write_text("")
    with ThreadPoolExecutor(1) as pool:
        result = publish.publish(store, bundle, content_key="same", facts={}, pool=pool)
        with pytest.raises(BadKey):
            publish.put_by_name(store, bundle, result, key, pool=pool)
    assert {path.name for path in tmp_path.iterdir()} == {"store", "bundle"}
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"cas", "results"}

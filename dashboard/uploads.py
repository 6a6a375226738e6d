"""Where a destination keeps the files that somebody brought.

A folder of that name may have been there before, and be a source of its own: only what lies in it as here is ours.
"""

import re
import secrets
from datetime import UTC, datetime

FOLDER = "uploads"
"""Below the destination; a source like any other."""
_KEY = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}/[^/]+", re.ASCII)


def new_folder() -> str:
    """A folder in `FOLDER` for what is brought at once."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"


def is_upload(key: str) -> bool:
    """Whether `key`, counted from `FOLDER`, is that of a file which was brought."""
    return _KEY.fullmatch(key) is not None

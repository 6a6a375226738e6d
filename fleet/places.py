"""Where the embedded fleet keeps its state, and where the last one was."""

import hashlib
import json
import os
import re
from pathlib import Path

from fleet.errors import UsageError
from fleet.settings import Settings
from scheduler.discover import STATE_FOLDER
from storage.store import ObjectStore
from storage.url import S3Url, parse_url

_LAST = "last.json"


def home() -> Path:
    """The folder for state that belongs to no destination folder."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "keras2torch-fleet"


def state_dir(dest: ObjectStore, settings: Settings) -> Path:
    """DEST/.fleet beside the bundles it speaks of; for a bucket, a folder of its own in `home()`."""
    if settings.state_dir is not None:
        return settings.state_dir.expanduser().absolute()
    match parse_url(dest.url):
        case S3Url():
            readable = re.sub(r"[^A-Za-z0-9]+", "-", dest.url).strip("-")
            return home() / f"{readable[:60]}-{hashlib.sha256(dest.url.encode()).hexdigest()[:8]}"
        case folder:
            return folder / STATE_FOLDER


def remember(state: Path) -> None:
    """Note which state was used last, so that `fleet status` needs no argument. Failing to is no failure."""
    try:
        home().mkdir(parents=True, exist_ok=True)
        (home() / _LAST).write_text(json.dumps({"state_dir": str(state)}))
    except OSError:
        return


def last_used() -> Path:
    """The state folder noted last.

    Raises:
        UsageError: there is none.
    """
    try:
        state = Path(json.loads((home() / _LAST).read_text())["state_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError("no fleet was used here yet: give --dest, or set FLEET_DATABASE_URL") from None
    if not state.is_dir():
        raise UsageError(f"the fleet used last is gone ({state}): give --dest, or set FLEET_DATABASE_URL")
    return state

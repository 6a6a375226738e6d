"""The settings as they apply, where each comes from, and nothing of what is secret in them."""

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from fleet.settings import SECRETS_DIR, Settings

_HIDDEN = "***"


@dataclass(frozen=True, kw_only=True)
class Effective:
    """One setting."""

    name: str
    value: Any
    """As it applies; passwords, tokens and keys are `***`."""
    origin: str
    """`environment`, `file` or `default`."""
    description: str


def effective(settings: Settings) -> list[Effective]:
    """Every setting, in the order of their declaration."""
    return [
        Effective(
            name=f"FLEET_{name.upper()}",
            value=_shown(name, getattr(settings, name)),
            origin=_origin(name),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return without_secrets(value.get_secret_value()) if name.endswith("_url") else _HIDDEN
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def without_secrets(url: str) -> str:
    """A URL without what may be secret in it: of a web hook's, all behind the host is."""
    parts = urlsplit(url)
    if not parts.scheme:
        return _HIDDEN
    user, at, host = parts.netloc.rpartition("@")
    if at:
        host = f"{user.partition(':')[0]}:{_HIDDEN}@{host}" if ":" in user else f"{user}@{host}"
    path = parts.path
    if parts.scheme in {"http", "https"}:
        path = f"/{_HIDDEN}" if path.strip("/") or parts.query else path
    return f"{parts.scheme}://{host}{path}" + (f"?{_HIDDEN}" if parts.query else "")


def _origin(name: str) -> str:
    variable = f"fleet_{name}"
    if any(given.lower() == variable for given in os.environ):
        return "environment"
    if SECRETS_DIR.is_dir() and any(file.name.lower() == variable for file in SECRETS_DIR.iterdir()):
        return "file"
    return "default"

"""The options of a recipe in the three forms they take: on a row, in the destination, as arguments of a conversion.

A row says what was asked for and nothing else, so that the same work always has the same row. Of an architecture it
holds name and hash; the text, which may be megabytes, lies in the destination as everything does that is kept by hash.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras2torch.options import OPTIONS, ConversionOptions
from storage.errors import ObjectDiffers
from storage.store import ObjectStore
from workers import publish

_DEFAULTS = ConversionOptions().as_json()
_EXPORT = "export"


def options_of(asked: ConversionOptions, dest: ObjectStore, *, export: Sequence[str] = ()) -> dict[str, Any]:
    """What the row says of `asked` and of the formats to `export` to; an architecture's text is put into `dest` first.

    Raises: storage.errors.StorageError: `dest` does not take it.
    """
    if asked.architecture is not None and asked.architecture.text is not None:
        publish.put_content(dest, asked.architecture.text)
    return row_of(asked, export=export)


def row_of(asked: ConversionOptions, *, export: Sequence[str] = ()) -> dict[str, Any]:
    """What the row would say; nothing is put anywhere."""
    options = {name: value for name, value in asked.as_json().items() if value != _DEFAULTS.get(name)}
    return {**options, _EXPORT: list(export)} if export else options


def exports_of(options: Mapping[str, Any]) -> Sequence[str]:
    """The formats that a row's `options` ask for."""
    return tuple(options.get(_EXPORT, ()))


def arguments_of(options: Mapping[str, Any], dest: ObjectStore, folder: Path) -> dict[str, Any]:
    """What a row's `options` ask of `keras2torch.convert`; an architecture is brought into `folder`.

    Exports are another child's work (`workers.exports`).

    Raises: storage.errors.StorageError: `dest` does not have it, or not as it was.
    """
    options = {name: value for name, value in options.items() if name != _EXPORT}
    architecture = options.get("architecture")
    if architecture is None:
        return options
    sha256 = architecture.get("sha256")
    if sha256 is None:
        return {**options, "architecture": architecture["name"]}
    # Under the name that the caller gave it, which the bundle records.
    path = folder / architecture["name"]
    key = publish.key_of(sha256)
    if dest.fetch(key, path) != sha256:
        raise ObjectDiffers(dest.url, key, f"is no longer the architecture {architecture['name']}")
    return {**options, "architecture": str(path)}


def as_text(options: Mapping[str, Any]) -> str:
    """A row's options as a person would have typed them; "" where none were asked for."""
    words = []
    for name, value in sorted(options.items()):
        if name == _EXPORT:
            words.append(f"--export {','.join(value)}")
            continue
        flag = OPTIONS[name][0].dashed(name)
        values = value if isinstance(value, list) else [value]
        for each in values:
            text = each["name"] if isinstance(each, Mapping) else each
            words.append(flag if each is True else f"{flag} {text}")
    return " ".join(words)

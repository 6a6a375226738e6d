"""A bundle in the layout of a model hub: in a folder, or in a repository of the Hugging Face hub.

The layout is a bundle still, with a config.json beside, and with what the hub reads of a model in front of the card:
https://huggingface.co/docs/hub/model-cards ("Model card metadata").
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras2torch._version import __version__
from keras2torch.bundle import BUNDLE_FILES, MANIFEST, file_entry, read_manifest, replacing, write_manifest
from keras2torch.card import LOADING, write_card
from keras2torch.errors import CannotWrite, UsageError, one_line

CONFIG = "config.json"
_REMOTE = "hf://"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


def push(bundle: str | Path, to: str, *, license_id: str | None = None, private: bool = False) -> str:
    """Write `bundle` in a hub's layout to the folder `to`, or push it to the repository that `hf://OWNER/NAME` names.

    `license_id`: an identifier as the hub has them ("apache-2.0"), "unknown" unless given. `private`: whether a
    repository that is new is. Pushing needs huggingface_hub, and an account that it knows (`hf auth login`, or
    HF_TOKEN). Returns where the model is: a folder, or the address of a commit. Raises `UsageError`, and `CannotWrite`
    if the place is not to be written to.
    """
    source = Path(bundle)
    manifest = read_manifest(source)
    if license_id is not None and not _LICENSE.fullmatch(license_id):
        raise UsageError(f"{license_id!r} is no identifier of a license, such as apache-2.0")
    if not to.startswith(_REMOTE):
        with replacing(Path(to)) as folder:
            _write_layout(source, folder, manifest, license_id or "unknown", repository=None)
        return to
    repository = to.removeprefix(_REMOTE)
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"{to!r} is not {_REMOTE}OWNER/NAME")
    with tempfile.TemporaryDirectory(prefix="keras2torch-hub-") as folder:
        _write_layout(source, Path(folder), manifest, license_id or "unknown", repository=repository)
        return _upload(Path(folder), repository, private=private)


def _write_layout(
    source: Path, folder: Path, manifest: dict[str, Any], license_id: str, repository: str | None
) -> None:
    for entry in manifest["files"]:
        if Path(entry["path"]).name not in BUNDLE_FILES or not (source / entry["path"]).is_file():
            raise UsageError(f"the file {entry['path']!r} of the bundle is missing", file=str(source))
    for name in sorted(BUNDLE_FILES - {MANIFEST, "README.md", CONFIG}):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    (folder / CONFIG).write_text(json.dumps(_config(manifest), indent=2) + "\n", encoding="utf-8")
    parity = source / "parity.json"
    card = write_card(
        manifest,
        loading=_loading(manifest, repository or "OWNER/NAME"),
        parity=json.loads(parity.read_text(encoding="utf-8")) if parity.is_file() else None,
    )
    (folder / "README.md").write_text(_metadata(manifest, license_id) + card, encoding="utf-8")
    others = [entry for entry in manifest["files"] if entry["path"] not in ("README.md", CONFIG)]
    files = [*others, file_entry(folder / "README.md"), file_entry(folder / CONFIG)]
    write_manifest(folder, {**manifest, "files": files})


def _config(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a hub shows and counts by; `from_pretrained` finds no argument of the class in it, which takes none."""
    return {
        "architectures": [manifest["model"]["class_name"]],
        **{key: manifest[key] for key in ("converter", "source", "options", "inputs", "outputs")},
    }


def _metadata(manifest: Mapping[str, Any], license_id: str) -> str:
    """The block in front of a card, in YAML: words of ours, and an identifier that was checked."""
    mixin = ["model_hub_mixin", "pytorch_model_hub_mixin"] if manifest["options"].get("hub_mixin") else []
    tags = "".join(f"- {tag}\n" for tag in ("pytorch", "keras2torch", *mixin))
    return f"---\nlibrary_name: pytorch\nlicense: {license_id}\ntags:\n{tags}---\n\n"


def _loading(manifest: Mapping[str, Any], repository: str) -> list[str]:
    """How to load the model from a hub: lines of Python."""
    lines = [
        "import sys",
        "",
        "from huggingface_hub import snapshot_download",
        "",
        f'sys.path.insert(0, snapshot_download("{repository}"))  # runs the model.py in it: look at it first',
        "",
    ]
    if manifest["options"].get("hub_mixin"):
        name = manifest["model"]["class_name"]
        return [
            *lines,
            f"from model import {name}",
            "",
            f'model = {name}.from_pretrained("{repository}")  # eval mode, CPU',
        ]
    return [*lines, *LOADING]


def _upload(folder: Path, repository: str, *, private: bool) -> str:
    """Make the repository if it is not there, and what is in `folder` its newest commit."""
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise UsageError("pushing to a hub needs huggingface_hub: pip install 'keras2torch[hub]'") from None
    # Its bases are those of whatever the client itself raises.
    refusals: tuple[type[BaseException], ...] = (OSError, ValueError, *HfHubHTTPError.__bases__)
    api = HfApi(library_name="keras2torch", library_version=__version__)
    try:
        api.create_repo(repository, private=private or None, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message=f"Converted by keras2torch {__version__}"
        )
    except refusals as error:
        raise CannotWrite(f"the hub did not take it: {one_line(str(error))}", file=repository) from error
    return str(done.commit_url)

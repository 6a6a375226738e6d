"""A virtual environment that holds a wheel, what the wheel declares to need, and nothing else.

No package index is asked, so this works offline.
"""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

_ASK = """
import importlib.metadata, json, sysconfig
print(json.dumps([sysconfig.get_path("purelib"), importlib.metadata.requires("keras2torch")]))
"""


def build_wheel(folder: Path) -> Path:
    """Build the project's wheel from a copy of the whole tree, service packages included."""
    copy = folder / "tree"
    shutil.copytree(
        ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "tests")
    )
    _run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", str(folder), str(copy),
    )  # fmt: skip
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Make the environment in `folder`; returns its folder of scripts.

    Dependencies are linked from the environment the tests run in, exactly those that the metadata asks for.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    scripts = folder / "bin"
    _run(
        sys.executable, "-m", "pip", "--python", str(scripts / "python"),
        "install", "--quiet", "--no-deps", "--no-index", str(wheel),
    )  # fmt: skip
    packages, requires = json.loads(_run(str(scripts / "python"), "-c", _ASK))
    for distribution in _closure(requires):
        for entry in _top_level_entries(distribution):
            (Path(packages) / entry.name).symlink_to(entry)
    return scripts


def _closure(requires: list[str]) -> list[importlib.metadata.Distribution]:
    """The installed distributions that these requirements lead to, without extras."""
    found: dict[str, importlib.metadata.Distribution] = {}
    pending = list(requires)
    while pending:
        requirement = Requirement(pending.pop())
        name = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and name not in found:
            distribution = importlib.metadata.distribution(name)
            found[name] = distribution
            pending += distribution.requires or []
    return list(found.values())


def _top_level_entries(distribution: importlib.metadata.Distribution) -> set[Path]:
    """What a distribution put into site-packages; scripts, which lie outside, are left out."""
    names = {file.parts[0] for file in distribution.files or () if file.parts[0] not in {"..", "__pycache__"}}
    return {Path(str(distribution.locate_file(name))) for name in names}


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout

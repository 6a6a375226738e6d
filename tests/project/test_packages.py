"""The service packages come from this checkout and nowhere else; nothing installed takes their names."""

import importlib
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ("benchmarks", "dashboard", "db", "fleet", "samples", "scheduler", "storage", "workers")


@pytest.mark.parametrize("name", [*SERVICE, "keras2torch"])
def test_our_packages_are_imported_from_the_checkout(name: str) -> None:
    origin = importlib.import_module(name).__file__
    assert origin is not None
    assert Path(origin).parent == ROOT / name


def test_no_installed_distribution_takes_the_name_of_a_service_package() -> None:
    installed = importlib.metadata.packages_distributions()
    assert {name: installed[name] for name in SERVICE if name in installed} == {}


def test_every_top_level_package_is_either_engine_or_named_here() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == {*SERVICE, "keras2torch", "tests"}

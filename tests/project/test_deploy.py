"""The deployment files against the code they start: variables, commands and paths that exist."""

import re
from pathlib import Path
from typing import Any

import typer.main
import yaml

from fleet import cli
from fleet.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
EXAMPLE = (ROOT / "deploy" / "env.example").read_text()

VARIABLES = {f"FLEET_{name.upper()}" for name in Settings.model_fields}
OURS = {name: part for name, part in COMPOSE["services"].items() if part["image"] == "keras2torch-fleet"}


def test_the_example_names_every_setting_and_no_other() -> None:
    assert set(re.findall(r"^#?(FLEET_\w+)=", EXAMPLE, re.MULTILINE)) == VARIABLES


def test_the_examples_defaults_are_the_defaults() -> None:
    shown = dict(re.findall(r"^#FLEET_(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    fixed = {
        name.upper(): field.default
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, str | int | float)
    }
    assert {
        name: float(shown[name]) if not isinstance(value, str) else shown[name]
        for name, value in fixed.items()
    } == fixed


def test_compose_asks_for_no_variable_that_the_example_leaves_out() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert asked <= set(re.findall(r"^#?(\w+)=", EXAMPLE, re.MULTILINE))


def test_compose_sets_only_settings_that_exist() -> None:
    given = {name for part in OURS.values() for name in part["environment"] if name.startswith("FLEET_")}
    assert given
    assert given <= VARIABLES


def test_every_fleet_service_runs_a_command_of_ours() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    assert OURS.keys() == {"upgrade", "scheduler", "worker", "migrate"}
    for part in OURS.values():
        [first, *_] = part.get("command") or part["entrypoint"][1:]
        assert first in commands


def test_services_wait_for_services_that_exist_and_volumes_are_declared() -> None:
    for part in COMPOSE["services"].values():
        assert set(part.get("depends_on", ())) <= COMPOSE["services"].keys()
        for volume in part.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_the_image_is_given_every_service_package_and_only_what_is_there() -> None:
    copied = {
        name for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    }
    assert {"db", "fleet", "keras2torch", "scheduler", "storage", "workers"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    assert copied == set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

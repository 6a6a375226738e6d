"""The deployment files against the code they start: variables, commands and paths that exist, and what each container
may do. The images themselves are built and run by hand (docs/containers.md).
"""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

import keras2torch
from fleet import cli
from fleet.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
EXAMPLE = (ROOT / "deploy" / "env.example").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

VARIABLES = {f"FLEET_{name.upper()}" for name in Settings.model_fields}
OURS = {name: part for name, part in SERVICES.items() if "keras2torch-" in part["image"]}
ONCE = {"upgrade", "buckets"}
BY_HAND = {"migrate", "fleet", "upload"}
RUNNING = SERVICES.keys() - ONCE - BY_HAND
HEAVY = {"torch", "tensorflow", "keras", "tf-keras", "onnxruntime", "onnx", "onnxscript"}


def default(text: str) -> str:
    """The text with every `${NAME:-default}` as it is where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def seconds(text: str) -> float:
    return float(default(text).removesuffix("s"))


def requirements(group: str) -> set[str]:
    """The names of all packages that a dependency group asks for."""
    found = set()
    for entry in PROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            found |= requirements(entry["include-group"])
        else:
            found.add(re.split(r"[^\w.-]", entry, maxsplit=1)[0].lower().replace("_", "-"))
    return found


def stages() -> dict[str, str]:
    """The text of each stage of the Dockerfile, by its name."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, flags=re.MULTILINE)
    return dict(zip(parts[2::3], parts[3::3], strict=True))


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


def test_compose_asks_for_no_variable_that_the_example_leaves_out_and_has_its_defaults() -> None:
    asked = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    assert len(asked) == len(set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text())))
    shown = dict(re.findall(r"^#?(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert asked.keys() <= shown.keys()
    # How long a container is given to stop is compose's to say; without compose nobody knows.
    differ = {name for name, value in asked.items() if shown[name] != value}
    assert differ == {"FLEET_STOP_GRACE_SECONDS"}


def test_compose_sets_only_settings_that_exist_and_that_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in OURS.values():
        given = {name: default(str(value)) for name, value in part["environment"].items()}
        assert {name for name in given if name.startswith("FLEET_")} <= VARIABLES
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        Settings()


def test_every_fleet_service_runs_a_command_of_ours() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    for name, part in OURS.items():
        entry = part.get("entrypoint", ["/app/bin/fleet"])
        if entry[0] == "/app/bin/fleet" and (words := [*entry[1:], *part.get("command", [])]):
            assert words[0] in commands, name
        elif entry[0] == "python3":
            assert (ROOT / entry[2].removeprefix("/app/")).is_file(), name


def test_services_wait_for_services_that_exist_and_for_health_only_where_it_is_examined() -> None:
    for part in SERVICES.values():
        for other, how in part.get("depends_on", {}).items():
            match how["condition"]:
                case "service_healthy":
                    assert "healthcheck" in SERVICES[other]
                case condition:
                    assert condition == "service_completed_successfully"
                    assert other in ONCE
        for volume in part.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("${")
        assert set(part["networks"]) <= COMPOSE["networks"].keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_bounded_and_starts_again(name: str) -> None:
    part = SERVICES[name]
    assert part["mem_limit"]
    assert part["pids_limit"]
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert not part.get("privileged", False)
    assert all(port.startswith("127.0.0.1:") for port in part.get("ports", ()))
    assert ("healthcheck" in part) == (name in RUNNING)
    if name in RUNNING:
        assert part["restart"] == "unless-stopped"
    elif name in ONCE:
        assert part["restart"].startswith("on-failure")
    else:
        assert part["profiles"] == ["command"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_containers_can_write_nowhere_but_where_they_must_and_have_no_powers(name: str) -> None:
    part = OURS[name]
    assert part["read_only"]
    assert "cap_add" not in part
    assert "user" not in part  # the images' own, which is not root
    assert part["image"].endswith(f":{keras2torch.__version__}")
    assert ("worker" in name) == (part["build"]["target"] == "worker")


def test_what_converts_strangers_models_reaches_no_network_but_that_of_the_fleet() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    reaching_out = {name for name, part in SERVICES.items() if part["networks"] != ["inside"]}
    assert reaching_out == {"dashboard", "scheduler", "s3"}


def test_no_secret_is_in_an_environment_and_each_is_a_file_that_git_and_images_never_see() -> None:
    for part in SERVICES.values():
        for name, value in part.get("environment", {}).items():
            assert not re.search(r"PASSWORD(?!_FILE)|SECRET|ACCESS_KEY|TOKEN", name)
            assert not re.search(r"://[^/]*:[^/]*@", str(value))
        assert set(part.get("secrets", ())) <= COMPOSE["secrets"].keys()
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"deploy/secrets/{name}"
        assert name.upper() in VARIABLES or name == "s3_config"
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    shown = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert not [path for path in shown if path == "deploy" or "secrets" in path]


def test_secrets_are_made_once_for_their_owner_and_reach_the_settings(tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "make-secrets"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy" / "make-secrets").read_text())

    def made() -> dict[str, str]:
        subprocess.run(["sh", script], check=True, capture_output=True)
        return {path.name: path.read_text() for path in (script.parent / "secrets").iterdir()}

    first = made()
    assert first.keys() == COMPOSE["secrets"].keys()
    assert made() == first
    assert (script.parent / "secrets").stat().st_mode & 0o777 == 0o700
    [identity] = yaml.safe_load(first["s3_config"])["identities"]
    [keys] = identity["credentials"]
    assert keys == {
        "accessKey": first["fleet_s3_access_key_id"],
        "secretKey": first["fleet_s3_secret_access_key"],
    }
    assert len(set(first.values())) == len(first)
    assert all(re.fullmatch(r"[0-9a-f]{20,}", text) for name, text in first.items() if name != "s3_config")


@pytest.mark.parametrize("name", ["scheduler", "worker", "worker-gpu"])
def test_health_is_a_file_that_is_young_and_asks_no_server(name: str, tmp_path: Path) -> None:
    part = OURS[name]
    command, *words = part["healthcheck"]["test"]
    assert command == "CMD"
    assert part["environment"]["FLEET_HEALTH_DIR"] in words[-1]
    alive = tmp_path / "alive"
    words = [word.replace("$$", "$").replace("/tmp/health", str(tmp_path)) for word in words]

    def healthy() -> bool:
        return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0

    assert not healthy()
    alive.touch()
    assert healthy()
    os.utime(alive, (0, 0))
    assert not healthy()


@pytest.mark.parametrize("name", ["worker", "worker-gpu"])
def test_a_worker_is_given_longer_to_stop_than_it_drains(name: str) -> None:
    part = SERVICES[name]
    grace = seconds(part["stop_grace_period"])
    assert grace == seconds(part["environment"]["FLEET_STOP_GRACE_SECONDS"])
    assert grace >= seconds(part["environment"]["FLEET_DRAIN_SECONDS"]) + 10


def test_what_may_take_gigabytes_lies_on_a_disk_and_not_in_the_memory_of_a_tmpfs() -> None:
    for name in ("worker", "worker-gpu", "dashboard"):
        environment = SERVICES[name]["environment"]
        [volume] = SERVICES[name]["volumes"]
        assert volume.partition(":")[2] == (environment.get("FLEET_SCRATCH_DIR") or environment["TMPDIR"])
        assert volume.partition(":")[0] in COMPOSE["volumes"]


def test_the_broker_never_drops_what_it_was_given() -> None:
    command = SERVICES["valkey"]["command"]
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_the_image_is_given_every_service_package_and_only_what_is_there() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for name in line.split()[:-1]
    }
    assert {"db", "fleet", "keras2torch", "scheduler", "storage", "workers"} <= copied
    assert all((ROOT / name).exists() for name in copied)
    shown = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    within = {"keras2torch/_version.py", *(name for name in copied if name.startswith("dashboard/"))}
    assert copied - within == shown


def test_both_images_are_of_this_version_without_root_and_let_signals_through() -> None:
    assert f"ARG VERSION={keras2torch.__version__}\n" in stages()["base"]
    for name in ("service", "worker"):
        text = stages()[name]
        assert "\nUSER 10001:10001\n" in text
        assert '\nENTRYPOINT ["/app/bin/fleet"]\n' in text  # not through a shell, which would keep SIGTERM
        assert "pip" not in text
        assert f"COPY --from={name}-packages /opt/venv /opt/venv" in text
    assert "exec " in (ROOT / "bin" / "fleet").read_text()


def test_every_package_of_an_image_is_pinned_and_the_service_has_neither_torch_nor_tensorflow() -> None:
    installs = re.findall(r"pip install .*", DOCKERFILE)
    assert [line for line in installs if "--constraint constraints.txt" not in line] == [
        "pip install --quiet --upgrade 'pip>=25.1'"
    ]
    assert "--group service ." in stages()["service-packages"]
    assert "--group image ." in stages()["worker-packages"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    assert requirements("image") | requirements("service") <= pinned
    assert not requirements("service") & HEAVY
    assert requirements("image") >= requirements("service") | HEAVY


def test_what_kombu_needs_without_asking_for_it_is_installed_with_the_service() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import kombu.transport.redis, sys; print('packaging' in sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert loaded.strip() == "True"
    assert "packaging" in requirements("service")

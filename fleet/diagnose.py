"""`fleet doctor`, `config`, `check`: whether the fleet can work here, and how it is set."""

from typing import Annotated, Any

import typer
from rich.console import Console

from fleet import doctor as examination
from fleet.answering import AsJson, answer
from fleet.consoles import plain, table_of
from fleet.doctor import Finding, Verdict
from fleet.effective import Effective, effective
from fleet.errors import FleetError
from fleet.settings import load_settings


def doctor(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEST]...",
            help="Folders or s3:// addresses to write to; default: the stores of the newest batches.",
        ),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="A machine without a GPU is at fault.")] = False,
    as_json: AsJson = False,
) -> None:
    """Examine database, broker, storage and GPU; end with 1 if anything is at fault."""
    findings = list(examination.examine(load_settings(), places or [], demand_gpu=gpu))
    faults = [finding for finding in findings if finding.verdict is Verdict.FAULT]
    answer({"healthy": not faults, "findings": findings}, _show_findings, as_json)
    if faults:
        raise FleetError(
            f"{len(faults)} at fault: {', '.join(dict.fromkeys(fault.part for fault in faults))}"
        )


def config(as_json: AsJson = False) -> None:
    """Every setting as it applies and where it comes from, without passwords, tokens and keys."""
    answer(effective(load_settings()), _show_config, as_json)


def check(as_json: AsJson = False) -> None:
    """Say whether the settings agree with one another, asking nothing of database, broker or storage."""
    settings = load_settings()
    figures = {
        "hard_limit_seconds": settings.hard_limit_seconds,
        "visibility_timeout_seconds": settings.visibility_seconds,
        "lease_seconds": settings.lease_seconds,
        "heartbeat_seconds": settings.heartbeat_seconds,
        "drain_seconds": settings.drain_seconds,
        "dispatch_window": settings.window,
    }
    answer({"ok": True, **figures}, _show_check, as_json)


def _show_findings(found: dict[str, Any], console: Console) -> None:
    findings: list[Finding] = found["findings"]
    for finding in findings:
        console.print(plain(f"{finding.verdict:<8} {finding.part:<9} {finding.message}"), soft_wrap=True)


def _show_config(settings: list[Effective], console: Console) -> None:
    shown = table_of("setting", "value", "from")
    for setting in settings:
        value = "" if setting.value is None else str(setting.value)
        shown.add_row(setting.name, plain(value), setting.origin)
    console.print(shown)


def _show_check(found: dict[str, Any], console: Console) -> None:
    console.print(
        "the settings agree: "
        + ", ".join(f"{name} {value:g}" for name, value in found.items() if name != "ok")
    )

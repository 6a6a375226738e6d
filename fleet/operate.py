"""What an operator does to jobs, batches and workers; each act is recorded with who did it."""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console

from db.errors import NothingToDo, UnknownBatch
from db.queries import audit, batch_acts, bulk
from db.queries import workers as worker_queries
from db.queries.batch_acts import BatchAct
from db.search import BadSearch, Search, parse
from fleet import browse, remote
from fleet.answering import AsJson, Dest, actor, answer, server_of, sessions_of
from fleet.consoles import plain
from fleet.errors import FleetError, UsageError

NEGATIONS = {"ignore_unknown_options": True}
"""For commands that take filters: `-state:failed` is no option."""

Filter = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FILTER]...",
        help="Which jobs: numbers, or terms as state:failed error:unsupported layer:LSTM key:resnet -batch:3.",
    ),
]
_All = Annotated[bool, typer.Option("--all", help="Every job that it can be done to.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say how many jobs it would be, and do nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def search_of(words: list[str] | None) -> Search:
    """The search that the words of a command line are.

    Raises:
        UsageError: a word that means nothing, such as an option that there is not.
    """
    for word in words or ():
        if word.startswith("--"):
            raise UsageError(f"no such option: {word}")
    try:
        return parse(" ".join(words or ()))
    except BadSearch as error:
        raise UsageError(str(error)) from error


def retry(
    words: Filter = None,
    every: _All = False,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Queue jobs again that failed, were quarantined or cancelled; with state:succeeded, or by number, those too."""
    _act(bulk.retry, words, every, dry_run=dry_run, yes=yes, dest=dest, as_json=as_json)


def cancel(
    words: Filter = None,
    every: _All = False,
    dry_run: _DryRun = False,
    yes: _Yes = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs: at once where they wait, at their worker's next heartbeat where they run."""
    _act(bulk.cancel, words, every, dry_run=dry_run, yes=yes, dest=dest, as_json=as_json)


def hold(
    batch: Annotated[int, typer.Argument(metavar="BATCH")], dest: Dest = None, as_json: AsJson = False
) -> None:
    """Pause a batch: nothing of it starts any more; what runs may finish."""
    _of_batch("hold", batch, dest, as_json)


def release(
    batch: Annotated[int, typer.Argument(metavar="BATCH")], dest: Dest = None, as_json: AsJson = False
) -> None:
    """End the pause of a batch."""
    _of_batch("release", batch, dest, as_json)


def workers(
    gone: Annotated[
        bool, typer.Option("--gone", help="Also those that have stopped, or were lost more than a day ago.")
    ] = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """List workers: what they run on, what they do, when they were last heard of."""
    if server := server_of(dest):
        found = remote.workers(server, gone=gone)
    else:
        with sessions_of(dest)() as session:
            found = worker_queries.list_workers(session, gone=gone)
    answer(found, browse.show_workers, as_json)


def drain(
    worker: Annotated[str, typer.Argument(metavar="WORKER")], dest: Dest = None, as_json: AsJson = False
) -> None:
    """Stop a worker: it takes nothing more, finishes or hands back what it has, and ends.

    Whatever starts workers again by itself (restart policies) has to be told, too.
    """
    if server := server_of(dest):
        answer(remote.drain(server, worker), _show_drain, as_json)
        return
    with sessions_of(dest, read_only=False).begin() as session:
        if not worker_queries.request_drain(session, worker):
            raise FleetError(f"no worker {worker} is there")
        audit.write(session, actor(), "drain", worker)
    answer({"worker": worker, "asked": True}, _show_drain, as_json)


def history(
    before: Annotated[int | None, typer.Option(help="Those before this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Who did what, the newest first."""
    if server := server_of(dest):
        found = remote.history(server, before=before, limit=limit)
    else:
        with sessions_of(dest)() as session:
            found = audit.list_audit(session, before=before, limit=limit)
    answer(found, browse.show_audit, as_json)


def _act(
    make: Callable[[Search, str], bulk.Act],
    words: list[str] | None,
    every: bool,
    *,
    dry_run: bool,
    yes: bool,
    dest: str | None,
    as_json: bool,
) -> None:
    search = search_of(words)
    if bool(search.terms) is every:
        raise UsageError(
            "say which jobs: numbers, a filter, or --all" if not every else "--all and a filter?"
        )
    text = " ".join(words or ())
    act = make(search, text or "all")

    def sure(jobs: int) -> None:
        if jobs and not yes and not search.is_by_number:
            ask(f"{act.name} {jobs} jobs?")

    if server := server_of(dest):
        jobs, done = remote.act(server, act.name, text, dry_run=dry_run, ask=sure)
    else:
        sessions = sessions_of(dest, read_only=dry_run)
        with sessions() as session:
            jobs = act.count(session)
        done = bulk.Done()
        if not dry_run:
            sure(jobs)
            *_, done = act.run(sessions, actor())
    found = {"action": act.name, "filter": act.subject, "dry_run": dry_run, "jobs": jobs}
    answer({**found, "changed": done.changed, "requested": done.requested}, _show_acted, as_json)


def ask(question: str) -> None:
    """Return if a person says yes.

    Raises:
        UsageError: there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask: say --yes")
    typer.confirm(question, abort=True, err=True)


def _show_acted(found: dict[str, Any], console: Console) -> None:
    if found["dry_run"]:
        console.print(f"{found['action']} would change {found['jobs']} jobs")
        return
    what = {"retry": "queued again", "cancel": "cancelled"}[found["action"]]
    console.print(f"{found['changed']} jobs {what}")
    if found["requested"]:
        console.print(f"{found['requested']} running jobs will stop at their worker's next heartbeat")


def _of_batch(action: BatchAct, batch: int, dest: str | None, as_json: bool) -> None:
    if server := server_of(dest):
        answer(remote.of_batch(server, action, batch), _show_batch, as_json)
        return
    try:
        with sessions_of(dest, read_only=False).begin() as session:
            jobs = batch_acts.act(session, actor(), action, batch)
    except (UnknownBatch, NothingToDo) as error:
        raise FleetError(str(error)) from error
    answer({"action": action, "batch": batch, "jobs": jobs}, _show_batch, as_json)


def _show_batch(found: dict[str, Any], console: Console) -> None:
    what = {"hold": "held", "release": "queued again"}[found["action"]]
    console.print(f"batch {found['batch']}: {found['jobs']} jobs {what}")


def _show_drain(found: dict[str, Any], console: Console) -> None:
    console.print(plain(f"worker {found['worker']} will hear of it at its next heartbeat"))

"""A fleet that is reached by its API: what the commands ask of a database elsewhere, asked of a server, with the same
answers.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import TypeAdapter, ValidationError

from db.queries.audit import AuditRow
from db.queries.bulk import Done
from db.queries.job_detail import JobDetail
from db.queries.jobs import JobRow, Page, Running
from db.queries.reports import BatchSummary
from db.queries.workers import WorkerRow
from db.search import Term
from fleet.errors import FleetError, UsageError

_SECONDS = 60.0
_PAGE = 1000
_LOOK_SECONDS = 0.5


class _NoRedirects(HTTPRedirectHandler):
    """A token is for the server that it was given for."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Server:
    """The API at `url`, asked with a token, or without one where nobody has to sign in.

    Every method raises `FleetError` where the server does not answer or refuses, and `UsageError` where it says that
    what it was asked means nothing.
    """

    def __init__(self, url: str, token: str | None) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise UsageError(f"--server {url}: an address begins with https:// or http://")
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._opener = build_opener(_NoRedirects)

    def get(self, path: str, **query: Any) -> Any:
        """What the API answers to GET; parameters that are None are left out."""
        return self._send("GET", path, None, query)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What it answers to another method."""
        return self._send(method, path, body or {}, {})

    def read(self, path: str) -> tuple[str, Mapping[str, str]]:
        """Text that the API gives, and the headers it came with."""
        content, headers = self._ask("GET", path, None, {})
        return content.decode(errors="replace"), headers

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any]) -> Any:
        content, _ = self._ask(method, path, body, query)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise FleetError(f"{self._url}: {error}") from error

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, Any]
    ) -> tuple[bytes, Mapping[str, str]]:
        text = urlencode({name: value for name, value in query.items() if value is not None})
        request = Request(  # noqa: S310  # the scheme is checked above
            f"{self._url}/api/v1{path}" + (f"?{text}" if text else ""),
            method=method,
            headers=self._headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                return answer.read(), answer.headers
        except HTTPError as error:
            raise self._refusal(error) from error
        except (URLError, HTTPException, TimeoutError, ValueError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise FleetError(f"{self._url}: {reason}") from error

    def _refusal(self, error: HTTPError) -> FleetError:
        try:
            detail = str(json.loads(error.read())["detail"])
        except (ValueError, KeyError, TypeError, OSError):
            detail = f"answered {error.code}; is this a fleet's dashboard?"
        if error.code in {422, 400}:
            return UsageError(detail)
        if error.code in {404, 409}:
            return FleetError(detail)
        hint = " (FLEET_TOKEN)" if error.code == 401 else ""
        return FleetError(f"{self._url}: {detail}{hint}")

    def row(self, shape: Any, found: Any) -> Any:
        """An answer as the row that the database would have given."""
        try:
            return TypeAdapter(shape).validate_python(found)
        except ValidationError as error:
            raise FleetError(
                f"{self._url}: its version is another one: {error.errors()[0]['loc']}"
            ) from error


def status(server: Server) -> dict[str, Any]:
    """As `browse.status`."""
    found = server.get("/overview")
    batches = [server.get(f"/batches/{row['id']}") for row in server.get("/batches", limit=5)["batches"]]
    return {
        "jobs": found["states"],
        "workers": [server.row(WorkerRow, row) for row in found["workers"]],
        "running": [server.row(Running, row) for row in found["running"]],
        "batches": [server.row(BatchSummary, row) for row in batches],
        "last_ten_minutes": found["last_ten_minutes"],
    }


def jobs(server: Server, q: str, *, after: int | None, limit: int) -> Page:
    """As `db.queries.jobs.list_jobs`."""
    rows: list[JobRow] = []
    cursor = None if after is None else str(after)
    while len(rows) < limit:
        page = server.get("/jobs", q=q, sort="id", after=cursor, limit=min(_PAGE, limit - len(rows)))
        rows += [server.row(JobRow, row) for row in page["jobs"]]
        cursor = page["next"]
        if cursor is None:
            break
    return Page(rows, None if cursor is None or not rows else rows[-1].id)


def text_of(words: Sequence[str], terms: Sequence[Term]) -> str:
    """A command line's words and options as one filter.

    Raises: UsageError: a value that the filter language has no way to write.
    """
    written = list(words)
    for term in terms:
        if any('"' in str(value) for value in term.values):
            raise UsageError(f"{term.field.word}: a server is asked for nothing with a quote in it")
        written.append(f"{term.field.word}:" + ",".join(f'"{value}"' for value in term.values))
    return " ".join(written)


def job(server: Server, job_id: int) -> JobDetail:
    """As `browse.detail`."""
    found: JobDetail = server.row(JobDetail, server.get(f"/jobs/{job_id}"))
    return found


def log(server: Server, job_id: int, fence: int) -> tuple[str, str, int | None]:
    """The text of an attempt's log, whether it is `live`, `partial` or `stored`, and how many characters there were."""
    text, headers = server.read(f"/jobs/{job_id}/attempts/{fence}/log")
    said = headers.get("Fleet-Log-Said")
    return text, headers.get("Fleet-Log", "stored"), int(said) if said and said.isdecimal() else None


def act(
    server: Server, action: str, q: str, *, dry_run: bool, ask: Callable[[int], None]
) -> tuple[int, Done]:
    """Count, `ask` about that number, do it and wait for its end; returns how many jobs were counted, and what came."""
    asked = {"action": action, "q": q, "all": not q}
    count = int(server.send("POST", "/operations", {**asked, "dry_run": True})["jobs"])
    if dry_run:
        return count, Done()
    ask(count)
    number = server.send("POST", "/operations", asked)["operation"]
    while True:
        found = server.get(f"/operations/{number}")
        if found["state"] == "failed":
            raise FleetError(f"operation {number}: {found['error']}")
        if found["state"] == "finished":
            return count, Done(found["changed"], found["requested"])
        time.sleep(_LOOK_SECONDS)


def of_batch(server: Server, action: str, batch: int) -> dict[str, Any]:
    """Hold or release one."""
    found: dict[str, Any] = server.send("POST", f"/batches/{batch}/{action}")
    return found


def workers(server: Server, *, gone: bool) -> list[WorkerRow]:
    """As `db.queries.workers.list_workers`."""
    return [server.row(WorkerRow, row) for row in server.get("/workers", gone=str(gone).lower())]


def drain(server: Server, worker: str) -> dict[str, Any]:
    """Ask one to stop."""
    found: dict[str, Any] = server.send("POST", f"/workers/{quote(worker, safe='')}/drain")
    return found


def history(server: Server, *, before: int | None, limit: int) -> list[AuditRow]:
    """As `db.queries.audit.list_audit`."""
    rows: list[AuditRow] = []
    while len(rows) < limit:
        page = server.get("/audit", before=before, limit=min(_PAGE, limit - len(rows)))
        rows += [server.row(AuditRow, row) for row in page["acts"]]
        before = page["next_before"]
        if before is None:
            break
    return rows


def schedules(server: Server) -> list[dict[str, Any]]:
    """Every schedule with when it comes next, as the command lists them."""
    rows: list[dict[str, Any]] = server.get("/schedules")
    for row in rows:
        for moment in ("last_tick", "next_tick"):
            row[moment] = server.row(datetime | None, row[moment])
        if row["problem"] is None:
            del row["problem"]
    return rows


def taken(selection: Mapping[str, Any]) -> dict[str, Any]:
    """A selection as the API wants it: all of it."""
    return {"include": [], "exclude": [], "only_needed": False, **selection}


def add_schedule(server: Server, new: Mapping[str, Any]) -> None:
    """Make one."""
    server.send("POST", "/schedules", new)


def change_schedule(server: Server, name: str, fields: Mapping[str, Any]) -> None:
    """Set these columns."""
    change = {column: value for column, value in fields.items() if column != "selection"}
    if "selection" in fields:
        change["taken"] = taken(fields["selection"])
    server.send("PATCH", _schedule(name), change)


def run_schedule(server: Server, name: str) -> dict[str, Any]:
    """Start it now."""
    found: dict[str, Any] = server.send("POST", f"{_schedule(name)}/run")
    return found


def remove_schedule(server: Server, name: str) -> None:
    """Forget it."""
    server.send("DELETE", _schedule(name))


def _schedule(name: str) -> str:
    return f"/schedules/{quote(name, safe='')}"

"""As much of a model hub as a push needs: repositories that take commits, on this machine."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Hub:
    """What was asked of the server: `repositories` by name, each with its files."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.asked: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, body: bytes, token: str | None) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if token != "Bearer hf_ours":
            return 401, {"error": "Invalid credentials"}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            wish = json.loads(body)
            name = f"{wish['organization']}/{wish['name']}"
            self.repositories.setdefault(name, {})
            private = wish.get("private", False) or wish.get("visibility") == "private"
            self.private.setdefault(name, private)
            return 200, {"url": f"{self.url}/{name}"}
        parts = path.strip("/").split("/")
        name = "/".join(parts[2:4])
        files = self.repositories.get(name)
        if files is None:
            return 404, {"error": "Repository not found"}
        if parts[4:5] == ["preupload"]:
            names = [file["path"] for file in json.loads(body)["files"]]
            found = [{"path": each, "uploadMode": "regular", "shouldIgnore": False} for each in names]
            return 200, {"files": found}
        if parts[4:5] == ["commit"]:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return 200, {"commitUrl": f"{self.url}/{name}/commit/{'0' * 40}", "commitOid": "0" * 40}
        return 200, {"id": name, "sha": "0" * 40, "siblings": [], "private": self.private[name], "tags": []}


@contextmanager
def running() -> Iterator[Hub]:
    """A hub on a free port of the loopback."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            status, document = hub.answer(self.command, path, body, self.headers.get("Authorization"))
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_HEAD = respond  # noqa: N815  names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

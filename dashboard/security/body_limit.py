"""Bodies larger than any form are refused before they are read, but where models are brought."""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.paths import path_within
from dashboard.problems import Problem, problem_response

LARGEST = 1 << 20
_STATUS = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_WHY = f"a request has at most {LARGEST} bytes"


class BodyLimit:
    """ASGI middleware: 413 for more than `LARGEST` bytes, whether announced or not, except below `unlimited` paths,
    whose routes count themselves.
    """

    def __init__(self, app: ASGIApp, unlimited: tuple[str, ...] = ()) -> None:
        self._app, self._unlimited = app, unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on a body that is watched."""
        if scope["type"] != "http" or path_within(scope).startswith(self._unlimited or ("\0",)):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > LARGEST:
            await problem_response(_STATUS, _WHY)(scope, receive, send)
            return
        read = 0

        async def watched() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > LARGEST:
                    raise Problem(_STATUS, _WHY)
            return message

        await self._app(scope, watched, send)

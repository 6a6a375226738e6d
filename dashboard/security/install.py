"""Everything that guards an application, in the order in which a request meets it."""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from dashboard.problems import problem_response
from dashboard.security import login, welcome
from dashboard.security.access import Unknown
from dashboard.security.body_limit import BodyLimit
from dashboard.security.csrf import SAFE
from dashboard.security.headers import Headers
from dashboard.security.origin import Origin
from dashboard.services import Services


def install(app: FastAPI, *, unlimited: tuple[str, ...] = ()) -> None:
    """Guard `app`; below the `unlimited` paths bodies may be of any size."""

    @app.exception_handler(Unknown)
    async def ask(request: Request, error: Unknown) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers
        if wants_page and request.method in SAFE:
            return login.to_form(request)
        return problem_response(error.status_code, str(error.detail), error.headers)

    app.include_router(login.router)
    app.include_router(welcome.router)
    given: Services = app.state.services
    if given.config.oidc is not None:
        # Its libraries take a quarter of a second to load.
        from dashboard.security.oidc import routes as oidc

        app.include_router(oidc.router(given.config.oidc))
    # Starlette puts the one added last outside.
    app.add_middleware(BodyLimit, unlimited=unlimited)
    app.add_middleware(Origin)
    app.add_middleware(Headers)

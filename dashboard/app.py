"""The application: routers, errors, and nothing that knows where the database is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from dashboard import api, health, metrics, problems
from dashboard.ahead import Ahead
from dashboard.api import examples, submissions
from dashboard.pages import new
from dashboard.pages.errors import page_of
from dashboard.pages.install import install as install_pages
from dashboard.security import install as security
from dashboard.services import Services


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            examples.put_into(super().openapi())
        return super().openapi()


def create_app(services: Services) -> FastAPI:
    """An ASGI application that answers with `services`."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        ahead = Ahead(services)
        services.runner.start()
        ahead.start()
        yield
        await run_in_threadpool(ahead.stop)
        await run_in_threadpool(services.runner.stop)

    app = _Application(
        lifespan=running,
        title="keras2torch fleet",
        version=services.version,
        openapi_url="/api/v1/openapi.json",
        # Swagger's pages load scripts from elsewhere; the pages of this application say where the document is.
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.metrics = metrics.Metrics()
    problems.install(app, page_of)
    security.install(app, unlimited=(submissions.UPLOADS, new.FILES))
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(api.router)
    install_pages(app)
    return app

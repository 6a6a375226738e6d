"""All pages in one router, and the files they load."""

from fastapi import FastAPI

from dashboard.pages import (
    assets,
    audit,
    batches,
    coverage,
    failures,
    job,
    job_files,
    jobs,
    live,
    overview,
    workers,
)


def install(app: FastAPI) -> None:
    """Serve the pages from `app`. They are not part of the API's document."""
    app.mount("/static", assets.Assets(directory=assets.FOLDER), name="static")
    for part in (overview, failures, coverage, batches, jobs, job, job_files, workers, audit, live):
        app.include_router(part.router, include_in_schema=False)

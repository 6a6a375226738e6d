"""All pages in one router, and the files they load."""

from fastapi import FastAPI

from dashboard.pages import (
    acts,
    assets,
    audit,
    batches,
    coverage,
    failures,
    job,
    job_files,
    job_log,
    jobs,
    live,
    new,
    operations,
    overview,
    people,
    schedules,
    views,
    workers,
)

# What has a word in its path comes before what has a number there.
PARTS = (
    overview,
    batches,
    acts,
    operations,
    jobs,
    views,
    job,
    job_files,
    job_log,
    failures,
    coverage,
    schedules,
    new,
    workers,
    audit,
    people,
    live,
)


def install(app: FastAPI) -> None:
    """Serve the pages from `app`. They are not part of the API's document."""
    app.mount("/static", assets.Assets(directory=assets.FOLDER), name="static")
    for part in PARTS:
        app.include_router(part.router, include_in_schema=False)

"""The API, version 1: one router a noun, typed models in and out, keyset pages."""

from fastapi import APIRouter

from dashboard.api import (
    batches,
    failures,
    files,
    history,
    job,
    jobs,
    operations,
    overview,
    schedules,
    submissions,
    users,
    views,
    workers,
)

router = APIRouter(prefix="/api/v1")
for each in (
    *(overview, jobs, job, files, operations, batches, failures, schedules, submissions, workers, views),
    history,
    users,
):
    router.include_router(each.router)

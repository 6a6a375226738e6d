"""The API, version 1: one router a noun, typed models in and out, keyset pages."""

from fastapi import APIRouter

from dashboard.api import batches, failures, files, history, job, jobs, overview, workers

router = APIRouter(prefix="/api/v1")
for each in (overview, jobs, job, batches, failures, files, workers, history):
    router.include_router(each.router)

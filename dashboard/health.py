"""Whether this process lives, and whether it can do its work. Public: a probe has no password."""

from http import HTTPStatus

from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from dashboard.problems import Problem
from dashboard.services import Reading

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="The process lives")
def healthz() -> dict[str, str]:
    """Asks nobody: a database that is down is no reason to restart this process."""
    return {"status": "ok"}


@router.get("/readyz", summary="The database answers")
def readyz(session: Reading) -> dict[str, str]:
    """503 while the database does not answer."""
    try:
        session.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer") from error
    return {"status": "ok"}

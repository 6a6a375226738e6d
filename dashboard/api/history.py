"""Who did what."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter

from dashboard.api.parameters import ApiModel, Before, Limit, problems
from dashboard.security.access import Viewer
from dashboard.services import Reading
from db.queries import audit

router = APIRouter(tags=["audit"], responses=problems())


class Act(ApiModel):
    """Something that somebody did."""

    id: int
    at: datetime
    actor: str
    via: str
    """By what: `command`, `api`, `dashboard`."""
    action: str
    subject: str
    """What it was done to: a search, a batch, a worker."""
    jobs: int
    """How many jobs it changed."""
    data: dict[str, Any]


class History(ApiModel):
    """Some acts, the newest first."""

    acts: list[Act]
    next_before: int | None
    """Pass it as `before`; null: these were the oldest."""


@router.get("/audit", summary="Who did what, the newest first", response_model=History)
def history(_who: Viewer, session: Reading, before: Before = None, limit: Limit = 50) -> History:
    """By the command, by the API and on the pages alike."""
    rows = audit.list_audit(session, before=before, limit=limit + 1)
    last = rows[limit - 1].id if len(rows) > limit else None
    return History.model_validate({"acts": rows[:limit], "next_before": last}, from_attributes=True)

"""The addresses of stores that somebody has used already."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Batch, Recipe, Schedule


def is_known(session: Session, url: str) -> bool:
    """Whether a batch or a schedule reads from here or publishes here."""
    used = or_(
        select(Batch.id).where(Batch.source_url == url).exists(),
        select(Schedule.id).where(Schedule.source_url == url).exists(),
        select(Recipe.id).where(Recipe.dest_url == url).exists(),
    )
    return bool(session.scalar(select(used)))


def newest_dest(session: Session) -> str | None:
    """Where the newest batch publishes; None: there is none."""
    newest = select(Recipe.dest_url).join(Batch, Batch.recipe_id == Recipe.id).order_by(Batch.id.desc())
    return session.scalars(newest.limit(1)).one_or_none()

"""The tables, one noun a file."""

from db.models.account import ApiToken, LoginFailure, PasswordLink, ProviderIdentity, User, WebSession
from db.models.artifact import Artifact, JobArtifact
from db.models.attempt import Attempt
from db.models.audit import Audit
from db.models.base import Base
from db.models.batch import Batch, BatchJob
from db.models.event import Event
from db.models.job import Job, JobReason
from db.models.operation import Operation
from db.models.outbox import Outbox
from db.models.parity import Parity
from db.models.recipe import Recipe
from db.models.saved_view import SavedView
from db.models.schedule import Schedule, ScheduleRun
from db.models.source import Source
from db.models.worker import Worker

__all__ = [
    "ApiToken",
    "Artifact",
    "Attempt",
    "Audit",
    "Base",
    "Batch",
    "BatchJob",
    "Event",
    "Job",
    "JobArtifact",
    "JobReason",
    "LoginFailure",
    "Operation",
    "Outbox",
    "Parity",
    "PasswordLink",
    "ProviderIdentity",
    "Recipe",
    "SavedView",
    "Schedule",
    "ScheduleRun",
    "Source",
    "User",
    "WebSession",
    "Worker",
]

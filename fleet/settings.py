"""What an operator may set: environment variables `FLEET_*`, or files of the same name in /run/secrets.

Only entry points read this; every part below gets plain values. Values that contradict one another are
refused at start-up, because each of those contradictions loses or doubles work hours later.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from fleet.dashboard_settings import DashboardSettings, listed
from fleet.errors import UsageError
from workers import inbox, machine
from workers.slots import Device

SECRETS_DIR = Path("/run/secrets")
#: A job's hard limit is its deadline plus the time to stop its child and to record the end.
_STOPPING_SECONDS = 120
#: What a draining worker needs to stop children and to give jobs back.
_HANDING_BACK = 10.0


class Settings(DashboardSettings):
    """All settings, with their defaults; seconds and bytes throughout."""

    model_config = SettingsConfigDict(env_prefix="FLEET_", extra="ignore", frozen=True)

    database_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL, e.g. postgresql+psycopg://user:password@host/fleet; unset: SQLite",
    )
    database_password: SecretStr | None = Field(
        default=None, description="goes into FLEET_DATABASE_URL where that has none, so that it may be a file"
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="redis://host:6379/0 or redis+socket:///path; unset: a private server on a socket",
    )
    broker_prefix: str = Field(default="keras2torch:", description="in front of every key in the broker")
    s3_endpoint_url: str | None = Field(default=None, description="S3-compatible endpoint; unset: AWS")
    s3_region: str | None = Field(
        default=None, description="region of the buckets; unset: as the AWS tools find it"
    )
    s3_access_key_id: SecretStr | None = Field(
        default=None, description="who we are to S3; unset: as the AWS tools find it"
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="and its secret; both are set, or neither"
    )
    state_dir: Path | None = Field(
        default=None,
        description="embedded database, logs; unset: DEST/.fleet, or ~/.local/state/keras2torch-fleet",
    )
    scratch_dir: Path | None = Field(
        default=None, description="where models are worked on; unset: the system's"
    )

    workers: int = Field(
        default_factory=machine.jobs_at_once,
        ge=0,
        le=1024,
        description="jobs at once at most; unset: one a processor and GiB",
    )
    device: Device = Field(
        default=Device.AUTO,
        description="auto: a job a GPU where there are any; cuda: or do not start; cpu: never on a GPU",
    )
    queues: str = Field(default=",".join(inbox.QUEUES), description="whose jobs a worker takes")
    memory_bytes: int | None = Field(
        default=None,
        ge=512 << 20,
        description="what all jobs of a worker may fill; unset: four fifths of what there is",
    )
    health_dir: Path | None = Field(
        default=None,
        description="where a worker or scheduler keeps the files `alive` and `ready`; unset: nowhere",
    )
    lease_seconds: float = Field(
        default=90, gt=0, description="a job whose worker was silent for so long is lost"
    )
    heartbeat_seconds: float = Field(default=15, gt=0)
    job_timeout_seconds: float = Field(default=3600, gt=0, description="conversion and proof of one model")
    job_memory_bytes: int = Field(default=8 << 30, ge=256 << 20, description="what one child may allocate")
    drain_seconds: float = Field(
        default=30, ge=0, description="how long a stopping worker lets its jobs finish"
    )
    outage_seconds: float = Field(
        default=86400,
        ge=0,
        description="how long a job waits for a store or database that is away before it fails",
    )
    stop_grace_seconds: float | None = Field(
        default=None,
        gt=0,
        description="after how long whoever stops a worker kills it (stop_grace_period); unset: not checked",
    )
    visibility_timeout_seconds: float | None = Field(
        default=None, description="broker's redelivery; unset: well above the hard limit of a job"
    )
    dispatch_window: int | None = Field(
        default=None, ge=1, description="messages in the broker at most; unset: max(100, 4 per worker)"
    )
    dispatch_seconds: float = Field(default=1, gt=0)
    resend_after_seconds: float = Field(default=60, gt=0)
    reap_seconds: float = Field(default=15, gt=0)
    schedule_seconds: float = Field(
        default=10, gt=0, description="how often a scheduler looks whether the time of a schedule has come"
    )

    webhook_url: SecretStr | None = Field(
        default=None, description="where notifications go as signed JSON (docs/fleet.md)"
    )
    webhook_secret: SecretStr | None = Field(default=None, description="what they are signed with")
    chat_url: SecretStr | None = Field(
        default=None, description='where notifications go as {"text": ...}, as Slack and Mattermost take it'
    )
    notify_seconds: float = Field(default=5, gt=0)
    keep_events_days: float | None = Field(
        default=None, gt=0, description="events and delivered notifications older than this go; unset: none"
    )
    keep_attempts_days: float | None = Field(
        default=None,
        gt=0,
        description="attempts (but for the newest of a job) older than this go; unset: none",
    )
    keep_logs_days: float | None = Field(
        default=None, gt=0, description="logs of attempts older than this go; unset: with their attempts"
    )
    keep_workers_days: float = Field(
        default=30, gt=0, description="rows of workers that were last heard of longer ago go"
    )
    keep_uploads_days: float = Field(
        default=30,
        gt=0,
        description="how long `fleet gc` leaves what people brought to the dashboard, after it came and its jobs ended",
    )
    retention_seconds: float = Field(default=3600, gt=0, description="how often old rows are looked for")

    @property
    def hard_limit_seconds(self) -> float:
        """The longest a message can be in a worker's hands."""
        return self.job_timeout_seconds + self.drain_seconds + _STOPPING_SECONDS

    @property
    def visibility_seconds(self) -> float:
        """The broker's redelivery time-out, in seconds."""
        return self.visibility_timeout_seconds or self.hard_limit_seconds + 600

    @property
    def window(self) -> int:
        """How many messages may be in the broker."""
        return self.dispatch_window or max(100, 4 * self.workers)

    @property
    def queue_names(self) -> tuple[str, ...]:
        """The queues whose jobs a worker takes."""
        return listed(self.queues)

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        if wrong := list(self._contradictions()):
            raise ValueError("; ".join(wrong))
        return self

    def _contradictions(self) -> Iterator[str]:
        if not self.queue_names or not set(self.queue_names) <= set(inbox.QUEUES):
            yield f"FLEET_QUEUES must name some of {', '.join(inbox.QUEUES)}"
        if self.heartbeat_seconds > self.lease_seconds / 4:
            yield (
                f"FLEET_HEARTBEAT_SECONDS ({self.heartbeat_seconds:g}) must be at most a quarter of"
                f" FLEET_LEASE_SECONDS ({self.lease_seconds:g}), or one slow beat loses a live job"
            )
        if self.visibility_seconds <= self.hard_limit_seconds:
            yield (
                f"FLEET_VISIBILITY_TIMEOUT_SECONDS ({self.visibility_seconds:g}) must exceed the hard limit"
                f" of a job ({self.hard_limit_seconds:g} = job timeout + drain + {_STOPPING_SECONDS}),"
                " or the broker delivers running jobs again"
            )
        yield from self.dashboard_contradictions()
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            yield "FLEET_S3_ACCESS_KEY_ID and FLEET_S3_SECRET_ACCESS_KEY are set together, or not at all"
        for name, url in (("WEBHOOK", self.webhook_url), ("CHAT", self.chat_url)):
            if url is not None and urlsplit(url.get_secret_value()).scheme not in {"http", "https"}:
                yield f"FLEET_{name}_URL must begin with https:// or http://"
        if self.webhook_url is not None and not (
            self.webhook_secret and self.webhook_secret.get_secret_value()
        ):
            yield "FLEET_WEBHOOK_URL needs FLEET_WEBHOOK_SECRET, or nobody can tell our notifications from others"
        if (
            self.stop_grace_seconds is not None
            and self.stop_grace_seconds < self.drain_seconds + _HANDING_BACK
        ):
            yield (
                f"FLEET_STOP_GRACE_SECONDS ({self.stop_grace_seconds:g}) must be at least"
                f" {_HANDING_BACK:g} above FLEET_DRAIN_SECONDS ({self.drain_seconds:g}), or a worker is"
                " killed before it has handed its jobs back"
            )


def load_settings(**overrides: object) -> Settings:
    """Read the environment and the secrets directory; `overrides` come from the command line.

    Raises:
        UsageError: naming every variable that is wrong, in one line and without its value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    secrets = {"_secrets_dir": SECRETS_DIR} if SECRETS_DIR.is_dir() else {}
    try:
        settings = Settings(**given, **secrets)  # type: ignore[arg-type]  # pydantic-settings validates these itself
    except ValidationError as error:
        raise UsageError(
            "; ".join(_sentence(problem["loc"], problem["msg"]) for problem in error.errors())
        ) from None
    return _with_password(settings)


def _with_password(settings: Settings) -> Settings:
    """The same, with the password in the URL of the database, unless that has one of its own."""
    if settings.database_url is None or settings.database_password is None:
        return settings
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError:  # whoever opens it says so
        return settings
    if url.password is not None:
        return settings
    whole = url.set(password=settings.database_password.get_secret_value())
    return settings.model_copy(
        update={"database_url": SecretStr(whole.render_as_string(hide_password=False))}
    )


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    return f"FLEET_{location[0]!s}".upper() + f": {message}" if location else message

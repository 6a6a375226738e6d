"""What the API's document shows as answers: of each list one entry, of one made-up fleet.

They are put into the document once it is made, and not into the models: FastAPI leaves out of it whatever is null.
"""

from http import HTTPStatus
from typing import Any

_DAY = "2026-11-02T"
_SOURCE, _DEST = "s3://zoo/models", "s3://zoo/torch"

_JOB = {
    "id": 4711,
    "key": "vision/resnet50.h5",
    "size": 102967424,
    "options": {"export": ["onnx"]},
    "state": "succeeded",
    "attempts": 1,
    "worker_id": "gpu-1:7",
    "reused_from": None,
    "error_kind": None,
    "error_message": None,
    "structure_error": 3.1e-15,
    "deployment_error": 2.4e-7,
    "created_at": _DAY + "08:00:00Z",
    "started_at": _DAY + "08:00:03Z",
    "finished_at": _DAY + "08:00:21Z",
}
_JOBS = {"jobs": [_JOB], "total": {"count": 10000, "exact": False}, "next": "4711", "previous": None}
_OPERATION = {
    "id": 12,
    "action": "retry",
    "search": "state:failed error:store",
    "actor": "ada",
    "state": "finished",
    "total": 2000,
    "changed": 1990,
    "requested": 0,
    "error": None,
    "created_at": _DAY + "09:00:00Z",
    "finished_at": _DAY + "09:00:02Z",
}
_OPERATIONS = {"operations": [_OPERATION], "next_before": None}
_BATCH = {
    "id": 3,
    "state": "running",
    "source_url": _SOURCE,
    "dest_url": _DEST,
    "converter_version": "0.1.0",
    "options": {},
    "selection": {"exclude": ["old/**"]},
    "jobs_new": 1200,
    "created_at": _DAY + "08:00:00Z",
    "finished_at": None,
    "states": {"succeeded": 900, "failed": 12, "queued": 288},
    "total": 1200,
    "done": 912,
    "eta": {"seconds": 1900.0, "soonest": 1500.0, "latest": 2600.0},
}
_BATCHES = {"batches": [_BATCH], "next_before": 3}
_FAILURES = {
    "groups": [
        {
            "fingerprint": "9f2c41d07a55",
            "kind": "unsupported-model",
            "message": "layer ... (Gate): no rule for this class",
            "example_message": "layer 'gate_1' (Gate): no rule for this class",
            "example_job": 4712,
            "example_key": "custom/gate.h5",
            "jobs": 212,
            "quarantined": 0,
            "first_seen": _DAY + "08:01:10Z",
            "last_seen": _DAY + "08:40:02Z",
        }
    ],
    "next": "212~9f2c41d07a55",
}
_COVERAGE = {
    "blocked": 230,
    "blockers": [
        {
            "subject": "Gate",
            "kinds": ["unsupported-layer"],
            "jobs": 212,
            "alone": 180,
            "example_job": 4712,
            "status": "unknown",
            "note": "not a class of Keras's: a custom layer needs a rule or a replacement",
        }
    ],
}
_LAYER = {
    "kind": "layer",
    "classes": ["LSTM", "LSTMV1", "LSTMV2", "UnifiedLSTM"],
    "family": "rnn",
    "generations": ["keras1", "keras2", "tf_keras", "keras3"],
    "status": "converted",
    "torch": "`nn.LSTM`, its second bias zero; a loop for activations other than tanh and sigmoid.",
    "reason": None,
    "masks": "uses it; the rule says how",
    "examples": 18,
}
_SCHEDULE = {
    "id": 1,
    "name": "nightly",
    "cron": "30 2 * * *",
    "timezone": "Europe/Berlin",
    "source_url": _SOURCE,
    "dest_url": _DEST,
    "options": {},
    "selection": {"only_needed": True},
    "overlap": "skip",
    "enabled": True,
    "last_tick": _DAY + "01:30:00Z",
    "last_outcome": "started",
    "last_batch": 3,
    "last_state": "running",
    "next_tick": "2026-11-03T01:30:00Z",
    "problem": None,
}
_RUN = {
    "id": 9,
    "scheduled_for": _DAY + "01:30:00Z",
    "outcome": "started",
    "batch_id": 3,
    "batch_state": "running",
}
_WORKER = {
    "id": "gpu-1:7",
    "host": "gpu-1",
    "pid": 7,
    "slots": 1,
    "device": "NVIDIA H100 (GPU-5f0c)",
    "versions": {"keras2torch": "0.1.0", "torch": "2.13.0"},
    "state": "active",
    "drain_requested_at": None,
    "started_at": _DAY + "07:55:00Z",
    "heartbeat_at": _DAY + "08:40:05Z",
    "running": 1,
}
_WORKING_NOW = {
    "worker_id": "gpu-1:7",
    "job_id": 4713,
    "key": "vision/vgg16.h5",
    "fence": 1,
    "stage": "convert",
    "progress": 0.4,
    "started_at": _DAY + "08:40:00Z",
    "heartbeat_at": _DAY + "08:40:05Z",
}
_VIEW = {
    "id": 5,
    "name": "what failed",
    "query": "q=state:failed&sort=-finished",
    "created_at": _DAY + "08:30:00Z",
}
_ACT = {
    "id": 88,
    "at": _DAY + "09:00:00Z",
    "actor": "ada",
    "via": "dashboard",
    "action": "retry",
    "subject": "state:failed error:store",
    "jobs": 1990,
    "data": {},
}
_HISTORY = {"acts": [_ACT], "next_before": 88}
_DECADE = {"up_to": 1e-14, "structure": 880, "deployment": 0}
_THROUGHPUT = {
    "bucket_seconds": 3600,
    "buckets": [{"start": _DAY + "08:00:00Z", "outcomes": {"succeeded": 900, "failed": 12}, "ended": 912}],
}
_USER = {
    "name": "ada",
    "role": "admin",
    "has_password": True,
    "issuer": None,
    "disabled": False,
    "created_at": _DAY + "08:00:00Z",
    "tokens": 1,
    "sessions": 2,
    "link_until": None,
}
_TOKEN = {
    "id": 4,
    "user_name": "robot",
    "label": "nightly",
    "start": "k2t_9fKx2a",
    "role": "viewer",
    "created_at": _DAY + "08:00:00Z",
    "expires_at": "2026-12-02T08:00:00Z",
    "used_at": None,
    "revoked_at": None,
}
_BY_MODEL = {
    "JobPage": _JOBS,
    "OperationPage": _OPERATIONS,
    "BatchPage": _BATCHES,
    "FailurePage": _FAILURES,
    "Coverage": _COVERAGE,
    "Layer": _LAYER,
    "Schedule": _SCHEDULE,
    "Run": _RUN,
    "Working": _WORKER,
    "WorkingNow": _WORKING_NOW,
    "View": _VIEW,
    "History": _HISTORY,
    "Decade": _DECADE,
    "Throughput": _THROUGHPUT,
    "User": _USER,
    "Token": _TOKEN,
}
WEIGHTS = [{"keras": "conv1/kernel:0", "torch": "conv1.weight", "transform": "permute(3, 2, 0, 1)"}]

_DETAILS = {
    HTTPStatus.UNAUTHORIZED: "sign in, or send an API token",
    HTTPStatus.FORBIDDEN: "this needs the role operator; vera is viewer",
    HTTPStatus.NOT_FOUND: "no job 4711",
    HTTPStatus.CONFLICT: "there is a schedule nightly already",
    HTTPStatus.LENGTH_REQUIRED: "say how long it is: Content-Length",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "an upload has at most 1073741824 bytes",
    HTTPStatus.UNPROCESSABLE_ENTITY: "query.limit: Input should be less than or equal to 1000",
    HTTPStatus.BAD_GATEWAY: "s3://zoo/models: it does not answer",
}


def put_into(document: dict[str, Any]) -> None:
    """Give the models in `document` their examples."""
    schemas = document["components"]["schemas"]
    for model, found in _BY_MODEL.items():
        schemas[model]["examples"] = [found]


def problem(status: HTTPStatus) -> dict[str, Any]:
    """A refusal with this status."""
    found = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": _DETAILS[status],
    }
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        where, _, what = _DETAILS[status].partition(": ")
        found["faults"] = [{"where": where, "what": what}]
    return found

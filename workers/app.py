"""The Celery application: settings only, made by whoever starts a worker or sends a message, never at import.

Celery is a doorbell here. No result backend, no ETA, no Celery retry, no Celery time limit: the database
decides who works on what, when to try again and when a job has had its time.
"""

from collections.abc import Iterable

from celery import Celery
from kombu.entity import Queue

from workers import inbox
from workers.settings import BrokerSettings


def make_app(broker: BrokerSettings) -> Celery:
    """A Celery application that talks to `broker`; it knows no task until a worker gives it some."""
    app = Celery("keras2torch", broker=broker.url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name) for name in inbox.QUEUES],  # type: ignore[no-untyped-call]
        task_default_queue=inbox.DEFAULT_QUEUE,
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A message outlives its worker, and a lost one is sent again: either alone would do, both cost
        # nothing.
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        worker_pool="threads",
        # A slot takes a message when it is free, and none waits in a worker. It must be this pair: with a
        # prefetch count, every acknowledgement that a dying broker does not hear blocks one slot for good
        # (0: no count).
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=0,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A broker that answers that it is full, or may only be read for now, is as good as one that is away.
        broker_channel_error_retry=True,
        broker_transport_options={
            "visibility_timeout": broker.visibility_seconds,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "health_check_interval": 25,
            "socket_keepalive": True,
            # Above the one second for which a worker waits for a message, far below for ever.
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "global_keyprefix": broker.prefix,
        },
    )
    return app


def sender(app: Celery) -> inbox.Sender:
    """How the scheduler rings: one message a job, over one connection."""

    def send(jobs: Iterable[tuple[int, str]]) -> None:
        with app.producer_or_acquire() as producer:
            for job_id, queue in jobs:
                app.send_task(inbox.CONVERT, args=[job_id], queue=queue, producer=producer, retry=False)

    return send

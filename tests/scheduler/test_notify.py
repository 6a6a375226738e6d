"""Notifications from the change they tell of to a real HTTP server, on both stores."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Outbox
from db.queries import attempts, control, inventory, outbox
from db.records import ErrorInfo
from scheduler import channels
from scheduler.channels import Channel, Undelivered
from scheduler.finish import Finisher
from scheduler.notify import TRIES, Notifier
from tests.db import zoo
from tests.scheduler.receiver import Receiver, receiving

SECRET = b"shared"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def webhook(receiver: Receiver) -> Channel:
    return channels.webhook(receiver.url, SECRET)


def rows(sessions: sessionmaker[Session]) -> list[Outbox]:
    with sessions() as session:
        return list(session.scalars(select(Outbox).order_by(Outbox.id)))


def make_due(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(update(Outbox).where(Outbox.sent_at.is_(None)).values(run_at=now(-1)))


def finish_a_batch(sessions: sessionmaker[Session]) -> int:
    batch = zoo.new_batch(sessions, ["a.h5", "b.h5"])
    ids = zoo.job_ids(sessions)
    zoo.succeed(sessions, zoo.claim(sessions, ids["a.h5"]))
    zoo.succeed(sessions, zoo.claim(sessions, ids["b.h5"]))
    return batch


def test_the_end_of_a_batch_is_told_once_with_a_signature(
    sessions: sessionmaker[Session], receiver: Receiver, webhook: Channel
) -> None:
    batch = finish_a_batch(sessions)
    assert [Finisher(sessions).run_once() for _ in range(2)] == [1, 0]
    notifier = Notifier(sessions, [webhook, channels.chat(receiver.url)])
    assert [notifier.run_once() for _ in range(2)] == [1, 0]

    signed, chat = receiver.received
    assert json.loads(chat.body) == {"text": "Batch 1 has finished: 2 succeeded. /models to /bundles"}
    told = json.loads(signed.body)
    assert told["topic"] == "batch-finished"
    assert (told["data"]["batch"], told["data"]["jobs"]["succeeded"]) == (batch, 2)
    assert signed.headers["Idempotency-Key"] == told["key"]
    # As a receiver would, by the words of the handbook alone.
    stamp = signed.headers["X-Fleet-Timestamp"]
    expected = hmac.new(SECRET, f"{stamp}.".encode() + signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["X-Fleet-Signature"] == f"sha256={expected}"
    assert abs(int(stamp) - time.time()) < 60


def test_a_batch_that_ends_again_after_a_retry_is_told_again(sessions: sessionmaker[Session]) -> None:
    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    job = zoo.job_ids(sessions)["a.h5"]
    with sessions.begin() as session:
        control.requeue(session, [job])
    assert Finisher(sessions).run_once() == 0
    zoo.succeed(sessions, zoo.claim(sessions, job))
    assert Finisher(sessions).run_once() == 1
    assert len({row.key for row in rows(sessions)}) == 2


def test_a_kind_of_failure_is_told_once_however_many_jobs_meet_it(sessions: sessionmaker[Session]) -> None:
    zoo.new_batch(sessions, ["a.h5", "b.h5", "c.h5", "d.h5"])
    ids = zoo.job_ids(sessions)
    for name in ("a.h5", "b.h5"):
        zoo.fail(
            sessions, zoo.claim(sessions, ids[name]), ErrorInfo(kind="truncated", message=f"'{name}': short")
        )
    zoo.fail(sessions, zoo.claim(sessions, ids["c.h5"]), ErrorInfo(kind="not-hdf5", message="no"))
    told = [row.payload for row in rows(sessions)]
    assert [(each["kind"], each["job"], each["state"]) for each in told] == [
        ("truncated", ids["a.h5"], "failed"),
        ("not-hdf5", ids["c.h5"], "failed"),
    ]


def test_a_job_in_quarantine_is_told_of_and_a_first_loss_is_not(sessions: sessionmaker[Session]) -> None:
    from db.queries import reap

    job = zoo.new_job(sessions)
    for lost in range(1, attempts.MAX_LOST + 1):
        zoo.make_due(sessions, job)
        zoo.claim(sessions, job)
        zoo.expire_lease(sessions, job)
        with sessions.begin() as session:
            reap.reap(session)
        assert len(rows(sessions)) == (lost == attempts.MAX_LOST)
    [row] = rows(sessions)
    assert (row.payload["kind"], row.payload["state"]) == ("worker-lost", "quarantined")


def test_what_fails_is_tried_again_later_and_only_where_it_failed(
    sessions: sessionmaker[Session], receiver: Receiver, webhook: Channel
) -> None:
    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    notifier = Notifier(sessions, [webhook, channels.chat(receiver.url)])
    receiver.answers = [(503, {}), (200, {})]
    assert notifier.run_once() == 0
    [row] = rows(sessions)
    assert (row.tries, row.sent_at, row.error) == (1, None, "webhook: answered 503 Service Unavailable")
    assert notifier.run_once() == 0, "not before its time"
    make_due(sessions)
    assert notifier.run_once() == 1
    again = [request for request in receiver.received if "X-Fleet-Topic" in request.headers]
    assert len(receiver.received) == 3, "the chat has it already"
    assert again[0].headers["Idempotency-Key"] == again[1].headers["Idempotency-Key"]
    [row] = rows(sessions)
    assert (row.sent_at is not None, row.error) == (True, None)


def test_what_never_arrives_is_given_up(sessions: sessionmaker[Session]) -> None:
    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    notifier = Notifier(sessions, [channels.chat("http://127.0.0.1:1/hook/t0ken")])
    for _ in range(TRIES):
        make_due(sessions)
        assert notifier.run_once() == 0
    [row] = rows(sessions)
    assert (row.tries, row.sent_at is not None) == (TRIES, True)
    assert "refused" in (row.error or "")
    assert "t0ken" not in (row.error or "")


def test_a_scheduler_that_dies_while_sending_leaves_it_to_the_next(
    sessions: sessionmaker[Session], receiver: Receiver, webhook: Channel
) -> None:
    class Killed(BaseException):
        pass

    def die(_: object) -> None:
        raise Killed

    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    with pytest.raises(Killed):
        Notifier(sessions, [Channel("webhook", die)]).run_once()
    healthy = Notifier(sessions, [webhook])
    assert healthy.run_once() == 0, "it may still be on its way"
    make_due(sessions)
    assert healthy.run_once() == 1
    assert len(receiver.received) == 1


def test_of_two_that_send_the_same_the_slower_one_changes_nothing(
    sessions: sessionmaker[Session], receiver: Receiver, webhook: Channel
) -> None:
    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    with sessions.begin() as session:
        [slow] = outbox.take(session, limit=5, for_seconds=0)
    time.sleep(0.01)
    assert Notifier(sessions, [webhook]).run_once() == 1
    with sessions.begin() as session:
        outbox.settle(session, slow, [], again_in_s=0, error="too late")
    [row] = rows(sessions)
    assert (row.sent_at is not None, row.error) == (True, None)


def test_without_channels_nothing_piles_up(sessions: sessionmaker[Session]) -> None:
    finish_a_batch(sessions)
    Finisher(sessions).run_once()
    assert Notifier(sessions, []).run_once() == 0
    assert all(row.sent_at is not None for row in rows(sessions))


@pytest.fixture
def message(sessions: sessionmaker[Session]) -> outbox.Message:
    zoo.fail(
        sessions,
        zoo.claim(sessions, zoo.new_job(sessions)),
        ErrorInfo(kind="k", message="<!channel> & <http://x|y>"),
    )
    with sessions.begin() as session:
        [taken] = outbox.take(session, limit=1, for_seconds=60)
    return taken


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "/etc/passwd"]
)
def test_nothing_goes_to_what_is_no_web_address(url: str, message: outbox.Message) -> None:
    with pytest.raises(Undelivered, match="neither http nor https"):
        channels.webhook(url, SECRET).send(message)


def test_a_redirect_is_not_followed(receiver: Receiver, message: outbox.Message, webhook: Channel) -> None:
    with receiving() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            receiver.answers = [(status, {"Location": elsewhere.url})]
            with pytest.raises(Undelivered, match=f"answered {status}"):
                webhook.send(message)
        assert elsewhere.received == []


def test_strangers_words_address_nobody_in_a_chat(message: outbox.Message) -> None:
    said = channels.sentence(message)
    assert "&lt;!channel&gt; &amp; &lt;http://x|y&gt;" in said
    assert "<" not in said


def test_a_batch_that_is_held_or_unfinished_is_not_told_of(sessions: sessionmaker[Session]) -> None:
    batch = zoo.new_batch(sessions, ["a.h5"])
    assert Finisher(sessions).run_once() == 0
    with sessions.begin() as session:
        control.hold(session, batch)
        assert inventory.running_batches(session) == []
    assert rows(sessions) == []

"""Ways to tell people: a signed web hook for programs, a line of text for chats."""

import hashlib
import hmac
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from db.queries import outbox
from db.queries.outbox import Message

SCHEMES = ("http", "https")
_ANSWER_SECONDS = 10.0
_SHOWN = 200


class Undelivered(Exception):
    """Whoever should have it did not say that it has; in one line, without the address, which may be secret."""


@dataclass(frozen=True)
class Channel:
    """Somewhere to send to, and how: `send` raises `Undelivered`."""

    name: str
    send: Callable[[Message], None]


def webhook(url: str, secret: bytes) -> Channel:
    """JSON to `url`, signed so that the receiver can tell who sent it and when.

    `X-Fleet-Signature: sha256=` HMAC-SHA256, in hex, by `secret`, of the time in `X-Fleet-Timestamp` (Unix seconds), a
    full stop, and the body. `Idempotency-Key` is the same at every try.
    """

    def send(message: Message) -> None:
        body = json.dumps(
            {
                "key": message.key,
                "topic": message.topic,
                "created_at": message.created_at.isoformat(),
                "data": dict(message.payload),
            },
            sort_keys=True,
        ).encode()
        timestamp = str(int(time.time()))
        _post(
            url,
            body,
            {
                "Idempotency-Key": message.key,
                "X-Fleet-Topic": message.topic,
                "X-Fleet-Timestamp": timestamp,
                "X-Fleet-Signature": f"sha256={signature(secret, timestamp, body)}",
            },
        )

    return Channel("webhook", send)


def chat(url: str) -> Channel:
    """`{"text": ...}` to `url`, as Slack, Mattermost and others take it."""

    def send(message: Message) -> None:
        _post(url, json.dumps({"text": sentence(message)}).encode(), {"Idempotency-Key": message.key})

    return Channel("chat", send)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What a receiver computes, too, and compares in constant time."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def sentence(message: Message) -> str:
    """The message for people. What strangers named cannot address anybody, or become a link."""
    data = message.payload
    if message.topic == outbox.BATCH_FINISHED:
        states = ", ".join(f"{count} {state}" for state, count in data["jobs"].items() if count) or "no jobs"
        text = f"Batch {data['batch']} has finished: {states}. {data['source']} to {data['dest']}"
    else:
        text = f"New kind of failure, job {data['job']} is {data['state']}: {data['kind']}: {data['message']}"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the message, and its signature, to whoever is named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    if urlsplit(url).scheme not in SCHEMES:
        raise Undelivered("the address is neither http nor https")
    request = urllib.request.Request(  # noqa: S310 - of these schemes only
        url,
        body,
        {"Content-Type": "application/json", "User-Agent": "keras2torch-fleet", **headers},
        method="POST",
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_ANSWER_SECONDS) as answer:
            _drop(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise Undelivered(f"answered {error.code} {error.reason}"[:_SHOWN]) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Undelivered(
            f"{type(error).__name__}: {str(reason).splitlines()[0] if str(reason) else ''}"[:_SHOWN]
        ) from None


def _drop(answer: IO[bytes]) -> None:
    answer.read(1 << 16)

"""Users and tokens, for administrators: who may sign in and as what, shutting out, ending what is open."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from dashboard.api.parameters import NO_ZERO, ApiModel, example, problems
from dashboard.problems import Problem
from dashboard.security import people
from dashboard.security.access import Admin
from dashboard.services import Given, Reading, Services
from db.queries import accounts, api_tokens
from db.roles import Role

router = APIRouter(tags=["users"], responses=problems(HTTPStatus.NOT_FOUND))

# A provider of identities may call somebody what it likes, slashes included.
Who = Annotated[str, Path(min_length=1, max_length=people.LONGEST_NAME, pattern=NO_ZERO)]
TokenId = Annotated[int, Path(ge=1, le=2**63 - 1, description="Number of a token.")]


class User(ApiModel):
    """A user."""

    name: str
    role: Role
    has_password: bool
    issuer: str | None
    """The provider of identities that answers for them."""
    disabled: bool
    """Shut out."""
    created_at: datetime
    tokens: int
    """That are good now."""
    sessions: int
    """Browsers that have signed in."""
    link_until: datetime | None
    """Until when a link is good by which they set a password."""


class NewUser(ApiModel):
    """Somebody to be added."""

    model_config = example(name="nora", role="viewer")

    name: Annotated[str, StringConstraints(min_length=1, max_length=people.LONGEST_NAME)]
    role: Role


class Link(ApiModel):
    """Where somebody sets a password of their own."""

    model_config = example(name="nora", link="https://ops.example/fleet/welcome?key=...", hours=72)

    name: str
    link: str
    """Shown this once; good once."""
    hours: int
    """How long it is good."""


class Change(ApiModel):
    """What is to be another way; left out: as it is."""

    model_config = example(role="operator")

    role: Role | None = None
    disabled: bool | None = None
    """True: shut out at once, tokens included."""


class Ended(ApiModel):
    """What was open, and is no longer."""

    model_config = example(ended=2)

    ended: int


class Token(ApiModel):
    """A token, without what would open anything."""

    id: int
    user_name: str
    label: str
    """What it is for."""
    start: str
    """How it begins."""
    role: Role
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    """To the hour."""
    revoked_at: datetime | None


@router.get("/users", summary="Users, by name", response_model=list[User])
def list_users(_who: Admin, session: Reading) -> object:
    """All of them."""
    return accounts.list_users(session)


@router.post("/users", summary="Add a user", status_code=201, responses=problems(HTTPStatus.CONFLICT))
def add(who: Admin, services: Given, request: Request, new: NewUser) -> Link:
    """Who comes in by the link that is answered. The first of all must be an admin: from then on everybody signs in."""
    if who.via == "local" and new.role is not Role.ADMIN:
        raise Problem(
            HTTPStatus.CONFLICT, "the first user must be an admin: from then on everybody has to sign in"
        )
    with _changing(services) as session:
        people.add(session, who.actor, new.name, new.role)
        secret = people.link(session, who.actor, new.name)
    return _link(request, new.name, secret)


@router.post("/users/{name:path}/link", summary="Let a user set another password", status_code=201)
def make_link(who: Admin, services: Given, request: Request, name: Who) -> Link:
    """By a link. Until it is used the old password is good, and earlier links are no longer."""
    with _changing(services) as session:
        secret = people.link(session, who.actor, name)
    return _link(request, name, secret)


@router.post("/users/{name:path}/sign-out", summary="Sign a user out everywhere")
def sign_out(who: Admin, services: Given, name: Who) -> Ended:
    """All browsers; a link that was not used ends too. Tokens stay."""
    with _changing(services) as session:
        return Ended(ended=people.sign_out(session, who.actor, name))


@router.post("/users/{name:path}/revoke-tokens", summary="End all tokens of a user")
def revoke_tokens(who: Admin, services: Given, name: Who) -> Ended:
    """At once."""
    with _changing(services) as session:
        return Ended(ended=people.revoke_tokens(session, who.actor, name))


@router.patch(
    "/users/{name:path}",
    summary="Change a user",
    status_code=204,
    responses=problems(HTTPStatus.CONFLICT),
)
def change(who: Admin, services: Given, name: Who, wanted: Change) -> None:
    """The role, or whether they may come in; 409 where no admin would be left."""
    with _changing(services) as session:
        if wanted.role is not None:
            people.set_role(session, who.actor, name, wanted.role)
        if wanted.disabled is not None:
            people.set_disabled(session, who.actor, name, wanted.disabled)


@router.get("/tokens", summary="Tokens, the newest first", response_model=list[Token])
def list_tokens(_who: Admin, session: Reading) -> object:
    """Of all users; none can be read again."""
    return api_tokens.list_tokens(session)


@router.delete("/tokens/{token}", summary="End a token", status_code=204)
def revoke(who: Admin, services: Given, token: TokenId) -> None:
    """At once."""
    with _changing(services) as session:
        people.revoke(session, who.actor, token)


@contextmanager
def _changing(services: Services) -> Iterator[Session]:
    """A transaction, whose refusals are told as problems."""
    try:
        with services.writes.begin() as session:
            yield session
    except people.NoSuch as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except people.BadName as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except (people.Taken, accounts.LastAdmin) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error


def _link(request: Request, name: str, secret: str) -> Link:
    address = request.url_for("welcome").include_query_params(key=secret)
    return Link(name=name, link=str(address), hours=people.LINK_HOURS)

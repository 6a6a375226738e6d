"""To the provider and back."""

import logging
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from dashboard.config import Oidc
from dashboard.security import login, secrets
from dashboard.security.oidc import attempt as attempts
from dashboard.security.oidc.attempt import Attempt
from dashboard.security.oidc.identity import NotAdmitted, identity_of
from dashboard.security.oidc.provider import Provider, ProviderError
from dashboard.services import Given, Services
from db.queries import audit, login_failures, provider_identities
from db.queries.audit import Actor
from db.queries.provider_identities import NameTaken

_LOG = logging.getLogger(__name__)
_BACK = "/login/oidc/callback"
_ASK = "Ask who looks after this fleet."

Text = Annotated[str, Query(max_length=4000)]


class _Refused(Exception):
    """Somebody is not let in: what they are told, and what the log is."""

    def __init__(self, told: str, status: HTTPStatus, why: str, name: str = "") -> None:
        super().__init__(why)
        self.told, self.status, self.name = told, status, name


def router(oidc: Oidc) -> APIRouter:
    """The two routes."""
    routes = APIRouter(include_in_schema=False)
    provider = Provider(oidc)
    called = urlsplit(oidc.issuer).hostname

    @routes.get("/login/oidc")
    def go(request: Request, given: Given, next: login.Next = "/") -> Response:  # noqa: A002
        """Send the browser there, with what only it will bring back."""
        attempt = attempts.begin(next)
        try:
            address = provider.address(attempt, _redirect_uri(request))
        except ProviderError as error:
            _LOG.warning("signing in at %s: %s", oidc.issuer, error)
            told = f"{called} does not answer. Try again in a little while."
            return login.page(request, given, next, "", told, HTTPStatus.BAD_GATEWAY)
        response = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        attempts.put(request, response, attempt)
        return response

    @routes.get(_BACK)
    def come_back(
        request: Request,
        given: Given,
        state: Text = "",
        code: Text = "",
        iss: Annotated[str | None, Query(max_length=4000)] = None,
    ) -> Response:
        """Sign in whoever comes back from there."""
        attempt = attempts.of(request)
        if attempt is None or not secrets.same(state, attempt.state):
            told = "That took too long, or began in another tab. Sign in again."
            return login.page(request, given, "/", "", told, HTTPStatus.BAD_REQUEST)
        response: Response
        try:
            name = enter(request, given, attempt, code, iss)
            response = login.signed_in(request, given, name, attempt.target)
        except _Refused as refused:
            _LOG.warning("signing in at %s: %s", oidc.issuer, refused)
            with given.writes.begin() as session:
                actor = Actor(refused.name, "dashboard")
                audit.write(session, actor, "sign-in-failed", login.address(request))
            response = login.page(request, given, attempt.target, "", refused.told, refused.status)
        attempts.drop(request, response)
        return response

    def enter(request: Request, given: Services, attempt: Attempt, code: str, iss: str | None) -> str:
        """The user who brings `code`, entered where they are new."""
        counted = _counted(request, given)
        told = f"{called} did not sign you in."
        if not code:
            raise _Refused(told, HTTPStatus.FORBIDDEN, "refused there")
        try:
            identity = identity_of(provider.claims(code, attempt, _redirect_uri(request), iss), oidc)
        except ProviderError as error:
            raise _Refused(told, HTTPStatus.BAD_GATEWAY, str(error)) from error
        except NotAdmitted as error:
            raise _Refused(f"You have no role here. {_ASK}", HTTPStatus.FORBIDDEN, str(error)) from error
        name = identity.name
        try:
            with given.writes.begin() as session:
                user = provider_identities.enter(session, oidc.issuer, identity.subject, name, identity.role)
                login_failures.forget(session, counted)
        except NameTaken as error:
            told = f"Somebody else has your name here. {_ASK}"
            raise _Refused(told, HTTPStatus.FORBIDDEN, f"there is a user {name} already", name) from error
        if user is None:
            told = f"You may not sign in here any more. {_ASK}"
            raise _Refused(told, HTTPStatus.FORBIDDEN, f"{identity.subject} is disabled", name)
        return user

    return routes


def _counted(request: Request, given: Services) -> dict[str, int]:
    """What this try counts against, with it counted already."""
    counted = login_failures.of_address(login.address(request))
    with given.writes.begin() as session:
        if not login_failures.admit(session, counted):
            raise _Refused(login.WAIT, HTTPStatus.TOO_MANY_REQUESTS, "too many tries")
    return counted


def _redirect_uri(request: Request) -> str:
    """Where the provider sends the browser back to; it must have been told of this address before."""
    return f"{str(request.base_url).rstrip('/')}{_BACK}"

"""Every route but the public ones names the role it needs, by asking for a `Viewer`, an `Operator` or an `Admin`."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from dashboard.problems import Problem
from dashboard.security.authenticate import authenticate
from dashboard.security.roles import Principal, Role


def _needs(role: Role) -> Callable[[Request], Principal]:
    def allowed(request: Request) -> Principal:
        principal = authenticate(request)
        if principal is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "sign in, or send an API token")
        if not principal.role.covers(role):
            raise Problem(
                HTTPStatus.FORBIDDEN, f"this needs the role {role}; {principal.name} is {principal.role}"
            )
        return principal

    return allowed


Viewer = Annotated[Principal, Depends(_needs(Role.VIEWER))]
Operator = Annotated[Principal, Depends(_needs(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(_needs(Role.ADMIN))]

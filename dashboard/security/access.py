"""Every route but the public ones names the role it needs, by asking for a `Viewer`, an `Operator` or an `Admin`."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from dashboard.problems import Problem
from dashboard.security import csrf
from dashboard.security.authenticate import authenticate
from dashboard.security.roles import Principal, Role


class Unknown(Problem):
    """Nobody that is known: a program is told, a person is shown where to sign in."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.UNAUTHORIZED, "sign in, or send an API token", headers={"WWW-Authenticate": "Bearer"}
        )


class Needs:
    """A dependency that yields who asks, if that is somebody with `role` or a higher one."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Principal:
        """Raise Problem: 401 nobody is known, 403 somebody who may not, or a form of another site."""
        principal = await run_in_threadpool(authenticate, request)
        request.state.principal = principal  # for a page that says what went wrong
        if principal is None:
            raise Unknown
        if not principal.role.covers(self.role):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"this needs the role {self.role}; {principal.name} is {principal.role}",
            )
        await csrf.check(request, principal)
        return principal


Viewer = Annotated[Principal, Depends(Needs(Role.VIEWER))]
Operator = Annotated[Principal, Depends(Needs(Role.OPERATOR))]
Admin = Annotated[Principal, Depends(Needs(Role.ADMIN))]

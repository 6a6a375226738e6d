"""`fleet users` and `fleet tokens`: who may sign in to the dashboard, and what programs show in place of a password."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dashboard.security import passwords, secrets
from db.queries import accounts, api_tokens, audit
from db.queries.accounts import LastAdmin, UserRow
from db.queries.api_tokens import TokenRow
from db.roles import Role
from fleet.answering import AsJson, Dest, actor, answer, sessions_of
from fleet.consoles import plain
from fleet.errors import FleetError, UsageError

users = typer.Typer(no_args_is_help=True, help="Who may sign in to the dashboard.")
tokens = typer.Typer(no_args_is_help=True, help="Tokens with which programs use the API.")

_NAME_LENGTH = 200

Name = Annotated[str, typer.Argument(metavar="NAME")]
AsRole = Annotated[Role, typer.Option(help="What they may do: look; act; or manage users, too.")]
Elsewhere = Annotated[
    bool, typer.Option("--no-password", help="A program: it does not sign in, and has only tokens.")
]


@users.command("list")
def list_users(dest: Dest = None, as_json: AsJson = False) -> None:
    """All users, by name."""
    with sessions_of(dest)() as session:
        found = accounts.list_users(session)
    answer(found, _show_users, as_json)


@users.command()
def add(
    name: Name,
    role: AsRole = Role.VIEWER,
    no_password: Elsewhere = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Add a user; the password is asked for, or read from stdin where that is no terminal."""
    if not name.strip() or len(name) > _NAME_LENGTH or not name.isprintable():
        raise UsageError(f"a name has 1 to {_NAME_LENGTH} printable characters")
    kept = None if no_password else _new_password()
    with sessions_of(dest, read_only=False).begin() as session:
        if not accounts.add(session, name, role, kept):
            raise FleetError(f"there is a user {name} already")
        audit.write(session, actor(), "add-user", name, data={"role": role})
    _done("added", name, as_json)


@users.command()
def password(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Change a password, which signs the user out everywhere; tokens stay."""
    kept = _new_password()
    with sessions_of(dest, read_only=False).begin() as session:
        _known(accounts.set_password(session, name, kept), name)
        audit.write(session, actor(), "change-password", name)
    _done("changed the password of", name, as_json)


@users.command("role")
def set_role(name: Name, role: Role, dest: Dest = None, as_json: AsJson = False) -> None:
    """Change what a user may do."""
    with sessions_of(dest, read_only=False).begin() as session:
        _known(_unless_last(lambda: accounts.set_role(session, name, role)), name)
        audit.write(session, actor(), "change-role", name, data={"role": role})
    _done(f"{role} is now", name, as_json)


@users.command()
def disable(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Shut a user out at once, tokens included; what they did stays on record."""
    _set_disabled(name, True, dest, as_json)


@users.command()
def enable(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Let a disabled user in again."""
    _set_disabled(name, False, dest, as_json)


@users.command()
def remove(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Remove a user and their tokens; the audit keeps the name."""
    with sessions_of(dest, read_only=False).begin() as session:
        _known(_unless_last(lambda: accounts.remove(session, name)), name)
        audit.write(session, actor(), "remove-user", name)
    _done("removed", name, as_json)


@tokens.command("list")
def list_tokens(dest: Dest = None, as_json: AsJson = False) -> None:
    """All tokens, the newest first; none can be read again."""
    with sessions_of(dest)() as session:
        found = api_tokens.list_tokens(session)
    answer(found, _show_tokens, as_json)


@tokens.command()
def create(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose it is.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    role: AsRole = Role.VIEWER,
    days: Annotated[
        float | None, typer.Option(min=0.01, max=36500, help="How long it is good; default: until revoked.")
    ] = None,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and show it, this once. It may do no more than its user."""
    token = secrets.new_token()
    with sessions_of(dest, read_only=False).begin() as session:
        number = api_tokens.create(
            session,
            user,
            label,
            role,
            start=secrets.start_of(token),
            digest=secrets.digest(token),
            days=days,
        )
        if number is None:
            raise FleetError(f"no user {user}")
        audit.write(session, actor(), "create-token", user, data={"token": number, "role": role})
    answer(
        {"id": number, "user": user, "token": token}, lambda found, out: out.print(found["token"]), as_json
    )


@tokens.command()
def revoke(
    token: Annotated[int, typer.Argument(metavar="ID")], dest: Dest = None, as_json: AsJson = False
) -> None:
    """End a token at once."""
    with sessions_of(dest, read_only=False).begin() as session:
        owner = api_tokens.revoke(session, token)
        if owner is None:
            raise FleetError(f"no token {token} is good")
        audit.write(session, actor(), "revoke-token", owner, data={"token": token})
    _done("revoked token", str(token), as_json)


def _set_disabled(name: str, disabled: bool, dest: str | None, as_json: bool) -> None:
    with sessions_of(dest, read_only=False).begin() as session:
        _known(_unless_last(lambda: accounts.set_disabled(session, name, disabled)), name)
        audit.write(session, actor(), "disable-user" if disabled else "enable-user", name)
    _done("disabled" if disabled else "enabled", name, as_json)


def _new_password() -> str:
    """The hash of a password that a person types twice, or that stdin holds."""
    if sys.stdin.isatty():
        given = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline(passwords.LONGEST + 2).rstrip("\r\n")
    try:
        return passwords.hashed(given)
    except passwords.BadPassword as error:
        raise UsageError(str(error)) from error


def _known(changed: bool, name: str) -> None:
    if not changed:
        raise FleetError(f"no user {name}")


def _unless_last(change: Callable[[], bool]) -> bool:
    try:
        return change()
    except LastAdmin as error:
        raise FleetError(f"{error}: make somebody else one first") from error


def _done(what: str, name: str, as_json: bool) -> None:
    answer({"done": f"{what} {name}"}, lambda found, out: out.print(plain(found["done"])), as_json)


def _show_users(found: list[UserRow], out: Console) -> None:
    if not found:
        out.print(
            "no users: on loopback, the dashboard lets in whoever reaches it; elsewhere it does not start"
        )
        return
    table = Table("name", "role", "signs in", "tokens")
    for each in found:
        table.add_row(plain(each.name), each.role, _how(each), str(each.tokens))
    out.print(table)


def _how(user: UserRow) -> str:
    if user.disabled:
        return "not: disabled"
    ways = ["with a password"] if user.has_password else []
    ways += [f"at {plain(user.issuer)}"] if user.issuer else []
    return ", or ".join(ways) or "not: has tokens"


def _show_tokens(found: list[TokenRow], out: Console) -> None:
    table = Table("id", "begins", "user", "for", "role", "until", "last used")
    for each in found:
        until = (
            "revoked" if each.revoked_at else f"{each.expires_at:%Y-%m-%d %H:%M}" if each.expires_at else ""
        )
        used = f"{each.used_at:%Y-%m-%d %H:%M}" if each.used_at else "never"
        row = (str(each.id), each.start, plain(each.user_name), plain(each.label), each.role, until, used)
        table.add_row(*row)
    out.print(table)

"""`fleet users` and `fleet tokens`: who may sign in to the dashboard, and what programs show in place of a password."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from dashboard.security import passwords, people, secrets
from db.queries import accounts, api_tokens, audit
from db.queries.accounts import LastAdmin, UserRow
from db.queries.api_tokens import TokenRow
from db.roles import Role
from fleet.answering import AsJson, Dest, actor, answer, sessions_of
from fleet.consoles import plain
from fleet.errors import FleetError, UsageError

users = typer.Typer(no_args_is_help=True, help="Who may sign in to the dashboard.")
tokens = typer.Typer(no_args_is_help=True, help="Tokens with which programs use the API.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
AsRole = Annotated[Role, typer.Option(help="What they may do: look; act; or manage users, too.")]
Elsewhere = Annotated[
    bool, typer.Option("--no-password", help="A program: it does not sign in, and has only tokens.")
]
ByLink = Annotated[
    bool, typer.Option("--link", help="Show a link by which they set a password of their own.")
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
    by_link: ByLink = False,
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """Add a user; the password is asked for, or read from stdin where that is no terminal."""
    kept = None if no_password or by_link else _new_password()
    with _changing(dest) as session:
        people.add(session, actor(), name, role, kept)
        secret = people.link(session, actor(), name) if by_link else None
    if secret is None:
        _done("added", name, as_json)
    else:
        _show_link(name, secret, as_json)


@users.command()
def link(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Show a link by which a user sets a password, once; until then the old one is good."""
    with _changing(dest) as session:
        secret = people.link(session, actor(), name)
    _show_link(name, secret, as_json)


@users.command()
def password(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Change a password, which signs the user out everywhere; tokens stay."""
    kept = _new_password()
    with _changing(dest) as session:
        people.set_password(session, actor(), name, kept)
    _done("changed the password of", name, as_json)


@users.command("role")
def set_role(name: Name, role: Role, dest: Dest = None, as_json: AsJson = False) -> None:
    """Change what a user may do."""
    with _changing(dest) as session:
        people.set_role(session, actor(), name, role)
    _done(f"{role} is now", name, as_json)


@users.command()
def disable(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Shut a user out at once, tokens included; what they did stays on record."""
    with _changing(dest) as session:
        people.set_disabled(session, actor(), name, True)
    _done("disabled", name, as_json)


@users.command()
def enable(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Let a disabled user in again."""
    with _changing(dest) as session:
        people.set_disabled(session, actor(), name, False)
    _done("enabled", name, as_json)


@users.command()
def sign_out(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Sign a user out everywhere, and end a link that was not used; tokens stay."""
    with _changing(dest) as session:
        ended = people.sign_out(session, actor(), name)
    _done(f"signed out of {ended} browsers:", name, as_json)


@users.command()
def remove(name: Name, dest: Dest = None, as_json: AsJson = False) -> None:
    """Remove a user and their tokens; the audit keeps the name."""
    with _changing(dest) as session:
        people.remove(session, actor(), name)
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
    with _changing(dest) as session:
        people.revoke(session, actor(), token)
    _done("revoked token", str(token), as_json)


@tokens.command()
def revoke_all(
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose they are.")],
    dest: Dest = None,
    as_json: AsJson = False,
) -> None:
    """End all tokens of a user at once."""
    with _changing(dest) as session:
        ended = people.revoke_tokens(session, actor(), user)
    _done(f"revoked {ended} tokens of", user, as_json)


@contextmanager
def _changing(dest: str | None) -> Iterator[Session]:
    """A transaction, whose refusals are told in a line."""
    try:
        with sessions_of(dest, read_only=False).begin() as session:
            yield session
    except people.BadName as error:
        raise UsageError(str(error)) from error
    except (people.NoSuch, people.Taken, LastAdmin) as error:
        raise FleetError(str(error)) from error


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


def _done(what: str, name: str, as_json: bool) -> None:
    answer({"done": f"{what} {name}"}, lambda found, out: out.print(plain(found["done"])), as_json)


def _show_link(name: str, secret: str, as_json: bool) -> None:
    path = f"/welcome?key={secret}"

    def show(_found: dict[str, Any], out: Console) -> None:
        out.print(f"good once, for {people.LINK_HOURS} hours, below the dashboard's address:")
        out.print(path, soft_wrap=True)

    answer({"name": name, "path": path, "hours": people.LINK_HOURS}, show, as_json)


def _show_users(found: list[UserRow], out: Console) -> None:
    if not found:
        out.print(
            "no users: on loopback, the dashboard lets in whoever reaches it; elsewhere it does not start"
        )
        return
    table = Table("name", "role", "signs in", "browsers", "tokens")
    for each in found:
        table.add_row(plain(each.name), each.role, _how(each), str(each.sessions), str(each.tokens))
    out.print(table)


def _how(user: UserRow) -> str:
    if user.disabled:
        return "not: disabled"
    ways = ["with a password"] if user.has_password else []
    ways += [f"at {plain(user.issuer)}"] if user.issuer else []
    ways += [f"by a link until {user.link_until:%Y-%m-%d %H:%M}"] if user.link_until else []
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

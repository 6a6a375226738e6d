"""Random secrets, and what is kept of them: a digest, so that whoever reads the database can use none."""

import hashlib
import hmac
import secrets

PREFIX = "k2t_"
"""How every API token begins, for scanners that look for leaked secrets."""
_SHOWN = len(PREFIX) + 6


def new_secret() -> str:
    """256 bits, in letters that a cookie may hold."""
    return secrets.token_urlsafe(32)


def new_token() -> str:
    """A token for a program."""
    return PREFIX + new_secret()


def start_of(token: str) -> str:
    """As much of a token as may be shown."""
    return token[:_SHOWN]


def digest(secret: str) -> str:
    """Hex SHA-256. The secret is random and long, so no salt and no slow hash would add anything."""
    return hashlib.sha256(secret.encode()).hexdigest()


def csrf_token(session_secret: str) -> str:
    """What a form of this session holds. It can be made from the cookie, but not the cookie from it."""
    return hmac.new(session_secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(one.encode(), other.encode())

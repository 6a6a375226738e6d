"""Passwords by Argon2id, with the library's parameters (RFC 9106, the second recommendation)."""

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 1024
_HASHER = PasswordHasher()
# Each takes 64 MiB and four threads: a flood of sign-ins must not take the machine.
_AT_ONCE = threading.BoundedSemaphore(2)
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5LW5vYm9keQ$tHEUu5ERpkvAVBUdPPiCCoaCWTDh+t3Lx7hqVkFqz4c"


class BadPassword(ValueError):
    """One that nobody may have; the message says why."""


def hashed(password: str) -> str:
    """What is kept of a password.

    Raises:
        BadPassword: too short, or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadPassword(f"a password has {SHORTEST} to {LONGEST} characters")
    with _AT_ONCE:
        return _HASHER.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Whether it is the password of `kept`. None, of somebody without one, takes as long, and never is."""
    with _AT_ONCE:
        try:
            _HASHER.verify(kept or _NOBODYS, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether today's parameters are others."""
    return _HASHER.check_needs_rehash(kept)

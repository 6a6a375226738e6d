"""Who a worker is."""

import os
import secrets
import socket


def new_worker_id() -> str:
    """A name nobody else has or had: a worker that starts again is another worker."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

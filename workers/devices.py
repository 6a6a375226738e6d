"""What a worker process computes on."""


def device() -> str:
    """The device that float32 parity is judged on, as torch spells it."""
    return "cpu"

"""What a page says was just done. An address carries only which sentence and a number, so that nobody can put words
of their own into a page by a link.
"""

from collections.abc import Mapping

_SENTENCES: dict[str, tuple[str, str]] = {
    "retry": ("1 job is queued again.", "{n} jobs are queued again."),
    "cancel": ("1 job is cancelled.", "{n} jobs are cancelled."),
    "stopping": (
        "1 running job stops at its worker's next heartbeat.",
        "{n} running jobs stop at their workers' next heartbeat.",
    ),
    "hold": ("Paused; 1 job is held.", "Paused; {n} jobs are held."),
    "release": ("Goes on; 1 job is queued again.", "Goes on; {n} jobs are queued again."),
    "drain": ("The worker hears of it at its next heartbeat.",) * 2,
    "pause": ("Paused: its times pass until it is resumed.",) * 2,
    "resume": ("Resumed; what was missed stays missed.",) * 2,
    "run": ("Started as batch {n}; a scheduler lists its source now.",) * 2,
    "edit": ("Saved; the next time is the first that counts.",) * 2,
    "scheduled": ("Made; the next time is its first.",) * 2,
    "planned": ("Planned; a scheduler lists its source now.",) * 2,
    "brought": ("1 file was taken in.", "{n} files were taken in."),
    "role": ("The role is changed.",) * 2,
    "disable": ("Shut out, tokens included.",) * 2,
    "enable": ("Let in again.",) * 2,
    "end-sessions": ("Signed out of 1 browser.", "Signed out of {n} browsers."),
    "end-tokens": ("1 token opens nothing any more.", "{n} tokens open nothing any more."),
    "revoke": ("The token opens nothing any more.",) * 2,
    "view": ("The view is saved.",) * 2,
    "view-gone": ("The view is forgotten.",) * 2,
}


def said(query: Mapping[str, str]) -> str | None:
    """The sentence that an address asks for; None: it asks for none that there is."""
    sentences = _SENTENCES.get(query.get("done", ""))
    number = query.get("n", "0")
    if sentences is None or not (number.isascii() and number.isdecimal() and len(number) < 12):
        return None
    count = int(number)
    return sentences[0 if count == 1 else 1].format(n=f"{count:,}")

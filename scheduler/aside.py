"""A duty beside the others: one that waits for strangers, or takes long, keeps none of them waiting."""

import threading
from collections.abc import Callable


class Aside:
    """Runs `run` in a thread of its own; each round tells what the last came to, and begins the next if that is over.

    The thread does not keep the process from ending: what is run here must bear to be cut off anywhere.
    """

    def __init__(self, name: str, run: Callable[[], int]) -> None:
        self._name = name
        self._run = run
        self._thread: threading.Thread | None = None
        self._done = 0
        self._error: Exception | None = None

    def run_once(self) -> int:
        """How many things the last round did.

        Raises:
            Exception: what went wrong in it.
        """
        if self._thread is not None and self._thread.is_alive():
            return 0
        done, error = self._done, self._error
        self._done, self._error = 0, None
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()
        if error is not None:
            raise error
        return done

    def _work(self) -> None:
        # Any duty may meet any outage; the loop, which this is told to, says so in a line.
        try:
            self._done = self._run()
        except Exception as error:  # noqa: BLE001
            self._error = error

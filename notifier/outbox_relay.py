"""A thread that publishes keys in place of the requests that stored their rows, several together when they come fast.

A message costs as much as the rest of a short request, and a broker that hangs costs the first request a tenth of a
second. Keys that wait here when the process is killed are found by the sweep, like all that the broker never got.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final

#: Seconds that `close` waits for the keys that are left.
CLOSE_SECONDS: Final = 2.0


class Relay:
    """The thread, and the keys that wait for it."""

    def __init__(self, publish: Callable[[Sequence[int]], object]) -> None:
        """Start it, in the process that uses it: a thread does not survive a fork.

        `publish` hands keys to the broker. It raises nothing.
        """
        self._publish = publish
        self._keys: list[int] = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def take(self, keys: Sequence[int]) -> bool:
        """Publish these keys soon. Return False if the thread has ended."""
        with self._changed:
            if self._closed or not self._thread.is_alive():
                return False
            self._keys.extend(keys)
            self._changed.notify()
        return True

    def close(self) -> None:
        """Publish what is left, and end the thread, within CLOSE_SECONDS."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._keys or self._closed)
                keys, self._keys = self._keys, []
            if not keys:
                return
            self._publish(keys)

"""Keep emails on which processes crashed apart: each is composed while this process composes no other."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Company:
    """The batches of this process. Its threads share it."""

    def __init__(self, patience: float = 5.0) -> None:
        """Prepare for threads.

        `patience`: seconds that a lone email waits for the others to end; new ones wait for it then.
        """
        self._patience = patience
        self._changed = threading.Condition()
        self._together = 0
        self._alone = False
        self._wanted = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Compose emails while other batches do the same, once no email is being composed alone."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._alone or self._wanted))
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[Callable[[], None] | None]:
        """Compose one email, and no other in this process, until the function that this yields is called.

        Yield None if the others did not end in time: then the email must wait.
        """
        if not self._enter():
            yield None
            return
        released = False

        def release() -> None:
            nonlocal released
            with self._changed:
                if not released:
                    self._alone, released = False, True
                    self._changed.notify_all()

        try:
            yield release
        finally:
            release()

    def _enter(self) -> bool:
        deadline = time.monotonic() + self._patience
        with self._changed:
            self._wanted += 1
            try:
                free = self._changed.wait_for(lambda: not (self._together or self._alone), deadline - time.monotonic())
                self._alone = self._alone or free
                return free
            finally:
                self._wanted -= 1
                self._changed.notify_all()

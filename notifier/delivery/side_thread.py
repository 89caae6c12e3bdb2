"""A side thread for database work, so that the sending thread keeps reading replies.

A reply left unread in a socket makes its email uncertain if the process is killed, so the thread that reads replies
must not wait for anything else.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: Opens the application context that a thread needs to use the database.
Context = Callable[[], AbstractContextManager[Any]]


class SideThread(Protocol):
    """Run jobs one after the other."""

    def __call__(self, work: Callable[..., T], /, *args: Any) -> Future[T]:
        """Start `work(*args)`. The future holds what it returns or raises."""


@contextmanager
def open_side_thread(context: Context) -> Iterator[SideThread]:
    """Run a side thread with its own `context` while the block lasts. On exit it finishes its work."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger") as pool:
        opened = context()
        pool.submit(opened.__enter__).result()
        try:
            yield pool.submit
        finally:
            pool.submit(opened.__exit__, None, None, None).result()


def run_inline(work: Callable[..., T], /, *args: Any) -> Future[T]:
    """Run `work` in the calling thread: for a batch too small for a thread of its own."""
    future: Future[T] = Future()
    try:
        future.set_result(work(*args))
    except Exception as error:
        # Like a pool: the error is raised when the result is asked for.
        future.set_exception(error)
    return future

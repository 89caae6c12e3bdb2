"""A thread beside the sending one: while the database is asked or written to, replies are read.

A reply that lies unread in a socket is a doubt where the process is killed, so the thread that reads them must
not wait for anything else.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

#: Opens what a thread needs to use the database: an application context.
Context = Callable[[], AbstractContextManager[Any]]


class SideThread(Protocol):
    """Runs one thing after the other, somewhere."""

    def __call__(self, work: Callable[..., T], /, *args: Any) -> Future[T]:
        """Begin `work(*args)`; what it returns or raises is in the future."""


@contextmanager
def open_side_thread(context: Context) -> Iterator[SideThread]:
    """One thread with a `context` of its own, for the time of a batch. At the end it finishes its work."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger") as pool:
        opened = context()
        pool.submit(opened.__enter__).result()
        try:
            yield pool.submit
        finally:
            pool.submit(opened.__exit__, None, None, None).result()


def run_inline(work: Callable[..., T], /, *args: Any) -> Future[T]:
    """In this very thread: for a batch that is not worth another one."""
    future: Future[T] = Future()
    try:
        future.set_result(work(*args))
    except Exception as error:
        # As a pool does it: whoever asks for the result meets it.
        future.set_exception(error)
    return future

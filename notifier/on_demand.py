"""A WSGI application that is built when it is first asked."""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class OnDemand:
    """An application that is built when it is first asked."""

    def __init__(self, build: "Callable[[], WSGIApplication]") -> None:
        """Take the function that builds it, which is called once."""
        self._build = build
        self._lock = Lock()
        self._built: WSGIApplication | None = None
        self._error: Exception | None = None

    def ready(self) -> "WSGIApplication":
        """Return the application, built now if it was not.

        Raise the error of the build, and the same one each time after it: what was built halfway is never built again.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._built is None:
                try:
                    self._built = self._build()
                except Exception as error:
                    self._error = error
                    raise
            return self._built

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        return (self._built or self.ready())(environ, start_response)

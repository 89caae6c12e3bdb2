"""Serve the API below `/v1` of our own application, beside the webhooks of providers."""

from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: The path of the API.
PATH: Final = "/v1"

#: Bytes of the largest body that any operation takes, for those who ask before the API is built (`gate.largest_body`).
LARGEST_BODY: Final = 8 * 1024 * 1024
#: Where an application of ours keeps its API.
KEY: Final = "notifier.api"


class OnDemand:
    """An application that is built when it is first asked."""

    def __init__(self, build: "Callable[[], WSGIApplication]") -> None:
        """Take the function that builds it, which is called once."""
        self._build = build
        self._lock = Lock()
        self._built: WSGIApplication | None = None

    def ready(self) -> "WSGIApplication":
        """Return the application, built now if it was not."""
        with self._lock:
            if self._built is None:
                self._built = self._build()
            return self._built

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        return (self._built or self.ready())(environ, start_response)


def beside(app: "WSGIApplication", api: "WSGIApplication", *, but: str) -> "WSGIApplication":
    """Give `api` what is asked below PATH, without its cookies, and `app` all else. `but`: paths below it that stay."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if (path != PATH and not path.startswith(f"{PATH}/")) or path.startswith(but):
            return app(environ, start_response)
        environ.pop("HTTP_COOKIE", None)
        environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + PATH
        environ["PATH_INFO"] = path[len(PATH) :]
        return api(environ, start_response)

    return answer

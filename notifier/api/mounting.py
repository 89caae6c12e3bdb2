"""Serve the API below `/v1` of our own application, beside the webhooks of providers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: The path of the API.
PATH: Final = "/v1"

#: Bytes of the largest body that any operation takes, for those who ask before the API is built (`gate.largest_body`).
LARGEST_BODY: Final = 8 * 1024 * 1024
#: Where an application of ours keeps its API.
KEY: Final = "notifier.api"


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

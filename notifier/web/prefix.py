"""Publish the service below the path of PUBLIC_URL, which a request cannot change.

X-Forwarded-Prefix is not read: a client that could set it would decide where our redirects and cookies lead.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The key in an environ by which an application that mounts us says that it has stripped the path. No header sets it.
IS_STRIPPED: Final = "notifier.path_is_stripped"


def path_of(public_url: str) -> str:
    """Return the path of PUBLIC_URL without a final slash, decoded as WSGI does; empty if it has none."""
    return unquote(urlsplit(public_url).path, "latin-1").rstrip("/")


def below(app: "WSGIApplication", prefix: str) -> "WSGIApplication":
    """Serve `app` below `prefix`, behind a proxy that strips the prefix and behind one that does not.

    What follows a path that is stripped already (IS_STRIPPED) is ours, even if it looks like a second one.
    """

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        environ["SCRIPT_NAME"] = prefix
        if not environ.get(IS_STRIPPED) and prefix and (path == prefix or path.startswith(f"{prefix}/")):
            environ["PATH_INFO"] = path[len(prefix) :] or "/"
        return app(environ, start_response)

    return answer

"""Serve our pages below a path of the host's application."""

import re
from collections.abc import Iterable
from types import MethodType
from typing import TYPE_CHECKING, Final

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from notifier.embedding.errors import SetupError
from notifier.web.prefix import IS_STRIPPED

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The key in an environ under which it has a copy of itself, as the host would see it.
HOSTS_ENVIRON: Final = "notifier.hosts_environ"

_MOUNT = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9._~-]*)+")


class _Mounted(DispatcherMiddleware):
    """The host's application with ours below a path."""


def check(app: Flask, mount: str) -> None:
    """Raise SetupError for a path that is none, and if a middleware wraps the application already.

    ProxyFix must come after us, so that our pages see the client and the host name that it finds.
    """
    if not _MOUNT.fullmatch(mount):
        raise SetupError(f"mount= takes a path such as /mail, letters, digits and ._~- only, not {mount!r}")
    wrapper = app.wsgi_app
    plain = isinstance(wrapper, MethodType) and wrapper.__func__ is Flask.wsgi_app
    if not plain and not isinstance(wrapper, _Mounted):
        name = type(wrapper).__name__
        raise SetupError(f"app.wsgi_app is wrapped in {name} already: call init_app(mount={mount!r}) before that")


def mount(app: Flask, ours: Flask, path: str) -> None:
    """Serve `ours` below `path` of `app`."""

    def keep(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        script = environ.get("SCRIPT_NAME", "").removesuffix(path)
        environ[HOSTS_ENVIRON] = {**environ, "SCRIPT_NAME": script, "PATH_INFO": path + environ.get("PATH_INFO", "")}
        environ[IS_STRIPPED] = True
        return ours.wsgi_app(environ, start_response)

    before: WSGIApplication = app.wsgi_app
    app.wsgi_app = _Mounted(before, {path: keep})  # type: ignore[method-assign]

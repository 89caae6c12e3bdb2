"""Flask's extensions of pages: tokens of forms, and rate limits. `notifier.doors` binds them to an application."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial, wraps
from threading import Lock
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from flask import Flask, current_app
from flask_limiter import Limiter, RequestLimit
from flask_wtf.csrf import CSRFProtect

from notifier.security import clients

View = TypeVar("View", bound=Callable[..., Any])


@dataclass
class _Limited:
    """The limiter of one application, and its limited views."""

    limiter: Limiter
    views: dict[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class Limits:
    """Flask-Limiter, with one Limiter for each application.

    A Limiter keeps its storage and its switches on the object: with one for several applications in a process, all of
    them would count by the settings of the last one.
    """

    def __init__(self, key_func: Callable[[], str]) -> None:
        """Create one. `key_func` names the client of a request, for limits that name nothing else."""
        self._key_func = key_func
        self._applications: WeakKeyDictionary[Flask, _Limited] = WeakKeyDictionary()

    def init_app(self, app: Flask) -> None:
        """Count the requests of `app` by its configuration (`RATELIMIT_…`)."""
        limiter = Limiter(self._key_func)
        limiter.init_app(app)
        self._applications[app] = _Limited(limiter)

    def of(self, app: Flask) -> Limiter:
        """Return the Limiter of `app`."""
        return self._applications[app].limiter

    def shared_limit(self, limit: str | Callable[[], str], scope: str, **options: Any) -> Callable[[View], View]:
        """Return a decorator: views with it and this scope count together. `options`: as for Flask-Limiter."""

        def decorate(view: View) -> View:
            made = partial(Limiter.shared_limit, limit_value=limit, scope=scope, **options)
            limited: Any = view if hasattr(view, "limits") else self._limited(view)
            limited.limits.append(made)
            return cast("View", limited)

        return decorate

    def limit(self, limit: str, **options: Any) -> AbstractContextManager[None]:
        """Return a limit for a `with` block in a request. `options`: as for Flask-Limiter."""
        return self._current.limiter.limit(limit, **options)

    @property
    def current_limit(self) -> RequestLimit | None:
        """The limit that decided about this request; None: no limit was asked."""
        return self._current.limiter.current_limit

    @property
    def _current(self) -> _Limited:
        return self._applications[current_app._get_current_object()]  # type: ignore[attr-defined]

    def _limited(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Return `view` with a list of limits, which the Limiter of the application that answers applies."""

        @wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            current = self._current
            with current.lock:
                counted = current.views.get(limited)
                if counted is None:
                    counted = view
                    for made in limited.limits:  # type: ignore[attr-defined]
                        counted = made(current.limiter)(counted)
                    current.views[limited] = counted
            return counted(*args, **kwargs)

        limited.limits = []  # type: ignore[attr-defined]
        return limited


csrf = CSRFProtect()
limiter = Limits(clients.client)

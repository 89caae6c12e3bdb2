"""The work of the workers, done right after the commit that asks for it: no broker, no worker."""

from collections.abc import Callable, Sequence
from typing import Self, TypedDict, cast

from flask import Flask, current_app

from notifier.outbox import Publish
from notifier.services import Services, services_of

#: Does the work for these keys.
_Work = Callable[[Services, Sequence[int], bool], object]


def handle_requests(parts: Services, keys: Sequence[int], _bulk: bool) -> None:
    """Handle account requests, such as a sign-up."""
    for key in keys:
        parts.account_requests.handle(key)


def expand_runs(parts: Services, keys: Sequence[int], _bulk: bool) -> None:
    """Turn campaign runs into emails."""
    for key in keys:
        parts.expansion.run(key)


def deliver(parts: Services, keys: Sequence[int], bulk: bool) -> None:
    """Send emails."""
    parts.sender.deliver(list(keys), bulk=bulk)


class Replacements(TypedDict):
    """The arguments of `create_app` that replace the broker."""

    publish: Publish
    publish_requests: Publish
    publish_runs: Publish


class Inline:
    """Replace the broker of one application, and keep the errors that its outbox would swallow.

    `app = create_app(settings, **inline.replacements())`, or `inline.attach(app)` if the application exists already,
    and `inline.raise_errors()` at the end.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._app: Flask | None = None

    def replacements(self) -> Replacements:
        """Return the arguments for `create_app`."""
        return {
            "publish": self._kept(deliver),
            "publish_requests": self._kept(handle_requests),
            "publish_runs": self._kept(expand_runs),
        }

    def attach(self, app: Flask) -> Self:
        """Work for `app` from now on, in any context: that of an application that embeds it, or none."""
        self._app, parts = app, services_of(app)
        parts.outbox.hand_over = self._kept(deliver)
        parts.request_outbox.hand_over = self._kept(handle_requests)
        parts.run_outbox.hand_over = self._kept(expand_runs)
        return self

    def raise_errors(self) -> None:
        """Raise an ExceptionGroup if any work raised an error."""
        if self.errors:
            raise ExceptionGroup("the work of a worker failed", self.errors)

    def _kept(self, work: _Work) -> Publish:
        def publish(keys: Sequence[int], bulk: bool) -> None:
            try:
                self._do(work, keys, bulk)
            except Exception as error:
                self.errors.append(error)
                raise

        return publish

    def _do(self, work: _Work, keys: Sequence[int], bulk: bool) -> None:
        """Work in a separate session, as a worker does."""
        app = self._app or cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
        with app.app_context():
            work(services_of(app), keys, bulk)

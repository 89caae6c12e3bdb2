"""The work of the workers, done right after the commit that asks for it: no broker, no worker."""

from collections.abc import Callable, Sequence
from typing import TypedDict, cast

from flask import Flask, current_app

from notifier.outbox import Publish
from notifier.services import Services, services_of


def _do(work: Callable[[Services], object]) -> None:
    """Work in a separate session, as a worker does."""
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    with app.app_context():
        work(services_of(app))


def handle_requests(keys: Sequence[int], _bulk: bool) -> None:
    """Handle account requests, such as a sign-up."""

    def handle(parts: Services) -> None:
        for key in keys:
            parts.account_requests.handle(key)

    _do(handle)


def expand_runs(keys: Sequence[int], _bulk: bool) -> None:
    """Turn campaign runs into emails."""

    def expand(parts: Services) -> None:
        for key in keys:
            parts.expansion.run(key)

    _do(expand)


def deliver(keys: Sequence[int], bulk: bool) -> None:
    """Send emails."""
    _do(lambda parts: parts.sender.deliver(list(keys), bulk=bulk))


class Replacements(TypedDict):
    """The arguments of `create_app` that replace the broker."""

    publish: Publish
    publish_requests: Publish
    publish_runs: Publish


class Inline:
    """Replace the broker of one application, and keep the errors that its outbox would swallow.

    `app = create_app(settings, **inline.replacements())`, and `inline.raise_errors()` at the end.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []

    def replacements(self) -> Replacements:
        """Return the arguments for `create_app`."""
        return {
            "publish": self._kept(deliver),
            "publish_requests": self._kept(handle_requests),
            "publish_runs": self._kept(expand_runs),
        }

    def raise_errors(self) -> None:
        """Raise an ExceptionGroup if any work raised an error."""
        if self.errors:
            raise ExceptionGroup("the work of a worker failed", self.errors)

    def _kept(self, work: Publish) -> Publish:
        def publish(keys: Sequence[int], bulk: bool) -> None:
            try:
                work(keys, bulk)
            except Exception as error:
                self.errors.append(error)
                raise

        return publish

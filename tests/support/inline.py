"""What a worker does with the requests of forms, done at once: for tests of pages, which have no worker."""

from collections.abc import Sequence
from typing import cast

from flask import Flask, current_app

from notifier.services import services_of


def handle_requests(keys: Sequence[int], _bulk: bool) -> None:
    """Handle them after the commit, in a session of their own. It stands in the place of the broker."""
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    with app.app_context():
        requests = services_of(app).account_requests
        for key in keys:
            requests.handle(key)

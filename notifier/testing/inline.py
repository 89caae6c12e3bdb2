"""Do the work of a worker in the request itself: for tests of pages, which have no worker."""

from collections.abc import Sequence
from typing import cast

from flask import Flask, current_app

from notifier.services import services_of


def handle_requests(keys: Sequence[int], _bulk: bool) -> None:
    """Handle account requests right after their commit, in a separate session. It replaces the broker."""
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    with app.app_context():
        requests = services_of(app).account_requests
        for key in keys:
            requests.handle(key)

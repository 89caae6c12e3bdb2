"""/metrics: what Prometheus scrapes. It answers any Host header, because it is asked by an address of its own."""

import hmac

import structlog
from flask import Blueprint, Response, abort, request
from sqlalchemy.exc import SQLAlchemyError

from notifier.extensions import db
from notifier.services import services

log = structlog.get_logger(__name__)

metrics = Blueprint("metrics", __name__)

_NO_STORE = {"Cache-Control": "no-store"}


@metrics.get("/metrics")
def scrape() -> Response:
    """Show all metrics to the holder of METRICS_TOKEN. Without a token: on a developer's machine only.

    503 if the database is away: then Prometheus itself reports that this target is down.
    """
    token = services().settings.metrics_token
    if not token and services().settings.notifier_env == "production":
        abort(404)
    if token and not _is_holder(token):
        answer = {"WWW-Authenticate": 'Bearer realm="notifier"', **_NO_STORE}
        return Response("METRICS_TOKEN is needed: Authorization: Bearer ...\n", 401, answer, mimetype="text/plain")
    try:
        text, content_type = services().exposition.render(request.headers.get("Accept", ""))
    except SQLAlchemyError as error:
        db.session.rollback()
        log.error("metrics.database_unavailable", error=type(error).__name__)
        return Response("the database does not answer\n", 503, _NO_STORE, mimetype="text/plain")
    return Response(text, 200, _NO_STORE, content_type=content_type)


def _is_holder(token: str) -> bool:
    given = request.headers.get("Authorization", "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode())

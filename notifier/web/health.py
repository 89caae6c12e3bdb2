"""Health endpoints for load balancers, Kubernetes and systemd. Every one answers any Host header.

/livez asks the process alone: a broker or a database that is away must not restart it. /readyz and /healthz ask the
database, its schema and whether it was restored.
"""

import structlog
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from notifier.database import identity
from notifier.extensions import db
from notifier.services import services

log = structlog.get_logger(__name__)

health = Blueprint("health", __name__)


@health.get("/livez")
def livez() -> ResponseReturnValue:
    """Answer 200: this process takes requests. It asks nothing else."""
    return jsonify(status="ok"), 200


@health.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Answer 200 if requests can be served, else 503 with the reason in one line.

    The settings are those that this process started with: it would not have started with invalid ones.
    """
    answer, status = _state()
    return jsonify(**answer, settings="ok"), status


@health.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer 200 if sign-ups can be served, else 503 with the reason in one line."""
    answer, status = _state()
    return jsonify(**answer), status


def _state() -> tuple[dict[str, str], int]:
    schema = services().schema
    try:
        state = schema.state(db.session.connection())
        restored = not state.behind and identity.is_restored(db.session())
        db.session.rollback()
    except SQLAlchemyError as error:
        log.error("health.database_unavailable", error=type(error).__name__)
        detail = "the database does not answer"
        return _unavailable("unavailable", "unknown", detail)
    if state.behind:
        log.error("health.schema_behind", detail=state.detail)
        return _unavailable("ok", "behind", state.detail)
    if restored:
        log.error("health.database_restored")
        return _unavailable("restored", "ok", identity.HELD)
    return {"status": "ok", "database": "ok", "schema": "ok"}, 200


def _unavailable(database: str, schema: str, detail: str) -> tuple[dict[str, str], int]:
    return {"status": "unavailable", "database": database, "schema": schema, "detail": detail}, 503

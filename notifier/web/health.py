"""/healthz: does the web process answer, and its database, with the schema that this code needs?"""

import structlog
from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from notifier.database import identity
from notifier.extensions import db
from notifier.services import services

log = structlog.get_logger(__name__)

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer 200 if sign-ups can be served, else 503 with the reason in one line."""
    schema = services().schema
    try:
        state = schema.state(db.session.connection())
        restored = not state.behind and identity.is_restored(db.session())
        db.session.rollback()
    except SQLAlchemyError as error:
        log.error("health.database_unavailable", error=type(error).__name__)
        detail = "the database does not answer"
        return jsonify(status="unavailable", database="unavailable", schema="unknown", detail=detail), 503
    if state.behind:
        log.error("health.schema_behind", detail=state.detail)
        return jsonify(status="unavailable", database="ok", schema="behind", detail=state.detail), 503
    if restored:
        log.error("health.database_restored")
        return jsonify(status="unavailable", database="restored", schema="ok", detail=identity.HELD), 503
    return jsonify(status="ok", database="ok", schema="ok"), 200

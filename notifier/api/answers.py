"""Answers that are no errors."""

from flask import Response
from pydantic import BaseModel


def answer(model: BaseModel, status: int = 200) -> Response:
    """Return the answer with this body."""
    return Response(model.model_dump_json(), status, content_type="application/json")

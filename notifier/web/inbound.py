"""Webhooks of email providers: bounces, complaints and deliveries that they report, under `/v1/inbound/<provider>`.

A provider proves itself by its request alone (`inbound/`), so no cookie is read and no CSRF token is asked for. 2xx
means that every event is committed; a provider sends everything else again.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog
from flask import Blueprint, Response, jsonify, request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import RequestEntityTooLarge

from notifier import clock
from notifier.database.outages import is_outage
from notifier.extensions import db
from notifier.feedback.intake import NotYet
from notifier.inbound.provider import Post, Received
from notifier.inbound.refusals import NotProven, Refused, TooBig, TryLater
from notifier.inbound.replays import is_first
from notifier.page_extensions import csrf, limiter
from notifier.services import services

log = structlog.get_logger(__name__)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

inbound = Blueprint("inbound", __name__)

PATH: Final = "/v1/inbound/"

#: Requests of one client. Providers post each event of a campaign by itself, from a few addresses.
PER_CLIENT: Final = "6000 per minute"

#: Bytes of the largest body of any provider: above what any other page takes.
LARGEST_BODY: Final = 1024 * 1024

#: Events in one transaction: a post may hold thousands, and on SQLite no other process can write meanwhile.
CHUNK: Final = 100

#: Seconds after which a provider may try again if its proof could not be checked, or an email is being sent.
RETRY_AFTER_SECONDS: Final = 60


def without_cookies(app: "WSGIApplication") -> "WSGIApplication":
    """Hide cookies from everything that runs for a webhook: Flask and Flask-Login read them for every request."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith(PATH):
            environ.pop("HTTP_COOKIE", None)
        return app(environ, start_response)

    return answer


@inbound.post(f"{PATH}<provider>")
@limiter.shared_limit(lambda: PER_CLIENT, scope="inbound-client")
def receive(provider: str) -> Response:
    """Take the events of a provider. The answer says nothing about emails and people."""
    found = services().inbound.get(provider)
    if found is None:
        return _answer(404, "This webhook is not configured.")
    request.max_content_length = found.max_bytes
    headers, now = {name.lower(): value for name, value in request.headers}, clock.now()
    try:
        received = found.receive(Post(headers, _body(found.max_bytes), now))
        new = _take(received, now)
    except Refused as error:
        return _refuse(provider, error, now)
    if new is None:
        # Anyone who saw the token can send it again, which proves nothing.
        log.info("inbound.repeated", provider=provider)
        return _answer(200, "Received.")
    _note(provider, "", now)
    log.info("inbound.taken", provider=provider, events=len(received.events), new=new)
    return _answer(200, "Received.")


csrf.exempt(receive)  # the provider proves itself; a browser's cookies prove nothing here


def _body(most: int) -> bytes:
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TooBig(f"the body has more than {most:,} bytes") from error


def _take(received: Received, now: datetime) -> int | None:
    """Store the events, in short transactions. Return how many were new; None if the token was used before.

    Raise TryLater if an email is being sent at this moment. All other events are stored then, and are known when the
    provider sends the post again.
    """
    session, events, intake = db.session(), received.events, services().intake
    if received.token and not is_first(session, received.token, now):
        session.rollback()
        return None
    new = late = 0
    for start in range(0, len(events), CHUNK):
        for event in events[start : start + CHUNK]:
            try:
                new += intake.take(session, event).is_new
            except NotYet:
                late += 1
        if late and received.token:
            # The token must work again.
            session.rollback()
            break
        session.commit()
    if late:
        raise TryLater("an email of this post is still being sent")
    session.commit()
    return new


def _refuse(provider: str, error: Refused, now: datetime) -> Response:
    """Answer a refused post. Log and admin have the cause, which never quotes the request; the answer does not."""
    log.warning("inbound.refused", provider=provider, cause=str(error))
    _note(provider, str(error), now)
    if isinstance(error, NotProven):
        answer = _answer(401, "The proof of the sender is missing or wrong.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="webhooks"'
        return answer
    if isinstance(error, TryLater):
        answer = _answer(503, "This cannot be taken now. Try again later.")
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer
    if isinstance(error, TooBig):
        return _answer(413, "The body is too big.")
    return _answer(400, "The request could not be read.")


def _note(provider: str, cause: str, now: datetime) -> None:
    """Note for the admin that a post was taken, or refused because of `cause`. The answer does not depend on it."""
    sightings, session = services().sightings, db.session()
    try:
        session.rollback()
        if cause:
            sightings.refused(session, provider, cause, now)
        else:
            sightings.taken(session, provider, now)
        session.commit()
    except (DBAPIError, PoolTimeoutError) as error:
        if not is_outage(error):
            raise
        log.warning("inbound.not_noted", provider=provider)


def _answer(status: int, message: str) -> Response:
    answer = jsonify(message=message)
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    return answer

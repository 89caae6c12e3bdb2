"""Webhook endpoints: other applications that are told what happened, and what each of them answered."""

from collections.abc import Sequence
from datetime import timedelta

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import clock
from notifier.admin.kit import arguments, login
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, act, found, get, show
from notifier.database.keys import among
from notifier.events import TYPES
from notifier.extensions import db
from notifier.models import Event, Role, WebhookDelivery, WebhookEndpoint
from notifier.services import services
from notifier.webhooks import endpoints
from notifier.webhooks.addresses import LONGEST_URL
from notifier.webhooks.endpoints import EndpointError

#: How far back a replay goes that asks for no single event.
REPLAYED = timedelta(hours=48)


class WebhookEndpoints(Page):
    """All endpoints, and the newest deliveries of each."""

    title = "Webhook endpoints"
    section = "System"
    slug = "webhook-endpoints"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show all endpoints."""
        return self._list()

    @show("/<key:pk>")
    def one(self, pk: int) -> ResponseReturnValue:
        """Show one endpoint with its newest deliveries."""
        return self._one(get(WebhookEndpoint, pk))

    @act("/add", Role.admin)
    def add(self) -> ResponseReturnValue:
        """Add an endpoint, and show its secret once."""
        url, wrong = arguments.typed("url", LONGEST_URL)
        types = [name for name in TYPES if name in request.form.getlist("types")]
        if wrong:
            return self._list(url=url, types=types, wrong=wrong), 400
        try:
            row, secret = services().endpoints.add(db.session(), url, types, by=login.actor())
        except EndpointError as error:
            return self._list(url=url, types=types, wrong=_sentence(error)), 400
        db.session.commit()
        return self._secret(row, secret, rotated=False)

    @show("/<key:pk>/rotate", Role.admin)
    def ask_rotate(self, pk: int) -> ResponseReturnValue:
        """Explain the new secret and ask for confirmation."""
        return self._ask(get(WebhookEndpoint, pk), "rotate")

    @act("/<key:pk>/rotate", Role.admin)
    def rotate(self, pk: int) -> ResponseReturnValue:
        """Replace the secret, and show the new one once."""
        row = _locked(pk)
        secret = services().endpoints.rotate(db.session(), row, by=login.actor())
        db.session.commit()
        return self._secret(row, secret, rotated=True)

    @show("/<key:pk>/remove", Role.admin)
    def ask_remove(self, pk: int) -> ResponseReturnValue:
        """Explain the removal and ask for confirmation."""
        return self._ask(get(WebhookEndpoint, pk), "remove")

    @act("/<key:pk>/remove", Role.admin)
    def remove(self, pk: int) -> ResponseReturnValue:
        """Delete an endpoint."""
        endpoints.remove(db.session(), _locked(pk), by=login.actor())
        db.session.commit()
        flash("Endpoint removed. It gets no more events.", "success")
        return redirect(url_for(".index"), 303)

    @act("/<key:pk>/test")
    def test(self, pk: int) -> ResponseReturnValue:
        """Send a test event."""
        row = _locked(pk)
        if row.disabled_at is not None:
            return _back(pk, "The endpoint is disabled: enable it first.", "error")
        endpoints.send_test(db.session(), row, by=login.actor())
        db.session.commit()
        return _back(pk, "A test event is on its way. Its answer appears here within seconds.")

    @act("/<key:pk>/enable")
    def enable(self, pk: int) -> ResponseReturnValue:
        """Send to a disabled endpoint again."""
        enabled = endpoints.enable(db.session(), _locked(pk), by=login.actor())
        db.session.commit()
        return _back(pk, "The endpoint gets events again." if enabled else "The endpoint was not disabled.")

    @act("/<key:pk>/disable")
    def disable(self, pk: int) -> ResponseReturnValue:
        """Send nothing to an endpoint from now on."""
        by = login.actor()
        disabled = endpoints.disable(db.session(), _locked(pk), "an operator disabled it", by=by)
        db.session.commit()
        return _back(pk, "The endpoint gets no more events." if disabled else "The endpoint was disabled already.")

    @act("/<key:pk>/replay")
    def replay(self, pk: int) -> ResponseReturnValue:
        """Send again what an endpoint did not take, or missed, in the last hours."""
        row = _locked(pk)
        try:
            number = endpoints.replay(db.session(), row, by=login.actor(), since=clock.now() - REPLAYED)
        except EndpointError as error:
            return _back(pk, _sentence(error), "error")
        db.session.commit()
        return _back(pk, f"Events that are sent again: {number:,}.")

    @act("/<key:pk>/replay/<key:event>")
    def replay_one(self, pk: int, event: int) -> ResponseReturnValue:
        """Send one event again."""
        row = _locked(pk)
        found(db.session.get(WebhookDelivery, (pk, event)))
        try:
            number = endpoints.replay(db.session(), row, by=login.actor(), event_id=event)
        except EndpointError as error:
            return _back(pk, _sentence(error), "error")
        db.session.commit()
        return _back(pk, "The event is sent again." if number else "The event is no longer kept.")

    def _list(self, *, url: str = "", types: Sequence[str] = TYPES, wrong: str = "") -> str:
        page: str = self.render(
            "admin/webhook_endpoints.html", rows=endpoints.listed(db.session()), all_types=TYPES, url=url, types=types,
            wrong=wrong, state_of=_state,
        )  # fmt: skip
        return page

    def _one(self, row: WebhookEndpoint) -> str:
        mine = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == row.id)
        listing = by_key(mine, WebhookDelivery.event_id)
        query = select(Event).where(among(db.session(), Event.id, [each.event_id for each in listing.rows]))
        events = {each.id: each for each in db.session.scalars(query)}
        page: str = self.render(
            "admin/webhook_endpoint.html", row=row, listing=listing, events=events, state=_state(row)
        )
        return page

    def _ask(self, row: WebhookEndpoint, what: str) -> str:
        page: str = self.render("admin/webhook_ask.html", row=row, what=what)
        return page

    def _secret(self, row: WebhookEndpoint, secret: str, *, rotated: bool) -> str:
        page: str = self.render("admin/webhook_secret.html", row=row, secret=secret, rotated=rotated)
        return page


def _locked(pk: int) -> WebhookEndpoint:
    row: WebhookEndpoint = found(db.session.get(WebhookEndpoint, pk, with_for_update=True))
    return row


def _state(row: WebhookEndpoint) -> str:
    """Return the state in a word."""
    if row.disabled_at is not None:
        return "disabled"
    if row.failures:
        return "failing"
    return "ok" if row.last_success_at is not None else "silent"


def _back(pk: int, text: str, kind: str = "success") -> ResponseReturnValue:
    flash(text, kind)
    return redirect(url_for(".one", pk=pk), 303)


def _sentence(error: EndpointError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."

"""Webhooks: which providers report bounces and complaints to us, and whether their posts arrive and are taken."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.inbound import registry, sightings
from notifier.models import WebhookState
from notifier.services import services

#: Where events are counted.
LATELY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Line:
    """One provider."""

    name: str
    url: str
    open: bool
    #: Events about emails of ours within LATELY, and the newest of them.
    events: int
    newest: datetime | None
    state: WebhookState | None

    @property
    def refuses(self) -> bool:
        """Whether the newest post was refused."""
        return sightings.is_refusing(self.state)

    @property
    def badge(self) -> str:
        """The state in a word."""
        if not self.open:
            return "off"
        if self.refuses:
            return "refusing"
        return "ok" if self.state is not None and self.state.taken_at is not None else "silent"


class Webhooks(Page):
    """All webhooks that there are, also those that are closed."""

    title = "Webhooks"
    section = "System"
    slug = "webhooks"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show one line per provider."""
        session, root = db.session(), services().settings.public_url.rstrip("/")
        states, events = sightings.states(session), sightings.events_since(session, clock.now() - LATELY)
        lines = []
        for name in registry.NAMES:
            number, newest = events.get(name, (0, None))
            url = f"{root}/v1/inbound/{name}"
            lines.append(Line(name, url, name in services().inbound, number, newest, states.get(name)))
        by_email = events.get("email", (0, None))
        page: str = self.render("admin/webhooks.html", lines=lines, by_email=by_email)
        return page

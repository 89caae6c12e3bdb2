"""Content of campaigns for tests: saving it, sending it, and what went out. All need an application context."""

from collections import Counter
from collections.abc import Iterable

from flask import Flask
from sqlalchemy import select

from notifier.campaigns import content_versions, control
from notifier.campaigns.content_versions import ContentChange
from notifier.content import Content
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, ContentVersion, Notification
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON
from tests.support.campaigns import expand

LATER = Outcome(Decision.RETRY, Phase.EOD, Scope.MESSAGE, 451, "4.3.0", "later", 0)
GREYLISTED = Outcome(Decision.RETRY, Phase.RCPT, Scope.RECIPIENT, 451, "4.7.1", "greylisted", 0)


class Outbox(FakeMailServer):
    """A mail server that answers questions about what it took."""

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.sender = services_of(app).sender
        self.attach(self.sender)

    def deliver(self, keys: Iterable[int]) -> None:
        """Send these rows once."""
        self.sender.deliver(list(keys), bulk=True)
        db.session.rollback()

    def subjects(self) -> Counter[str]:
        """How often each subject went out."""
        return Counter(message.subject for message in self.sent)

    def most(self) -> int:
        """How many emails the person has who has the most."""
        return max(Counter(message.recipient for message in self.sent).values())


def save(
    campaign: Campaign, subject: str, change: ContentChange = ContentChange.correction, body: str = "Text."
) -> ContentVersion:
    """A new version with this subject, committed."""
    row = content_versions.save(
        db.session(), campaign, Content(subject, "Heading", body), KINDS,
        seen=campaign.content_id or 0, by=COMMAND_LINE, note="", now=NOON, change=change,
    )  # fmt: skip
    db.session.commit()
    return row


def run_now(campaign: Campaign, hours: int = 0) -> tuple[int, list[int]]:
    """Run it for nine in the morning and so many hours: the key of the run and those of the rows that are due."""
    slot = NOON.replace(hour=9 + hours)
    run_id = control.run_now(db.session(), campaign, KINDS, slot=slot)
    db.session.commit()
    told: list[int] = []
    expand(run_id, told)
    return run_id, told


def stop(app: Flask, run_id: int) -> int:
    """Cancel this run. How many emails it cancelled."""
    control.cancel_run(db.session(), control.find_run(db.session(), run_id), reason="a typo")
    db.session.commit()
    return int(services_of(app).run_effects.cancelled([run_id]))


def rows(run_id: int | None = None) -> list[Notification]:
    """The rows, of this run or of all, as they are now."""
    db.session.rollback()
    query = select(Notification).order_by(Notification.id).execution_options(populate_existing=True)
    return list(db.session.scalars(query if run_id is None else query.where(Notification.run_id == run_id)))


def run_of(run_id: int) -> CampaignRun:
    """The run as it is now."""
    db.session.rollback()
    return db.session.get_one(CampaignRun, run_id, populate_existing=True)

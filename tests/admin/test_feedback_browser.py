"""What came back, in a real browser under the strict policy: hostile texts, a desktop and a phone."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.mail.message_ids import Ids
from notifier.models import Feedback, ProviderHold, Role, Status
from notifier.observability import totals
from notifier.services import services_of
from notifier.testing.factories import make_notification, make_user
from notifier.testing.operators import PASSWORD
from notifier.testing.website import serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.campaigns import make_campaign, start_run
from tests.support.feedback import event, put_run, take
from tests.support.looking import look
from tests.support.one_database import database_url

__all__ = ["browser", "database_url"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)"> \u202etxet\u202c ' + "w" * 300


@pytest.fixture
def site(make_app: Callable[..., Flask], make_operator: Callable[..., int]) -> Iterator[str]:
    """The address of a running application with an admin, to which all kinds of feedback came."""
    port = free_port()
    make_operator(Role.admin)
    app = make_app(
        public_url=f"http://127.0.0.1:{port}",
        inbound_postmark_secrets="a-webhook-secret-of-our-own-making",
        inbound_mailgun_keys="0123456789abcdef0123456789abcdef",
    )
    with app.app_context():
        fill(app)
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


def fill(app: Flask) -> None:
    """A hard bounce, a soft one, a refusal about us and a complaint, of a run at Gmail; and what names no email."""
    run = start_run(make_campaign())
    reasons = (Reason.USER_UNKNOWN, Reason.MAILBOX_FULL, Reason.AUTHENTICATION, Reason.ABUSE, None)
    ids = Ids(services_of(app).settings.secret_keys)
    for number, reason in enumerate(reasons, 1):
        user = make_user(f"person{number}@gmail.com", verified_at=clock.now())
        sent = {"status": Status.sent, "sent_at": clock.now(), "settled_at": clock.now(), "id_key": ids.names[-1]}
        pk = make_notification(user, key=f"mail:{number}", run_id=run, campaign_id=1, **sent)
        if reason is not None:
            take(app, event(ids.make(pk, f"mail:{number}"), reason, text=HOSTILE, source="postmark"))
    take(app, event(recipient="person1@gmail.com", text=HOSTILE))
    take(app, event(recipient="x" * 60 + "@" + "y" * 60 + ".example", reason=Reason.MAILBOX_FULL, source="mailgun"))
    # As a source that nobody cleaned would have it.
    db.session.execute(update(Feedback).where(Feedback.text.is_not(None)).values(text=HOSTILE[:500]))
    db.session.add(
        ProviderHold(
            key="main:microsoft", transport="main", scope="microsoft", held_since=clock.now(), phase="eod", code=550,
            text="5.7.515 Access denied", next_probe_at=clock.now() + timedelta(minutes=5), probes=1,
        )
    )  # fmt: skip
    dead = "13 of 629 addresses do not exist, more than 2 %"
    put_run(run, state="paused", reason_code="too_many_dead", reason=dead, braked_at=clock.now())
    services_of(app).sightings.refused(db.session(), "mailgun", "the signature is wrong", clock.now())
    services_of(app).sightings.taken(db.session(), "postmark", clock.now())
    db.session.commit()
    totals.roll_up(db.session, clock.now())


@pytest.mark.parametrize("width", [1280, 360])
def test_what_came_back_is_shown_and_assigned(app: Flask, site: str, browser: Browser, width: int) -> None:
    with browsing(browser, width=width) as person:
        person.set_default_timeout(20_000)
        person.goto(f"{site}/admin/")
        person.get_by_label("Email address").fill("admin@example.com")
        person.get_by_label("Password").fill(PASSWORD)
        person.get_by_role("button", name="Sign in").click()
        expect(person.get_by_text("By mailbox provider")).to_be_visible()
        paths = {
            "dashboard": "", "emails": "notifications/?status=bounced&provider=gmail", "email": "notifications/1/",
            "complaint": "notifications/4/", "person": "people/1/", "suppressions": "suppressions/",
            "lift": "suppressions/2/lift", "run": "runs/1/", "run-providers": "runs/1/came-back",
            "runs": "runs/", "campaign": "campaigns/1/", "health": "health/", "failures": "failures/",
            "webhooks": "webhooks/", "unassigned": "unassigned/", "older": "unassigned/dismiss-older?days=0",
        }  # fmt: skip
        for name, path in paths.items():
            person.goto(f"{site}/admin/{path}")
            look(person, f"{name}-{width}")
        person.goto(f"{site}/admin/unassigned/")
        person.get_by_role("row", name="person1@gmail.com").get_by_role("link", name="Assign…").click()
        look(person, f"assign-{width}")
        person.get_by_label("Email number or Message-ID").fill("4711")
        person.get_by_role("button", name="Find the email").click()
        expect(person.get_by_text("There is no such email")).to_be_visible()
        look(person, f"assign-wrong-{width}")
        person.get_by_role("link", name="Choose #1").click()
        look(person, f"assign-found-{width}")
        person.get_by_role("button", name="Assign to email #1").click()
        expect(person.get_by_text("Assigned to email #1")).to_be_visible()
        person.goto(f"{site}/admin/unassigned/")
        person.get_by_role("link", name="Dismiss…", exact=True).click()
        expect(person.get_by_role("dialog")).to_be_visible()
        look(person, f"dismiss-{width}")
        person.get_by_role("dialog").get_by_role("button", name="Dismiss").click()
        expect(person.get_by_text("Nothing is waiting")).to_be_visible()
        look(person, f"empty-{width}")

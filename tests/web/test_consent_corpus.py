"""Every case of unsubscribe.json and verify_token.json: our pages on a real socket, mail to a real mail server."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from sqlalchemy import delete, select

from notifier import clock, ledger
from notifier.app import create_app
from notifier.consent import preferences, suppressions
from notifier.dev.ports import free_port
from notifier.emails import Category, Owed, Verification
from notifier.emails.campaign_kind import CampaignKind
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import Campaign, CampaignRun, Consent, Notification, RunState, Suppression, SuppressionReason, User
from notifier.security.links import Links
from notifier.security.tokens import Signer
from notifier.services import services_of
from notifier.testing.smtp_server import SmtpServer
from notifier.testing.website import Answer, Person, serving
from tests.support.applications import HANDLE_REQUESTS, PAGES, make_settings

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
UNSUBSCRIBE = json.loads((DATA / "unsubscribe.json").read_text())
VERIFY = json.loads((DATA / "verify_token.json").read_text())

REMOVED, RETIRED, NEWEST = "removed-key-" * 4, "retired-key-" * 4, "newest-key-" * 4
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


class Letter(CampaignKind):
    """A digest with one sentence."""

    name: ClassVar[str] = "letter"
    category: ClassVar[Category] = Category.digest
    lifetime: ClassVar[timedelta] = timedelta(days=1)
    because: ClassVar[str] = "You're receiving this because a test wants you to."

    def period(self, occasion: Any, columns: Any) -> str:
        return "once"

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {}


class World:
    """Site, mail server and ledger; one person, who is Ada."""

    def __init__(self, app: Flask, site: str, mails: SmtpServer) -> None:
        self.app, self.site, self.mails = app, site, mails
        self.links = services_of(app).links
        self._numbers = count(1)
        self.user = 0

    def renew(self) -> None:
        """Forget everything, and let Ada sign up."""
        with self.app.app_context():
            for table in (Consent, Suppression, Notification, CampaignRun, Campaign, User):
                db.session.execute(delete(table))
            user = User(email="ada@example.com", identity_key="ada@example.com", link_nonce="nonce")
            db.session.add(user)
            db.session.commit()
            self.user = user.id

    def unsubscribe_url(self, category: str = "digest", issued_at: datetime | None = None) -> str:
        return self.links.unsubscribe(
            user_id=self.user,
            identity_key="ada@example.com",
            category=category,
            notification_id=1,
            issued_at=issued_at or clock.now(),
        )

    def verify_url(self, key: str = NEWEST) -> str:
        return Links(self.site, Signer([key])).verify(
            user_id=self.user, identity_key="ada@example.com", nonce="nonce", issued_at=clock.now()
        )

    def click(self, url: str = "", body: bytes = ONE_CLICK) -> Answer:
        """As a mail provider does it: no cookie, no CSRF token, no Referer."""
        return Person(cookies=False).ask("POST", url or self.unsubscribe_url(), body, **FORM)

    def subscribed(self) -> bool:
        with self.app.app_context():
            return preferences.of(db.session(), self.user)["digest"].wanted

    def decisions(self) -> int:
        with self.app.app_context():
            return len(db.session.scalars(select(Consent)).all())

    def verified(self) -> bool:
        with self.app.app_context():
            return db.session.get_one(User, self.user).verified_at is not None

    def suppress(self, reason: SuppressionReason) -> None:
        with self.app.app_context():
            suppressions.add(db.session(), "ada@example.com", reason=reason, source="report", evidence="")
            db.session.commit()

    def queue_digest(self) -> int:
        """The row of a digest that a campaign owes Ada."""
        with self.app.app_context():
            session, number, now = db.session(), next(self._numbers), clock.now()
            campaign = Campaign(name=f"letter-{number}", title="Letter", kind=Letter.name)
            session.add(campaign)
            session.flush()
            run = CampaignRun(campaign_id=campaign.id, slot=now, state=RunState.sending.value)
            session.add(run)
            user = session.get_one(User, self.user)
            row = ledger.add(session, kind=Letter.name, user=user, dedupe_key=f"c{number}", now=now, grace=timedelta(0))
            session.flush()
            row.campaign_id, row.run_id = campaign.id, run.id
            session.commit()
            return row.id

    def deliver(self, pk: int) -> str:
        """Try to send it; what became of the row. Says `sent` only where the mail server has it."""
        before = len(self.mails.accepted)
        with self.app.app_context():
            services_of(self.app).sender.deliver([pk])
            status = db.session.get_one(Notification, pk, populate_existing=True).status
        assert (len(self.mails.accepted) - before) == (status == "sent")
        return status

    def resend(self) -> str:
        """Ask for the verification mail, and send it."""
        with self.app.app_context():
            services_of(self.app).accounts.resend(db.session(), parse_address("ada@example.com"))
            db.session.commit()
            newest = select(Notification.id).order_by(Notification.id.desc()).limit(1)
            pk = db.session.scalars(newest).one()
        return self.deliver(pk)


@pytest.fixture(scope="module")
def whole_world(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("corpus")
    shutil.copy(migrated_sqlite, folder / "notifier.db")
    templates = shutil.copytree(ROOT / "templates", folder / "templates")
    letter = templates / "emails" / "letter"
    letter.mkdir()
    (letter / "subject.txt").write_text("A letter")
    (letter / "body.txt").write_text('{% extends "_layout/base.txt" %}{% block content %}Hello.{% endblock %}')
    (letter / "body.html").write_text('{% extends "_layout/base.html" %}{% block content %}<p>Hello.</p>{% endblock %}')
    port = free_port()
    with SmtpServer() as mails:
        settings = make_settings(
            database_url=f"sqlite:///{folder / 'notifier.db'}",
            public_url=f"http://127.0.0.1:{port}",
            secret_keys=[RETIRED, NEWEST],
            mail_server=mails.host,
            mail_port=mails.port,
            mail_suppress_send=False,
            notifier_data_dir=folder,
        )
        kinds = {kind.name: kind for kind in (Letter(), Verification())}
        app = create_app(
            settings,
            publish=lambda keys, bulk: None,
            publish_requests=HANDLE_REQUESTS,
            kinds=kinds,
            templates=templates,
        )
        app.jinja_env.bytecode_cache = PAGES
        with serving(app, port):
            yield World(app, settings.public_url, mails)
        services_of(app).transports.primary.close()
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def world(whole_world: World) -> World:
    whole_world.renew()
    return whole_world


def by_id(cases: list[dict[str, Any]], handlers: Mapping[str, Callable[[World], None]]) -> Any:
    assert {case["id"] for case in cases} == set(handlers)
    return pytest.mark.parametrize("play", [pytest.param(handlers[case["id"]], id=case["id"]) for case in cases])


# --- unsubscribe.json ---------------------------------------------------------------------------------


def scanner(world: World) -> None:
    for person in (Person(), Person(cookies=False)):
        assert person.ask("GET", world.unsubscribe_url()).status == 200
    assert world.subscribed()
    assert world.decisions() == 0


def one_click(world: World) -> None:
    assert world.click().status == 200
    assert not world.subscribed()


def without_the_body(world: World) -> None:
    answer = world.click(body=b"")
    assert "Unsubscribe from activity digests?" in answer.text
    assert world.subscribed()
    assert Person().press(world.unsubscribe_url()).status == 200
    assert not world.subscribed()


def multipart(world: World) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
    kind = "multipart/form-data; boundary=b"
    assert Person(cookies=False).ask("POST", world.unsubscribe_url(), body, Content_Type=kind).status == 200
    assert not world.subscribed()


def twice(world: World) -> None:
    url = world.unsubscribe_url()
    assert [world.click(url).status for _ in range(2)] == [200, 200]
    assert not world.subscribed()
    assert world.decisions() == 1


def forged(world: World) -> None:
    url = Links(world.site, Signer([REMOVED])).unsubscribe(
        user_id=world.user, identity_key="ada@example.com", category="digest", notification_id=1, issued_at=clock.now()
    )
    assert world.click(url).status == 404
    assert world.subscribed()


def transactional(world: World) -> None:
    for category in ("security", "account"):
        assert world.click(world.unsubscribe_url(category)).status == 404
    assert world.decisions() == 0


def no_redirect(world: World) -> None:
    answer = world.click()
    assert 200 <= answer.status < 300
    assert answer.headers["Location"] is None


def three_years(world: World) -> None:
    assert world.click(world.unsubscribe_url(issued_at=clock.now() - timedelta(days=3 * 366))).status == 200
    assert not world.subscribed()


def queued_digest(world: World) -> None:
    pk = world.queue_digest()
    world.click()
    assert world.deliver(pk) == "skipped"


def verification_passes(world: World) -> None:
    world.click()
    assert world.resend() == "sent"


def suppression_beats(world: World) -> None:
    def page(email: str) -> tuple[int, str | None, str]:
        answer = Person().press(f"{world.site}/signup", f"{world.site}/resend", email=email)
        return answer.status, answer.headers["Location"], answer.text.replace(email, "")

    world.suppress(SuppressionReason.hard_bounce)
    assert world.resend() == "suppressed"
    assert page("ada@example.com") == page("nobody@example.com")


def again(world: World) -> None:
    assert Person().press(world.verify_url()).status == 200  # digests are for confirmed accounts
    undo(world)
    assert world.subscribed()
    assert world.deliver(world.queue_digest()) == "sent"
    # What a mail provider does: the address as it stands in the raw bytes of the mail.
    head = world.mails.accepted[-1].data.partition(b"\r\n\r\n")[0]
    listed = re.search(rb"^List-Unsubscribe: <(\S+)>\r$", head, re.MULTILINE)
    assert listed
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
    assert world.click(listed.group(1).decode()).status == 200
    assert not world.subscribed()


def again_after_a_complaint(world: World) -> None:
    before = undo(world)
    world.suppress(SuppressionReason.complaint)
    assert undo(world) == before
    assert world.deliver(world.queue_digest()) == "suppressed"


def undo(world: World) -> str:
    """Unsubscribe, change one's mind, and return the page that follows."""
    url = world.unsubscribe_url(issued_at=clock.now().replace(hour=0, minute=0, second=0, microsecond=0))
    assert world.click(url).status == 200
    answer = Person().press(url, f"{url}/undo")
    assert answer.status == 200
    return answer.text


@by_id(
    UNSUBSCRIBE,
    {
        "unsubscribe-001": scanner,
        "unsubscribe-002": one_click,
        "unsubscribe-003": without_the_body,
        "unsubscribe-004": multipart,
        "unsubscribe-005": twice,
        "unsubscribe-006": forged,
        "unsubscribe-007": transactional,
        "unsubscribe-008": no_redirect,
        "unsubscribe-009": three_years,
        "unsubscribe-010": queued_digest,
        "unsubscribe-011": verification_passes,
        "unsubscribe-012": suppression_beats,
        "unsubscribe-013": again,
        "unsubscribe-014": again_after_a_complaint,
    },
)
def test_unsubscribe_corpus(world: World, play: Callable[[World], None]) -> None:
    play(world)


# --- verify_token.json --------------------------------------------------------------------------------


def five_scanners(world: World) -> None:
    url = world.verify_url()
    with ThreadPoolExecutor(5) as pool:
        codes = [answer.status for answer in pool.map(lambda _: Person().ask("GET", url), range(5))]
    assert codes == [200] * 5
    assert not world.verified()
    assert Person().press(url).status == 200
    assert world.verified()


def head(world: World) -> None:
    assert Person().ask("HEAD", world.verify_url()).status == 200
    assert not world.verified()


def refused(world: World, url: str, status: int = 404) -> None:
    """Neither looking nor pressing does anything."""
    person = Person()
    assert person.ask("GET", url).status == status
    assert person.press(url).status == status
    assert not world.verified()


def another_purpose(world: World) -> None:
    unsubscribe, verify = world.unsubscribe_url().rpartition("/")[2], world.verify_url().rpartition("/")[2]
    refused(world, f"{world.site}/verify/{unsubscribe}")
    for door in ("u", "preferences"):
        assert Person().ask("GET", f"{world.site}/{door}/{verify}").status == 404
    assert world.click(f"{world.site}/u/{verify}").status == 404
    assert world.decisions() == 0


def retired_key(world: World) -> None:
    assert Person().press(world.verify_url(RETIRED)).status == 200
    assert world.verified()


def removed_key(world: World) -> None:
    refused(world, world.verify_url(REMOVED))


def flipped_bit(world: World) -> None:
    url = world.verify_url()
    for at in (-60, -50, -20, -1):
        char = chr(ord(url[at]) ^ 1)
        refused(world, url[:at] + char + url[at:][1:])


def padding(world: World) -> None:
    refused(world, world.verify_url() + "=")


def changed_address(world: World) -> None:
    url = world.verify_url()
    with world.app.app_context():
        user = db.session.get_one(User, world.user)
        user.email = user.identity_key = "grace@example.com"
        db.session.commit()
    refused(world, url)


@by_id(
    VERIFY,
    {
        "verify_token-004": five_scanners,
        "verify_token-005": head,
        "verify_token-008": another_purpose,
        "verify_token-009": retired_key,
        "verify_token-010": removed_key,
        "verify_token-011": flipped_bit,
        "verify_token-016": padding,
        "verify_token-018": changed_address,
    },
)
def test_verify_token_corpus(world: World, play: Callable[[World], None]) -> None:
    play(world)

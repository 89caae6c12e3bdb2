"""Misconfigurations, planted one by one: each is named by its rule, with its source and its cure, and no other is."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from notifier import clock
from notifier.emails import KINDS, Category, EmailKind, Owed
from notifier.extensions import db
from notifier.models import Consent, ProviderHold
from notifier.sender_auth import WebAnswer, WebUntrusted
from notifier.testing.applications import merge_templates
from notifier.testing.factories import make_campaign, make_notification, make_user
from tests.doctor.dns_mistakes import DNS
from tests.support.doctor import BASE, IP, Case, D, Setup, alarms, examined


class Letter(EmailKind):
    """An email of a category that people may refuse, whose templates a test writes."""

    name: ClassVar[str] = "letter"
    category: ClassVar[Category] = Category.news
    lifetime: ClassVar[timedelta] = timedelta(days=1)
    because: ClassVar[str] = "You're receiving this because a test wants you to."

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {}


HTML = '{% extends "_layout/base.html" %}{% block content %}<p>Hello</p>{% endblock %}'
TEXT = '{% extends "_layout/base.txt" %}{% block content %}Hello{% endblock %}'

TEMPLATES: list[tuple[str, dict[str, str], str, str]] = [
    (
        "template that fails",
        {"body.html": HTML.replace("Hello", "{{ nothing }}")},
        "email.renders",
        "correct its template",
    ),
    ("empty subject", {"subject.txt": "{{ '' }}"}, "email.subject", "write one in subject.txt"),
    (
        "too long for Gmail",
        {"body.html": HTML.replace("Hello", "Hello, and more. " * 7000)},
        "email.size",
        "shorten it",
    ),
    (
        "no link to unsubscribe",
        {"body.html": "<html><body>Hello</body></html>"},
        "unsubscribe.visible",
        "unsubscribe_url",
    ),
    ("nothing in the text", {"body.txt": "{{ '' }}"}, "email.renders", "correct its template"),
]

ONE_CLICK = ("POST", f"{BASE}/u/")
STRANGE_CFBL, WRONG_HOST = {"mail_cfbl_address": "fbl@other.example"}, {"public_url": "http://127.0.0.1:8000"}


def held() -> None:
    db.session.add(
        ProviderHold(
            key="smtp:microsoft",
            transport="smtp",
            scope="microsoft",
            held_since=clock.now(),
            phase="DATA",
            code=550,
            text="5.7.515 Access denied",
            next_probe_at=clock.now(),
        )
    )
    db.session.commit()


def settled(number: int, domain: str, status: str, **values: Any) -> None:
    """Rows that came to rest today."""
    start = len(people)
    for each in range(number):
        people.append(f"p{start + each}@{domain}")
        make_notification(make_user(people[-1]), "announcement", status=status, settled_at=clock.now(), **values)


people: list[str] = []


def clicked(answer: WebAnswer | Exception) -> Setup:
    return Setup().but(web={ONE_CLICK: answer})


def refused() -> None:
    settled(3, "gmail.com", "failed", last_code=550, last_enhanced="5.7.26", reason_code="refused")


def bounced() -> None:
    settled(180, "acme.org", "sent")
    settled(20, "acme.org", "failed", reason_code="address_refused")


def unsubscribed() -> None:
    """A newsletter three days after its recipient had unsubscribed."""
    user = make_user("late@example.com")
    asked = clock.now() - timedelta(days=4)
    db.session.add(Consent(user_id=user.id, category="news", wanted=False, how="one_click", at=asked))
    make_notification(user, "announcement", status="sent", settled_at=clock.now(), sent_at=asked + timedelta(days=3))


RUNNING: list[Case] = [
    ("PUBLIC_URL is this machine", Setup().but(settings=WRONG_HOST), {"links.public"}, "set PUBLIC_URL to the https"),
    (
        "PUBLIC_URL without https",
        Setup().but(settings={"public_url": "http://app.acme.example"}),
        {"links.public"},
        "https",
    ),
    (
        "the example's postal address",
        Setup().but(settings={"postal_address": "Notifier, 1 Example Street, Example Town"}),
        {"postal.address"},
        "set POSTAL_ADDRESS",
    ),
    ("complaints of another domain", Setup().but(settings=STRANGE_CFBL), {"cfbl.address"}, f"use an address at {D}"),
    (
        "one-click is redirected",
        clicked(WebAnswer(301, {"location": f"{BASE}/login"})),
        {"one-click.post"},
        "without a redirect",
    ),
    ("one-click needs a token", clicked(WebAnswer(403)), {"one-click.post"}, "without login, cookie, token"),
    ("one-click fails", clicked(WebAnswer(502)), {"one-click.post"}, "whether the proxy reaches it"),
    ("something else answers", clicked(WebAnswer(404)), {"one-click.post"}, "pass everything below PUBLIC_URL"),
    (
        "an expired certificate",
        clicked(WebUntrusted("certificate has expired")),
        {"one-click.certificate"},
        "renew the certificate",
    ),
    ("Microsoft holds us", Setup(prepare=held), {"provider.held"}, "SPF pass for the sending address"),
    ("Gmail refuses us", Setup(prepare=refused), {"provider.refuses"}, "support.google.com"),
    ("dead addresses", Setup(prepare=bounced), {"rate.bounces"}, "remove addresses that no one confirmed"),
    ("late unsubscribing", Setup(prepare=unsubscribed), {"unsubscribe.latency"}, "end the workers of older versions"),
]

PLANTED = [*DNS, *RUNNING]


@pytest.mark.parametrize(("setup", "rules", "cure"), [case[1:] for case in PLANTED], ids=[case[0] for case in PLANTED])
def test_a_planted_mistake_is_named_with_its_cure(
    setup: Setup, rules: set[str], cure: str, tmp_path: Path, database: str
) -> None:
    people.clear()
    found = alarms(examined(setup, tmp_path, database))
    assert {line["rule"] for line in found} == rules, found
    assert cure in " ".join(line["cure"] for line in found)
    assert all(line["source"] and line["detail"] and line["cure"] for line in found)


@pytest.mark.parametrize(
    ("files", "rule", "cure"), [case[1:] for case in TEMPLATES], ids=[case[0] for case in TEMPLATES]
)
def test_a_mistake_in_a_template_is_named_with_its_cure(
    files: dict[str, str], rule: str, cure: str, tmp_path: Path, database: str
) -> None:
    templates = merge_templates(tmp_path / "templates")
    ours = templates / "emails" / "letter"
    ours.mkdir()
    for name, text in ({"subject.txt": "A letter", "body.html": HTML, "body.txt": TEXT} | files).items():
        (ours / name).write_text(text)
    setup = Setup(kinds={**KINDS, "letter": Letter()}, templates=templates)
    (found,) = alarms(examined(setup, tmp_path, database))
    assert (found["rule"], found["name"], cure in found["cure"]) == (rule, "Email letter", True), found


def test_a_campaign_is_checked_with_its_own_content(tmp_path: Path, database: str) -> None:
    content = {"subject": "News", "heading": "News", "paragraphs": ["\U0001f600" * 1900] * 20}
    setup = Setup(prepare=lambda: make_campaign("long", settings=content))
    (found,) = alarms(examined(setup, tmp_path, database))
    assert (found["rule"], found["name"]) == ("email.size", "Campaign long")


def test_a_campaign_that_cannot_be_read_is_named(tmp_path: Path, database: str) -> None:
    setup = Setup(prepare=lambda: make_campaign("torn", settings={"subject": "News"}))
    (found,) = alarms(examined(setup, tmp_path, database))
    assert (found["rule"], found["name"]) == ("email.renders", "Campaign torn")


def test_a_transport_that_does_not_sign_beside_one_that_does(tmp_path: Path, database: str) -> None:
    (tmp_path / "t.toml").write_text('[[transport]]\nname = "backup"\nserver = "mx.backup.example"\nport = 25\n')
    setup = Setup().but(settings={"mail_transports": tmp_path / "t.toml"})
    (found,) = alarms(examined(setup, tmp_path, database))
    assert (found["rule"], "dkim_key_file" in found["cure"]) == ("dkim.transports", True)


def test_there_are_forty_and_more() -> None:
    assert len(PLANTED) + len(TEMPLATES) + 2 >= 40


def test_an_empty_database_does_not_keep_dns_from_being_checked(tmp_path: Path) -> None:
    lines = examined(replace(Setup(), words=("--ip", IP)), tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")
    assert {line["rule"] for line in alarms(lines)} == {"database.readable"}
    assert "dmarc.policy" in {line["rule"] for line in lines if line["level"] == "ok"}

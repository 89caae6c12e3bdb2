"""What Prometheus reads: every metric, in its format, from a cache, and nothing about people."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from notifier import ledger
from notifier.bounces.reasons import Reason
from notifier.consent import preferences
from notifier.extensions import db
from notifier.metrics.catalogue import METRICS, PREFIX, MetricKind, provider_label
from notifier.models import PaceState, ProviderHold, User
from notifier.observability import exposition, gauges
from notifier.services import services_of
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.mail_server import FakeMailServer
from tests.support.applications import NOON
from tests.support.feedback import event, take
from tests.support.metrics import scraped, value

pytestmark = pytest.mark.usefixtures("frozen")

#: An address, a name and a domain that belong into no metric.
CANARY = "canary-7f3a"
ADDRESS, DOMAIN = f"{CANARY}@{CANARY}.example", f"{CANARY}.example"


def text_of(app: Flask) -> str:
    services_of(app).recorder.flush()
    db.session.rollback()
    return services_of(app).exposition.render()[0].decode()


def test_every_metric_is_there_with_its_help_and_its_type(context: Flask) -> None:
    found = {family.name: family for family in text_string_to_metric_families(text_of(context))}
    for metric in METRICS:
        family = found[PREFIX + metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind.value, metric.help)
    assert len(found) == len(METRICS)


def test_help_says_which_numbers_a_kill_can_lose(context: Flask) -> None:
    helps = {metric.name: metric.help for metric in METRICS}
    for name in ("notifications_total", "unknown_total", "enqueued_total"):
        assert "equals the ledger" in helps[name]
    memory = [metric for metric in METRICS if metric.name.startswith("smtp_") or metric.kind is MetricKind.histogram]
    assert len(memory) == 5
    assert all("a killed one loses" in metric.help for metric in memory)


def test_openmetrics_is_written_for_who_asks_for_it(context: Flask) -> None:
    text, content_type = services_of(context).exposition.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_gauges_are_read_once_in_15_seconds(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real = gauges.readings

    def counting(*arguments: object, **values: object) -> list[gauges.Reading]:
        read.append(1)
        return real(*arguments, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(exposition, "readings", counting)
    at = [100.0]
    monkeypatch.setattr(exposition.time, "monotonic", lambda: at[0])
    for _ in range(3):
        text_of(context)
    assert len(read) == 1
    at[0] += 15
    text_of(context)
    assert len(read) == 2


@pytest.mark.parametrize(
    ("scope", "label"),
    [
        ("gmail.com", "gmail"), ("gmail", "gmail"), ("hotmail.com", "microsoft"), ("yahoo.com", "yahoo"),
        ("icloud.com", "apple"), ("example.org", "other"), (None, "other"), ("", "other"),
    ],
)  # fmt: skip
def test_a_provider_is_one_of_five_names(scope: str | None, label: str) -> None:
    assert provider_label(scope) == label


def test_no_address_name_or_domain_is_in_any_metric(context: Flask) -> None:
    """All that has labels happens to a person who can be told from all others."""
    person = User(email=ADDRESS, identity_key=ADDRESS, display_name=f"Mrs {CANARY}")
    db.session.add(person)
    db.session.flush()
    rows = [
        ledger.add(
            db.session(),
            kind="verification",
            user=person,
            dedupe_key=f"{CANARY}:{number}",
            now=NOON,
            grace=timedelta(0),
        )
        for number in range(2)
    ]
    db.session.commit()
    accepted, refused = (row.id for row in rows)
    server = FakeMailServer().attach(context)
    services_of(context).sender.deliver([accepted])
    (handed,) = server.handed
    said = f"550 5.1.1 <{ADDRESS}>: no such user at {DOMAIN}"
    FakeMailServer(Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", said)).attach(context)
    services_of(context).sender.deliver([refused])
    notifier_id = handed.message.notifier_id
    take(context, event(notifier_id, text=said), event(notifier_id, Reason.ABUSE, recipient=ADDRESS))
    take(context, event("", recipient=ADDRESS, text=said))
    preferences.decide_all(db.session(), person.id, False, how=preferences.How.page)
    hold = {"key": f"smtp:{DOMAIN}", "transport": "smtp", "scope": DOMAIN, "held_since": NOON, "phase": "mail"}
    db.session.execute(insert(ProviderHold).values(**hold, text=said, next_probe_at=NOON))
    db.session.add(PaceState(key=f"domain:{DOMAIN}", until=NOON, level=1))
    db.session.commit()

    text = text_of(context)
    assert CANARY not in text
    shown = scraped(context)
    assert shown["notifier_complaints_total"][(("provider", "other"),)] == 1
    assert shown["notifier_bounces_total"] == {
        (("class", "hard"), ("source", "email")): 2, (("class", "hard"), ("source", "smtp")): 1,
    }  # fmt: skip
    assert value(context, "smtp_replies_total", transport="smtp", phase="rcpt", **{"class": "5xx"}, provider="other")
    assert value(context, "held", scope="other", reason="provider_refuses") == 1
    assert sum(shown["notifier_unsubscribes_total"].values()) >= 1
    assert not re.search(r"[^ ]@[^ ]", text)

"""`notifier suppressions rejudge`: stored replies through today's rules."""

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.bounces.reading import read
from notifier.consent import suppressions
from notifier.consent.suppressions import Said
from notifier.extensions import db
from notifier.feedback import rejudging
from notifier.feedback.events import of_email
from notifier.models import AuditEntry, Suppression, SuppressionReason
from notifier.testing.mail_server import UNKNOWN_USER
from tests.support.applications import NOON
from tests.support.commands import Run
from tests.support.feedback import send, suppression, take

DATA = Path(__file__).parent.parent / "data"
ROWS = [line.split("\t") for line in (DATA / "bounces" / "expected.tsv").read_text().splitlines()[1:]]
HARD = [row[0] for row in ROWS if row[2] == "hard"]


def suppress(address: str, reply: str, *, reason: SuppressionReason = SuppressionReason.hard_bounce) -> None:
    said = Said(550, "5.1.1", reply, 0)
    suppressions.add(db.session(), address, reason=reason, source="email", evidence=reply, said=said)
    db.session.commit()


def test_replies_that_say_something_else_come_back(context: Flask, run: Run) -> None:
    suppress("full@example.com", "mailbox is full")
    suppress("gone@example.com", "no such user")
    suppress("angry@example.com", "mailbox is full", reason=SuppressionReason.complaint)
    suppress("banned@example.com", "mailbox is full", reason=SuppressionReason.manual)
    found = json.loads(run("suppressions", "rejudge", "--dry-run", "--json").output)
    assert found == {
        "found": [
            {
                "address": "full@example.com",
                "reply": "550 5.1.1 mailbox is full",
                "rule_version": 0,
                "reason": "mailbox_full",
                "why": "The mailbox is full.",
            }
        ],
        "lifted": 0,
    }
    assert suppression("full@example.com") is not None
    assert run("suppressions", "rejudge", input="n\n").exit_code == 1
    done = run("suppressions", "rejudge", input="y\n")
    assert "Would come back: 1; suppressions removed: 1." in done.output
    assert db.session.scalars(select(Suppression.identity_key).order_by(Suppression.id)).all() == [
        "gone@example.com", "angry@example.com", "banned@example.com"
    ]  # fmt: skip
    (entry,) = db.session.scalars(select(AuditEntry)).all()
    assert (entry.action, entry.actor) == ("suppression.lifted", "command line")
    assert "example.com" not in str((entry.before, entry.after))
    assert "removed: 0" in run("suppressions", "rejudge", "--yes").output


def test_erased_addresses_and_those_without_a_reply_stay(context: Flask, run: Run) -> None:
    suppress("full@example.com", "mailbox is full")
    suppress("silent@example.com", "")
    suppressions.conceal(db.session(), "full@example.com", ["k" * 32])
    db.session.commit()
    assert json.loads(run("suppressions", "rejudge", "--json", "--yes").output) == {"found": [], "lifted": 0}


@pytest.mark.parametrize("name", HARD)
def test_a_reply_that_suppresses_today_still_does_so_as_it_is_stored(sqlite_app: Flask, name: str) -> None:
    with sqlite_app.app_context():
        message = send(sqlite_app)
        data = (DATA / "bounces" / f"{name}.eml").read_bytes()
        to = message.envelope_sender
        take(sqlite_app, of_email(data, read(data, to), envelope_to=to, received_at=NOON))
        assert suppression(message.recipient) is not None

        assert list(rejudging.look(db.session())) == []


def test_a_reply_of_our_own_dialogue_is_stored_too(context: Flask, run: Run) -> None:
    message = send(context, answer=UNKNOWN_USER)
    found = suppression(message.recipient)
    assert found is not None
    assert (found.source, found.code, found.enhanced, found.reply) == ("smtp", 550, "5.1.1", "no such user")
    assert json.loads(run("suppressions", "rejudge", "--json", "--yes").output)["found"] == []

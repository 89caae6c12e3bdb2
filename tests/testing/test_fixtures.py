"""The public fixtures: what an application would send, without a broker and without a mail server."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from notifier import clock
from notifier.config.settings import ConfigError
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Notification, Status, Suppression, User
from notifier.services import services
from notifier.testing.browse import Visitor
from notifier.testing.clocks import NOON
from notifier.testing.factories import SLOT, make_campaign, make_notification, make_people, make_user
from notifier.testing.mail_server import BUSY, UNKNOWN_USER, FakeMailServer
from notifier.testing.settings import make_settings
from notifier.testing.smtp_server import SmtpServer

pytest_plugins = ["notifier.testing.fixtures"]


def status_of(key: int) -> str:
    db.session.rollback()
    return db.session.get_one(Notification, key, populate_existing=True).status


def test_a_sign_up_sends_the_verification_email(notifier_app: Flask, emails: FakeMailServer) -> None:
    visitor = Visitor(notifier_app)
    assert visitor.sign_up("ada@example.com", "Ada").status_code == 303
    [email] = emails.to("ada@example.com")
    assert emails.sent == [email]
    assert email.subject == "Confirm your email address for Notifier"
    assert email.text.startswith("Hello,")  # an address that is not confirmed yet gets no name
    [link] = re.findall(r"http://notifier\.test(/verify/\S+)", email.text)
    assert link in email.html
    assert visitor.post(link, {"csrf_token": visitor.token(link)}).status_code in {200, 303}
    db.session.rollback()
    user = db.session.query(User).one()
    assert user.verified_at is not None


def test_a_campaign_sends_in_the_same_test(
    notifier_app: Flask, emails: FakeMailServer, frozen_clock: time_machine.Traveller
) -> None:
    make_people(3)
    make_campaign()
    services().tick.run()
    assert [email.recipient for email in emails.sent] == [f"user{number}@example.com" for number in (1, 2, 3)]
    assert {email.subject for email in emails.sent} == {"News"}
    assert len(emails.sent[0].headers) > 0


def test_the_server_answers_as_told(notifier_app: Flask, emails: FakeMailServer) -> None:
    emails.answers |= {"busy@example.com": BUSY, "example.net": UNKNOWN_USER}
    busy, gone, fine = (
        make_notification(make_user(address)) for address in ("busy@example.com", "ada@example.net", "bo@example.com")
    )
    assert [status_of(key) for key in (busy, gone, fine)] == [Status.pending, Status.failed, Status.sent]
    assert [email.recipient for email in emails.sent] == ["bo@example.com"]
    assert [each.message.recipient for each in emails.handed] == [
        "busy@example.com", "ada@example.net", "bo@example.com",
    ]  # fmt: skip
    assert db.session.query(Suppression).count() == 1
    emails.forget()
    services().sender.deliver([busy])
    assert emails.handed == []  # it is not due yet


def test_the_clock_moves_only_by_the_test(frozen_clock: time_machine.Traveller) -> None:
    assert clock.now() == NOON
    frozen_clock.shift(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1) == SLOT + timedelta(hours=4)


def test_an_error_of_a_worker_fails_the_test(pytester_like: Callable[[str], str]) -> None:
    output = pytester_like("""
        from notifier.services import services
        from notifier.testing.factories import make_notification, make_user

        def test_it(notifier_app, emails, monkeypatch):
            monkeypatch.setattr(services().sender, "deliver", lambda *_, **__: 1 / 0)
            make_notification(make_user())
    """)
    assert "the work of a worker failed" in output
    assert "1 passed, 1 error" in output


def test_an_email_that_cannot_be_rendered_fails_the_test(pytester_like: Callable[[str], str]) -> None:
    output = pytester_like("""
        import pytest
        from notifier.emails import KINDS
        from notifier.emails.verification import Verification
        from notifier.testing.factories import make_notification, make_user

        class Broken(Verification):
            def context(self, owed):
                raise KeyError("order")

        @pytest.fixture
        def notifier_kinds():
            return {**KINDS, "verification": Broken()}

        def test_it(notifier_app, emails):
            make_notification(make_user())
    """)
    assert "the email verification could not be rendered" in output
    assert "1 passed, 1 error" in output


def test_a_setting_that_does_not_exist_is_named() -> None:
    with pytest.raises(TypeError, match="there is no setting mail_portt"):
        make_settings(mail_portt=1)


def test_a_value_that_cannot_be_used_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^PUBLIC_URL: [^\n]+$"):
        make_settings(public_url="shop")


class TestOverAWire:
    """With a real socket, the whole conversation is in the test."""

    @pytest.fixture
    def notifier_settings(self, smtp_server: SmtpServer) -> dict[str, Any]:
        return {"mail_server": smtp_server.host, "mail_port": smtp_server.port, "mail_suppress_send": False}

    def test_the_email_arrives(self, notifier_app: Flask, smtp_server: SmtpServer) -> None:
        key = make_notification(make_user())
        assert status_of(key) == Status.sent
        [email] = smtp_server.accepted
        assert email.rcpt_to == ("ada@example.com",)
        assert b"Confirm your email address" in email.data

    def test_a_refusal_ends_it(self, notifier_app: Flask, smtp_server: SmtpServer) -> None:
        smtp_server.rcpt["ada@example.com"] = "550 5.1.1 User unknown"
        assert status_of(make_notification(make_user())) == Status.failed
        assert smtp_server.accepted == []


def test_kinds_are_ours_unless_overridden(notifier_app: Flask) -> None:
    assert services().kinds == KINDS

"""What the public forms asked for: handled once, in order, and never lost."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog.testing
import time_machine
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts import erasure
from notifier.accounts.requests import ENQUEUE_AGAIN, AccountRequests, Requeued
from notifier.accounts.signup import Accounts, Applicant
from notifier.extensions import db
from notifier.mail.addresses import parse_address
from notifier.models import AccountAction, AccountRequest, Notification, User
from notifier.models.account_request import RETRY_AFTER
from notifier.observability import healthcheck
from notifier.operators.audit_log import SYSTEM
from notifier.retention import purge
from notifier.services import services_of
from tests.support.applications import NOON, make_user

pytestmark = pytest.mark.usefixtures("frozen")

KEYS = ["test-key-that-is-long-enough-for-everything"]
GRACE = timedelta(seconds=5)


@pytest.fixture
def published() -> list[int]:
    """The keys that the broker took."""
    return []


@pytest.fixture
def app(make_app: Callable[..., Flask], published: list[int]) -> Flask:
    return make_app(
        publish=lambda keys, bulk: None,
        publish_requests=lambda keys, bulk: published.extend(keys),
        ratelimit_enabled=True,
    )


@pytest.fixture
def requests(context: Flask) -> AccountRequests:
    return services_of(context).account_requests


def ask(requests: AccountRequests, address: str, name: str = "", action: AccountAction = AccountAction.signup) -> int:
    """Store a request as a form does. Return its key."""
    requests.add(db.session(), action, Applicant(parse_address(address), display_name=name, network="10.0.0.0/24"))
    db.session.commit()
    return waiting()[-1]


def waiting() -> list[int]:
    found = list(db.session.scalars(select(AccountRequest.id).order_by(AccountRequest.id)))
    db.session.rollback()
    return found


def names() -> dict[str, str]:
    found = {user.email: user.display_name for user in db.session.scalars(select(User))}
    db.session.rollback()
    return found


def emails() -> list[str]:
    found = list(db.session.scalars(select(Notification.recipient).order_by(Notification.id)))
    db.session.rollback()
    return found


def fail_for(monkeypatch: pytest.MonkeyPatch, address: str, error: BaseException) -> None:
    """Registering this address raises after it has changed something."""
    register = Accounts.register

    def broken(self: Accounts, session: Session, applicant: Applicant) -> None:
        register(self, session, applicant)
        if applicant.address.envelope == address:
            raise error

    monkeypatch.setattr(Accounts, "register", broken)


def finding() -> healthcheck.HealthCheck:
    report = {line.name: line for line in healthcheck.examine(db.session(), clock.now())}
    db.session.rollback()
    return report["sign-up requests"]


def test_a_commit_enqueues_it_and_handling_it_twice_is_handling_it_once(
    requests: AccountRequests, published: list[int]
) -> None:
    key = ask(requests, "Ada@example.com", "Ada")
    assert published == [key]
    assert names() == {}
    for _ in range(2):
        requests.handle(key)
    assert names() == {"Ada@example.com": "Ada"}
    assert (emails(), waiting()) == (["Ada@example.com"], [])


def test_what_is_rolled_back_is_never_enqueued(requests: AccountRequests, published: list[int]) -> None:
    requests.add(db.session(), AccountAction.signup, Applicant(parse_address("ada@example.com")))
    db.session.rollback()
    assert (published, waiting()) == ([], [])


def test_a_resend_for_an_unknown_address_leaves_nothing_behind(requests: AccountRequests) -> None:
    requests.handle(ask(requests, "nobody@example.com", action=AccountAction.resend))
    assert (names(), emails(), waiting()) == ({}, [], [])


def test_a_resend_sends_what_the_account_is_owed(requests: AccountRequests) -> None:
    make_user("ada@example.com", verified_at=None)
    requests.handle(ask(requests, "Ada@Example.com", action=AccountAction.resend))
    assert (emails(), waiting()) == (["ada@example.com"], [])


def test_requests_for_one_person_are_handled_in_their_order_whichever_is_called_first(
    requests: AccountRequests,
) -> None:
    ask(requests, "ada@example.com", "first")
    other = ask(requests, "bo@example.com", "Bo")
    last = ask(requests, "ADA@example.com", "last")
    requests.handle(last)
    assert names() == {"ada@example.com": "last"}
    assert waiting() == [other]


def test_a_worker_that_is_killed_in_between_has_done_nothing(
    requests: AccountRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ask(requests, "ada@example.com", "Ada")
    with monkeypatch.context() as patch:
        fail_for(patch, "ada@example.com", SystemExit())
        with pytest.raises(SystemExit):
            requests.handle(key)
    assert (names(), emails(), waiting()) == ({}, [], [key])
    requests.handle(key)
    assert (emails(), waiting()) == (["ada@example.com"], [])


def test_what_another_worker_handles_is_passed_over_together_with_what_comes_after_it(
    requests: AccountRequests, context: Flask
) -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("there one transaction writes at a time")
    first, second = ask(requests, "ada@example.com", "first"), ask(requests, "ada@example.com", "second")
    with Session(db.engine) as other:
        other.scalars(select(AccountRequest).where(AccountRequest.id == first).with_for_update()).one()
        requests.handle(second)
        assert (names(), waiting()) == ({}, [first, second])


def test_two_workers_at_once_do_everything_once(requests: AccountRequests, context: Flask) -> None:
    keys = [ask(requests, "ada@example.com", f"name {number}") for number in range(6)]
    start = threading.Barrier(len(keys))

    def work(key: int) -> None:
        with context.app_context():
            start.wait(10)
            requests.handle(key)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (names(), emails(), waiting()) == ({"ada@example.com": "name 5"}, ["ada@example.com"], [])


def test_an_error_is_counted_tried_again_and_stops_no_other(
    requests: AccountRequests, monkeypatch: pytest.MonkeyPatch, frozen: time_machine.Traveller, published: list[int]
) -> None:
    poison, other = ask(requests, "poison@example.com"), ask(requests, "ada@example.com")
    with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:
        fail_for(patch, "poison@example.com", ValueError("poison@example.com is wrong"))
        for key in (poison, other):
            requests.handle(key)
        assert (names(), waiting()) == ({"ada@example.com": ""}, [poison])
        published.clear()
        for pause in RETRY_AFTER:
            assert requests.sweep() == Requeued(0, 0)
            frozen.shift(pause)
            assert requests.sweep() == Requeued(1, 0)
            requests.handle(poison)
    assert [line["event"] for line in logs] == ["account_request.failed"] * 4 + ["account_request.given_up"]
    assert "poison@" not in str(logs)
    assert published == [poison] * 4
    frozen.shift(timedelta(days=1))
    assert requests.sweep() == Requeued(0, 0)
    requests.handle(poison)
    assert waiting() == [poison]
    assert (finding().ok, finding().figures["failed"]) == (False, 1)

    assert requests.retry_failed() == 1
    assert requests.sweep() == Requeued(1, 0)
    requests.handle(poison)
    assert (waiting(), finding().ok) == ([], True)
    assert "poison@example.com" in names()


def test_a_later_request_of_a_person_waits_behind_one_that_failed_and_not_behind_one_that_was_given_up(
    requests: AccountRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_for(patch, "Ada@example.com", ValueError())
        first, second = ask(requests, "Ada@example.com"), ask(requests, "ada@example.com")
        for _ in RETRY_AFTER:
            requests.handle(second)
            assert (names(), waiting()) == ({}, [first, second])
        requests.handle(first)
        requests.handle(second)
    assert (names(), waiting()) == ({"ada@example.com": ""}, [first])


def test_a_database_that_is_away_is_no_fault_of_the_request(
    requests: AccountRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ask(requests, "ada@example.com")
    error = OperationalError("SELECT 1", {}, ConnectionError(), connection_invalidated=True)
    with monkeypatch.context() as patch:
        fail_for(patch, "ada@example.com", error)
        with pytest.raises(OperationalError):
            requests.handle(key)
    assert db.session.get_one(AccountRequest, key).attempts == 0


def test_the_sweep_enqueues_what_no_worker_picked_up_once_in_a_while(
    requests: AccountRequests, frozen: time_machine.Traveller, published: list[int]
) -> None:
    keys = [ask(requests, f"user{number}@example.com") for number in range(3)]
    published.clear()
    assert requests.sweep() == Requeued(0, 0)
    frozen.shift(GRACE)
    assert [requests.sweep(), requests.sweep()] == [Requeued(3, 0), Requeued(0, 0)]
    assert published == keys
    frozen.shift(ENQUEUE_AGAIN)
    assert requests.sweep() == Requeued(3, 0)


def test_what_no_broker_took_is_enqueued_by_the_next_sweep(
    requests: AccountRequests, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(requests, "ada@example.com")
    frozen.shift(GRACE)
    with monkeypatch.context() as patch:
        patch.setattr(requests, "_publish", lambda keys: False)
        assert requests.sweep() == Requeued(0, 1)
    assert requests.sweep() == Requeued(1, 0)


def test_a_broker_that_is_away_neither_fails_nor_loses_a_request(make_app: Callable[..., Flask]) -> None:
    def away(keys: object, bulk: bool) -> None:
        raise ConnectionRefusedError

    app = make_app(publish=lambda keys, bulk: None, publish_requests=away)
    with app.app_context():
        key = ask(services_of(app).account_requests, "ada@example.com")
        assert waiting() == [key]
    assert services_of(app).request_outbox.left_to_sweep == 1


def test_health_says_when_requests_wait_for_too_long(requests: AccountRequests, frozen: time_machine.Traveller) -> None:
    assert finding().figures == {"waiting": 0, "oldest_seconds": 0, "failed": 0}
    ask(requests, "ada@example.com")
    assert (finding().ok, finding().figures["waiting"]) == (True, 1)
    frozen.shift(timedelta(seconds=301))
    assert (finding().ok, finding().figures["oldest_seconds"]) == (False, 301)


def test_erasing_a_person_removes_what_they_asked_for(requests: AccountRequests) -> None:
    ask(requests, "ADA@example.com")
    other = ask(requests, "bo@example.com")
    erasure.erase(db.session(), make_user("ada@example.com"), keys=KEYS, by=SYSTEM)
    db.session.commit()
    assert waiting() == [other]


def test_a_request_that_cannot_be_handled_is_kept_for_a_week(
    requests: AccountRequests, frozen: time_machine.Traveller
) -> None:
    ask(requests, "ada@example.com")
    done: dict[str, Any] = purge(db.session)
    assert done["account_requests"] == 0
    frozen.move_to(NOON + timedelta(days=7, seconds=1))
    assert purge(db.session)["account_requests"] == 1
    assert waiting() == []


def test_a_known_provider_does_not_wait_behind_a_flood(requests: AccountRequests) -> None:
    flood = [ask(requests, f"p{number}@flood.example.org") for number in range(3)]
    ask(requests, "ada@gmail.com")
    requests.handle(flood[0])
    assert emails() == ["ada@gmail.com", "p0@flood.example.org"]
    assert waiting() == flood[1:]


def test_emails_go_out_when_the_request_and_the_one_before_it_are_decided(requests: AccountRequests) -> None:
    """A mail server that hangs with the first email must not delay the decision about the second."""
    flood = ask(requests, "p0@flood.example.org")
    ask(requests, "ada@gmail.com")
    stored: list[list[str]] = []
    requests.handle(flood, then=lambda: stored.append(emails()))
    assert stored == [["ada@gmail.com", "p0@flood.example.org"]]


def test_a_known_provider_is_served_by_a_message_whose_own_request_is_gone(requests: AccountRequests) -> None:
    gone = ask(requests, "p0@flood.example.org")
    requests.handle(gone)
    ask(requests, "ada@gmail.com")
    stored: list[list[str]] = []
    requests.handle(gone, then=lambda: stored.append(emails()))
    assert (stored, waiting()) == ([["p0@flood.example.org", "ada@gmail.com"]], [])


def test_what_others_left_while_a_request_went_first_is_handled_after_it(requests: AccountRequests) -> None:
    flood = ask(requests, "p0@flood.example.org")
    ask(requests, "ada@gmail.com", "first")
    later: list[int] = []

    def ask_again() -> None:
        if not later:
            later.append(ask(requests, "ada@gmail.com", "second"))

    requests.handle(flood, then=ask_again)
    assert (names()["ada@gmail.com"], waiting()) == ("second", [])


def test_a_failed_request_at_a_known_provider_waits_for_its_next_try(
    requests: AccountRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ask(requests, "ada@gmail.com")
    with monkeypatch.context() as patch:
        patch.setattr(Accounts, "register", lambda *_: 1 / 0)
        requests.handle(failing)
    later = ask(requests, "ada@gmail.com", "Ada")
    other = ask(requests, "p0@flood.example.org")
    requests.handle(other)
    assert (emails(), waiting()) == (["p0@flood.example.org"], [failing, later])

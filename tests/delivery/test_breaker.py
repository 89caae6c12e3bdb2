"""The breaker: one hold for all workers, one alert, one probe at a time, nothing for ever."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select

from notifier import clock
from notifier.delivery.throttle import breaker as breaker_module
from notifier.delivery.throttle.breaker import Breaker, Go, HoldChange, Probe, Wait
from notifier.extensions import db
from notifier.models import TransportState
from notifier.observability import healthcheck
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from tests.support.applications import NOON

ACCEPTED = Outcome(Decision.ACCEPTED, Phase.EOD, Scope.MESSAGE, 250, "2.0.0", "queued")
HOLD = Outcome(Decision.HOLD, Phase.AUTH, Scope.TRANSPORT, 535, "5.7.8", "bad credentials")
BUSY = Outcome(Decision.THROTTLE, Phase.BANNER, Scope.TRANSPORT, 421, "4.3.2", "try later")


def breaker() -> Breaker:
    """As another process has it: with nothing remembered."""
    return Breaker(db.session, fresh=0)


def ask(name: str = "smtp") -> Go | Probe | Wait:
    return breaker().ask(name, clock.now())


def report(outcome: Outcome, probe: Probe | None = None) -> HoldChange | None:
    return breaker().report("smtp", outcome, clock.now(), probe=probe)


def probing() -> Probe:
    answer = ask()
    assert isinstance(answer, Probe)
    return answer


def row() -> TransportState:
    db.session.rollback()
    return db.session.scalars(select(TransportState).where(TransportState.name == "smtp")).one()


def held(frozen: time_machine.Traveller) -> Probe:
    """A hold whose first probe is ours."""
    report(HOLD)
    frozen.shift(timedelta(seconds=60))
    return probing()


@contextmanager
def counted() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


def test_a_transport_that_never_failed_is_open(context: Flask, frozen: time_machine.Traveller) -> None:
    assert ask() == Go()


def test_the_hot_path_costs_no_query(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = Breaker(db.session)
    ours.ask("smtp", clock.now())
    with counted() as statements:
        for _ in range(100):
            assert ours.ask("smtp", clock.now()) == Go()
            ours.report("smtp", ACCEPTED, clock.now())
            ours.report("smtp", BUSY, clock.now())
    assert statements == []


def test_open_is_remembered_for_a_second_only(
    context: Flask, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(breaker_module, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    ours = Breaker(db.session)
    assert ours.ask("smtp", clock.now()) == Go()
    report(HOLD)
    moment[0] += 0.9
    assert ours.ask("smtp", clock.now()) == Go()
    moment[0] += 0.2
    assert isinstance(ours.ask("smtp", clock.now()), Wait)


def test_a_hold_is_for_all_workers_and_for_this_transport_alone(context: Flask, frozen: time_machine.Traveller) -> None:
    assert report(HOLD) is HoldChange.held
    assert ask() == Wait(NOON + timedelta(seconds=60))
    assert ask("other") == Go()


def test_who_opens_a_hold_knows_at_once(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = Breaker(db.session)
    ours.ask("smtp", clock.now())
    ours.report("smtp", HOLD, clock.now())
    assert isinstance(ours.ask("smtp", clock.now()), Wait)


def test_one_alert_for_each_hold_with_the_reason_and_no_address(
    context: Flask, frozen: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    text = 'Relay access denied for <Ada@Example.com>, "a b"@example.org and eve@xn--p1ai (spf)'
    refused = Outcome(Decision.HOLD, Phase.RCPT, Scope.TRANSPORT, 554, "5.7.1", text)
    assert [report(refused) for _ in range(3)] == [HoldChange.held, None, None]
    (alert,) = [record for record in caplog.records if "transport.held" in record.getMessage()]
    assert alert.levelno == logging.ERROR
    assert "554" in alert.getMessage()
    assert "Relay access denied" in alert.getMessage()
    assert "@" not in alert.getMessage()
    assert "example" not in alert.getMessage().lower()
    assert (row().phase, row().code, row().alerted_at) == ("rcpt", 554, NOON)
    assert "@" not in (row().text or "")


def test_a_second_hold_alerts_again(
    context: Flask, frozen: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    report(ACCEPTED, held(frozen))
    report(HOLD)
    assert sum("transport.held" in record.getMessage() for record in caplog.records) == 2


def test_probes_come_after_1_2_4_5_and_5_minutes(context: Flask, frozen: time_machine.Traveller) -> None:
    report(HOLD)
    for seconds in (60, 120, 240, 300, 300):
        due = clock.now() + timedelta(seconds=seconds)
        assert ask() == Wait(due)
        frozen.shift(timedelta(seconds=seconds) - timedelta(milliseconds=1))
        assert ask() == Wait(due)
        frozen.shift(timedelta(milliseconds=1))
        assert report(HOLD, probing()) is None
    assert row().held_since == NOON


def test_the_interval_counts_from_the_answer_of_the_probe(context: Flask, frozen: time_machine.Traveller) -> None:
    probe = held(frozen)
    frozen.shift(timedelta(seconds=50))
    report(HOLD, probe)
    assert ask() == Wait(clock.now() + timedelta(seconds=120))


def test_a_probe_that_gets_through_resumes_at_once(
    context: Flask, frozen: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    probe = held(frozen)
    frozen.shift(timedelta(seconds=2))
    assert report(ACCEPTED, probe) is HoldChange.resumed
    assert ask() == Go()
    assert (row().held_since, row().text, row().last_accepted_at) == (None, None, NOON + timedelta(seconds=62))
    (line,) = [record.getMessage() for record in caplog.records if "transport.resumed" in record.getMessage()]
    assert "held_seconds=62" in line


@pytest.mark.parametrize(
    ("decision", "scope", "code", "open_again"),
    [
        (Decision.RETRY, Scope.RECIPIENT, 450, True),
        (Decision.FAIL, Scope.RECIPIENT, 552, True),
        (Decision.BOUNCE, Scope.RECIPIENT, 550, True),
        (Decision.UNKNOWN, Scope.MESSAGE, None, True),
        (Decision.THROTTLE, Scope.DOMAIN, 421, True),
        (Decision.THROTTLE, Scope.TRANSPORT, 421, False),
        (Decision.HOLD, Scope.SENDER, 550, False),
    ],
)
def test_what_a_probe_proves(
    sqlite_app: Flask,
    frozen: time_machine.Traveller,
    decision: Decision,
    scope: Scope,
    code: int | None,
    open_again: bool,
) -> None:
    with sqlite_app.app_context():
        report(Outcome(decision, Phase.RCPT, scope, code), held(frozen))
        assert ask() == (Go() if open_again else Wait(clock.now() + timedelta(seconds=120)))


def test_mails_that_were_under_way_end_no_hold(context: Flask, frozen: time_machine.Traveller) -> None:
    report(HOLD)
    assert report(ACCEPTED) is None
    assert isinstance(ask(), Wait)


def test_a_probe_that_never_reports_costs_one_interval(context: Flask, frozen: time_machine.Traveller) -> None:
    lost = held(frozen)
    assert ask() == Wait(clock.now() + timedelta(seconds=120))
    frozen.shift(timedelta(seconds=120))
    second = probing()
    report(HOLD, lost)  # later than anybody waits for
    assert row().next_probe_at == clock.now() + timedelta(seconds=240)
    assert report(ACCEPTED, second) is HoldChange.resumed


def test_a_late_probe_of_an_earlier_hold_says_nothing_of_this_one(
    context: Flask, frozen: time_machine.Traveller
) -> None:
    late = held(frozen)
    frozen.shift(timedelta(seconds=120))
    report(ACCEPTED, probing())
    frozen.shift(timedelta(seconds=1))
    report(HOLD)
    assert report(ACCEPTED, late) is None
    assert isinstance(ask(), Wait)


def test_a_probe_without_a_mail_goes_to_the_next_who_asks(context: Flask, frozen: time_machine.Traveller) -> None:
    breaker().unused(held(frozen), clock.now())
    report(Outcome(Decision.FAIL, Phase.MAIL, Scope.MESSAGE, text="not built: bad header"), probing())
    assert isinstance(ask(), Probe)


def test_the_last_acceptance_before_a_hold_is_kept(context: Flask, frozen: time_machine.Traveller) -> None:
    ours = breaker()
    ours.report("smtp", ACCEPTED, clock.now())
    frozen.shift(timedelta(seconds=5))
    ours.report("smtp", HOLD, clock.now())
    assert row().last_accepted_at == NOON


def test_of_racing_workers_one_opens_and_one_probes(app: Flask) -> None:
    start = threading.Barrier(6)
    changes: list[HoldChange | None] = []
    answers: list[object] = []

    def race() -> None:
        with app.app_context():
            start.wait()
            changes.append(breaker().report("smtp", HOLD, NOON))
            start.wait()
            answers.append(breaker().ask("smtp", NOON + timedelta(seconds=60)))

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, changes)) == ["None"] * 5 + ["held"]
    assert [type(answer) for answer in answers].count(Probe) == 1
    assert [type(answer) for answer in answers].count(Wait) == 5


def test_ten_minutes_of_refused_credentials_resume_within_five(
    context: Flask, frozen: time_machine.Traveller, caplog: pytest.LogCaptureFixture
) -> None:
    ours = Breaker(db.session, fresh=0)
    sent: list[datetime] = []
    for second in range(0, 1200, 5):
        answer = ours.ask("smtp", clock.now())
        if not isinstance(answer, Wait):
            works = second >= 600
            probe = answer if isinstance(answer, Probe) else None
            ours.report("smtp", ACCEPTED if works else HOLD, clock.now(), probe=probe)
            sent += [clock.now()] if works else []
        frozen.shift(timedelta(seconds=5))
    assert sent[0] <= NOON + timedelta(seconds=900)
    assert len(sent) == (1200 - (sent[0] - NOON).total_seconds()) / 5
    assert sum("transport.held" in record.getMessage() for record in caplog.records) == 1


def test_a_database_that_fails_does_not_reach_the_mail(context: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE notifier_transports RENAME TO elsewhere")
    try:
        assert report(HOLD) is None
    finally:
        with db.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO notifier_transports")
    assert "transport.report_failed" in caplog.text
    assert report(HOLD) is HoldChange.held


def test_health_names_a_held_transport(context: Flask, frozen: time_machine.Traveller) -> None:
    assert not [line for line in healthcheck.examine(db.session(), clock.now()) if "transport" in line.name]
    report(HOLD)
    frozen.shift(timedelta(seconds=30))
    (found,) = [line for line in healthcheck.examine(db.session(), clock.now()) if "transport" in line.name]
    assert (found.name, found.ok) == ("transport smtp", False)
    assert found.detail == (
        "held since 2026-11-20 12:00:00 UTC (30 seconds): while signing in: 535 bad credentials; "
        "next probe at 2026-11-20 12:01:00 UTC"
    )

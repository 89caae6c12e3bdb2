"""What came back by provider: each email once, whatever number of events it has. On both databases."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import event as events

from notifier import clock
from notifier.bounces.reasons import Reason
from notifier.extensions import db
from notifier.models import DomainProvider, Effect
from notifier.observability.came_back import Refusal, Returned, refusals, returned
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope
from notifier.testing.factories import make_notification, make_user
from tests.support.feedback import event, send, store, take

pytestmark = pytest.mark.usefixtures("frozen")

REFUSED_US = {"code": 550, "enhanced": "5.7.26"}


def since() -> datetime:
    return clock.now() - timedelta(days=30)


def an_email(address: str, status: str = "bounced", **values: object) -> int:
    """Store an email that came to rest now. Return its key."""
    return make_notification(make_user(address), status=status, settled_at=clock.now(), **values)


def test_an_email_with_several_bounces_counts_once_by_what_says_the_most(context: Flask) -> None:
    key = an_email("ada@gmail.com")
    store(key, "gmail", Reason.MAILBOX_FULL, Effect.scored)
    store(key, "gmail", Reason.USER_UNKNOWN, Effect.suppressed, source="ses")
    store(key, "gmail", Reason.USER_UNKNOWN, Effect.suppressed, source="email")
    assert returned(db.session(), since()) == {"gmail": Returned(hard=1)}


def test_a_complaint_after_a_bounce_counts_as_both(context: Flask) -> None:
    key = an_email("ada@gmail.com", "complained")
    store(key, "gmail", Reason.UNSPECIFIED, Effect.none)
    store(key, "gmail", Reason.ABUSE, Effect.complained)
    assert returned(db.session(), since()) == {"gmail": Returned(soft=1, complaints=1)}


def test_refusals_of_us_are_no_soft_bounces_of_people(context: Flask) -> None:
    store(an_email("ada@gmail.com"), "gmail", Reason.BLOCKED, Effect.counted)
    assert returned(db.session(), since()) == {"gmail": Returned(about_us=1)}


def test_the_emails_of_a_customers_domain_count_for_the_provider_that_is_known_now(context: Flask) -> None:
    db.session.add(DomainProvider(domain="corp.example", provider="gmail", looked_up_at=clock.now()))
    store(an_email("ada@corp.example"), "corp.example", Reason.USER_UNKNOWN, Effect.suppressed)
    store(an_email("bo@gmail.com"), "gmail", Reason.USER_UNKNOWN, Effect.suppressed)
    store(an_email("cy@small.example"), "small.example", Reason.USER_UNKNOWN, Effect.suppressed)
    assert returned(db.session(), since()) == {"gmail": Returned(hard=2), "small.example": Returned(hard=1)}


def test_older_events_delays_and_events_of_no_proven_email_do_not_count(context: Flask) -> None:
    key = an_email("ada@gmail.com", "sent")
    store(key, "gmail", Reason.USER_UNKNOWN, Effect.suppressed, received_at=since() - timedelta(seconds=1))
    store(key, "gmail", Reason.DELAYED, Effect.none)
    store(key, "gmail", Reason.USER_UNKNOWN, Effect.waiting, notification_id=None, recipient="eve@gmail.com")
    assert returned(db.session(), since()).get("gmail", Returned()) == Returned()


def test_an_email_that_was_refused_at_once_is_not_counted_again_when_it_comes_back(context: Flask) -> None:
    refused = {"last_code": 550, "last_enhanced": "5.7.26", "reason_code": "refused"}
    store(an_email("ada@gmail.com", "failed", **refused), "gmail", Reason.AUTHENTICATION, Effect.counted, **REFUSED_US)
    assert refusals(db.session(), since()) == [Refusal("gmail", "5.7.26", 1, 0, None)]
    assert returned(db.session(), since()) == {}


def test_two_reports_of_one_refusal_count_once_by_the_newest(context: Flask) -> None:
    key = an_email("ada@gmail.com")
    store(key, "gmail", Reason.POLICY, Effect.counted, code=550, enhanced="5.7.1", source="ses")
    db.session.flush()
    store(key, "gmail", Reason.AUTHENTICATION, Effect.counted, **REFUSED_US)
    assert refusals(db.session(), since()) == [Refusal("gmail", "5.7.26", 1, 1, Reason.AUTHENTICATION)]


def test_a_refusal_that_the_next_email_may_not_meet_is_not_listed(context: Flask) -> None:
    store(an_email("ada@gmail.com"), "gmail", Reason.TOO_BIG, Effect.counted, code=552, enhanced="5.3.4")
    assert refusals(db.session(), since()) == []


def test_a_relay_that_accepts_everything_reports_refusals_with_those_of_the_dialogue(context: Flask) -> None:
    at_once = Outcome(Decision.FAIL, Phase.EOD, Scope.MESSAGE, 550, "5.7.26", "unauthenticated")
    send(context, make_notification(make_user("ada@gmail.com"), now=clock.now()), at_once)
    accepted = send(context, make_notification(make_user("bo@gmail.com"), now=clock.now()))
    take(context, event(accepted.notifier_id, Reason.AUTHENTICATION, **REFUSED_US))
    assert refusals(db.session(), since()) == [Refusal("gmail", "5.7.26", 2, 1, Reason.AUTHENTICATION)]
    assert returned(db.session(), since()) == {"gmail": Returned(about_us=1)}


def test_what_is_read_of_feedback_is_bounded_by_the_index_of_what_came_back(context: Flask) -> None:
    seen: list[tuple[str, object]] = []
    engine = db.engine

    def note(_c: object, _u: object, statement: str, parameters: object, *_: object) -> None:
        if "FROM notifier_feedback" in statement:
            seen.append((statement, parameters))

    events.listen(engine, "before_cursor_execute", note)
    returned(db.session(), since())
    refusals(db.session(), since())
    events.remove(engine, "before_cursor_execute", note)
    db.session.rollback()
    assert len(seen) == 2
    is_postgres = engine.dialect.name == "postgresql"
    with engine.connect() as connection:
        if is_postgres:
            # An empty table is scanned faster than any index.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in seen:
            explain = "EXPLAIN " if is_postgres else "EXPLAIN QUERY PLAN "
            plan = str(connection.exec_driver_sql(explain + statement, parameters).all())
            assert "ix_notifier_feedback_came_back" in plan, plan

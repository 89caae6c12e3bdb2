"""Emails over HTTP: one row for each key, whatever is repeated."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from notifier.consent.suppressions import add as suppress
from notifier.extensions import db
from notifier.models import Notification, Status, SuppressionReason
from notifier.services import services
from notifier.testing.factories import make_notification, make_user
from notifier.testing.mail_server import FakeMailServer
from tests.api.conftest import Api, code_of, count, mistakes_of

ADA = {"id": "u1", "email": "ada@example.com"}


@pytest.fixture
def ada(api: Api) -> Api:
    api("PUT", "/users/u1", {"email": "ada@example.com"})
    return api


def test_201_means_that_the_row_is_committed_and_published(ada: Api, app: Flask, enqueued: list[int]) -> None:
    answer = ada.send("welcome:1", to="u1", kind="verification")
    assert answer.status_code == 201
    shown = answer.get_json()
    assert (shown["status"], shown["key"], shown["user"], shown["kind"]) == (
        "accepted",
        "welcome:1",
        "u1",
        "verification",
    )
    assert enqueued == [int(shown["id"])]
    with app.app_context():
        server = FakeMailServer().attach(app)
        services().sender.deliver(enqueued)
        assert [handed.message.recipient for handed in server.handed] == ["ada@example.com"]


def test_a_repeat_gets_the_same_answer_at_any_time(ada: Api, app: Flask, enqueued: list[int]) -> None:
    first = ada.send("a", to="u1", kind="verification")
    with app.app_context():
        FakeMailServer().attach(app)
        services().sender.deliver(enqueued)
    ada("PUT", "/users/u1", {"email": "other@example.com"})
    again = ada.send("a", to="u1", kind="verification")
    assert (again.status_code, again.data) == (201, first.data)
    assert ada.send('"a"', to="u1", kind="verification").data == first.data
    assert count(app, Notification) == 1
    assert ada("GET", f"/notifications/{first.get_json()['id']}").get_json()["status"] == "sent"


@pytest.mark.parametrize(
    "other",
    [{"to": "u2"}, {"kind": "account_exists"}, {"at": "2027-01-01T00:00:00Z"}, {"until": "2027-01-01T00:00:00Z"}],
)
def test_a_key_with_other_content_is_refused(ada: Api, app: Flask, other: dict[str, str]) -> None:
    ada("PUT", "/users/u2", {"email": "bo@example.com"})
    body = {"to": "u1", "kind": "verification"}
    ada.send("a", **body)
    answer = ada.send("a", **body | other)
    assert (answer.status_code, code_of(answer)) == (422, "key-reused")
    assert count(app, Notification) == 1


def test_principals_do_not_share_their_keys_but_the_keys_of_one_do(ada: Api, client_with: Callable[..., Api]) -> None:
    mine = ada.send("a", to="u1", kind="verification").get_json()["id"]
    theirs = client_with("notifications:write", principal="billing").send("a", to="u1", kind="verification").get_json()
    assert theirs["id"] != mine
    assert theirs["key"] == "a"
    second = client_with("notifications:write", principal="billing").send("a", to="u1", kind="verification")
    assert second.get_json()["id"] == theirs["id"]


def test_a_missing_key_is_a_400(ada: Api) -> None:
    answer = ada("POST", "/notifications", {"to": "u1", "kind": "verification"})
    assert (answer.status_code, code_of(answer)) == (400, "idempotency-key-missing")


@pytest.mark.parametrize("key", ["k" * 201, "clé", "a\tb"])
def test_a_key_that_is_none(ada: Api, key: str) -> None:
    assert set(mistakes_of(ada.send(key, to="u1", kind="verification"))) == {"Idempotency-Key"}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"kind": "none"}, "#/kind"), ({"kind": "announcement"}, "#/kind"), ({"kind": 5}, "#/kind"),
        ({"data": {"a": 1}}, "#/data"), ({"data": []}, "#/data"), ({"to": None}, "#/to"), ({"to": "a b"}, "#/to"),
        ({"to": {"id": "u1", "email": "x"}}, "#/to/email"), ({"to": {"id": "u1", "nom": 1}}, "#/to/nom"),
        ({"to": {"email": "a@example.com"}}, "#/to/id"), ({"at": "tomorrow"}, "#/at"),
        ({"until": "2020-01-01T00:00:00Z"}, "#/until"), ({"more": 1}, "#/more"),
        # The email would end after the last day of the calendar.
        ({"at": "9999-12-31T23:59:59Z"}, "#/at"), ({"until": "9999-12-31T23:59:59Z"}, "#/until"),
        ({"to": {"id": "u1", "email": "a@example.com", "verified_at": "2126-01-01T00:00:00Z"}}, "#/to/verified_at"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_its_place(ada: Api, change: dict[str, Any], place: str) -> None:
    answer = ada.send("a", **{"to": "u1", "kind": "verification"} | change)
    if change == {"data": {"a": 1}}:
        assert answer.status_code == 422
    else:
        assert set(mistakes_of(answer)) == {place}
    assert count(ada.app, Notification) == 0


def test_data_that_the_kind_refuses(ada: Api) -> None:
    answer = ada.send("a", to="u1", kind="security_message", data={"subject": 5, "hush": "hush-hush"})
    assert mistakes_of(answer) == {"#/data/subject": "string-type", "#/data/hush": "extra-forbidden"}
    assert b"hush-hush" not in answer.data


def test_a_person_who_is_not_there_or_has_no_address(ada: Api) -> None:
    ada("PUT", "/users/u2", {})
    codes = [code_of(ada.send("a", to=each, kind="verification")) for each in ("u3", "u2")]
    assert codes == ["unknown-user", "no-address"]


def test_a_new_person_may_come_along(api: Api) -> None:
    assert api.send("a", to=ADA | {"name": "Ada"}, kind="verification").status_code == 201
    assert api("GET", "/users/u1").get_json()["name"] == "Ada"
    assert api.send("b", to=ADA | {"name": "Countess"}, kind="verification").status_code == 201
    assert api("GET", "/users/u1").get_json()["name"] == "Countess"


def test_an_unconfirmed_person_gets_only_kinds_for_unknown_addresses(ada: Api, enqueued: list[int]) -> None:
    data = {"subject": "s", "text": "t"}
    shown = ada.send("a", to="u1", kind="security_message", data=data).get_json()
    assert (shown["status"], shown["reason_code"]) == ("skipped", "not_confirmed")
    ada("PUT", "/users/u1", {"email": "ada@example.com", "verified_at": "2026-01-01T00:00:00Z"})
    assert ada.send("a", to="u1", kind="security_message", data=data).get_json() == shown
    assert enqueued == []
    assert ada.send("b", to="u1", kind="security_message", data=data).get_json()["status"] == "accepted"


def test_a_suppressed_address_gets_nothing_and_the_answer_says_so(ada: Api, app: Flask, enqueued: list[int]) -> None:
    with app.app_context():
        suppress(db.session(), "ada@example.com", reason=SuppressionReason.complaint, source="test", evidence="")
        db.session.commit()
    answer = ada.send("a", to="u1", kind="verification")
    shown = answer.get_json()
    assert (answer.status_code, shown["status"], shown["reason_code"]) == (201, "suppressed", "suppressed")
    assert shown["reason"] == "suppressed: complaint"
    assert ada("GET", f"/notifications/{shown['id']}").get_json()["status"] == "suppressed"
    assert enqueued == []


def test_an_email_for_later_waits(ada: Api, enqueued: list[int]) -> None:
    shown = ada.send("a", to="u1", kind="verification", at="2126-01-01T09:00:00+01:00").get_json()
    assert (shown["at"], shown["status"]) == ("2126-01-01T08:00:00Z", "accepted")
    assert enqueued == []
    assert ada("GET", f"/notifications/{shown['id']}").get_json()["due_at"] == "2126-01-01T08:00:00Z"


def test_the_same_key_at_the_same_time_is_one_row(ada: Api, app: Flask) -> None:
    clients = [Api(app, ada.key) for _ in range(5)]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda each: each.send("a", to="u1", kind="verification"), clients))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert count(app, Notification) == 1


def test_a_repeat_waits_for_the_first_one_only_briefly(ada: Api, app: Flask, database_url: str) -> None:
    if not database_url.startswith("postgresql"):
        pytest.skip("on SQLite one transaction writes at a time")
    with app.app_context(), db.engine.connect() as other:
        row = {"kind": "verification", "recipient": "a@example.com", "dedupe_key": "key:a"}
        other.execute(Notification.__table__.insert().values(**row))
        answer = ada.send("a", to="u1", kind="verification")
        assert (answer.status_code, code_of(answer)) == (409, "in-progress")
        assert answer.headers["Retry-After"] == "2"
        other.rollback()
    assert ada.send("a", to="u1", kind="verification").status_code == 201


def test_a_batch_is_taken_item_by_item(ada: Api, enqueued: list[int]) -> None:
    items = [
        {"key": "b", "to": "u1", "kind": "verification"},
        {"key": "a", "to": "u9", "kind": "verification"},
        {"to": "u1", "kind": "verification"},
        "no object",
        {"key": "b", "to": "u1", "kind": "verification"},
        {"key": "c", "to": {"id": "u4", "email": "x"}, "kind": "verification"},
    ]
    answer = ada("POST", "/notifications/batch", {"notifications": items})
    assert answer.status_code == 200
    shown = answer.get_json()
    assert [each["index"] for each in shown["data"]] == [0, 4]
    assert shown["data"][0]["notification"] == shown["data"][1]["notification"]
    codes = [(each["index"], each["problem"]["code"]) for each in shown["errors"]]
    assert codes == [(1, "unknown-user"), (2, "invalid"), (3, "invalid"), (5, "invalid")]
    assert enqueued == [int(shown["data"][0]["notification"]["id"])]
    again = ada("POST", "/notifications/batch", {"notifications": items}).get_json()
    assert again["data"] == shown["data"]


def test_a_batch_of_too_many_or_of_none(ada: Api) -> None:
    for items in ([], [{}] * 1001):
        assert set(mistakes_of(ada("POST", "/notifications/batch", {"notifications": items}))) == {"#/notifications"}


def test_emails_are_listed_newest_first_and_by_what_is_asked(ada: Api, app: Flask) -> None:
    ids = [ada.send(key, to="u1", kind=kind).get_json()["id"] for key, kind in
           (("a", "verification"), ("b", "account_exists"), ("c", "verification"))]  # fmt: skip
    with app.app_context():
        here = str(make_notification(make_user("here@example.com")))
        db.session.execute(update(Notification).where(Notification.id == int(ids[0])).values(status="sent", run_id=7))
        db.session.commit()

    def listed(query: str) -> list[str]:
        return [each["id"] for each in ada("GET", f"/notifications?{query}").get_json()["data"]]

    assert listed("") == [here, *reversed(ids)]
    assert listed("user=u1&kind=verification") == [ids[2], ids[0]]
    assert listed("status=sent") == listed("run=7") == [ids[0]]
    assert listed("user=nobody-17") == listed("since=2126-01-01T00:00:00Z") == []
    first = ada("GET", "/notifications?limit=2").get_json()
    assert listed(f"limit=5&cursor={first['next']}") == [ids[1], ids[0]]
    row = next(each for each in ada("GET", "/notifications").get_json()["data"] if each["id"] == here)
    assert (row["user"], row["key"]) == (None, None)


@pytest.mark.parametrize("query", ["status=gone", "run=x", "since=now", "since=2026-01-01T00:00:00", "user=a%20b"])
def test_a_filter_with_a_mistake(api: Api, query: str) -> None:
    assert set(mistakes_of(api("GET", f"/notifications?{query}"))) == {query.partition("=")[0]}


def test_a_waiting_email_is_cancelled_once_and_keeps_its_key(ada: Api, app: Flask, enqueued: list[int]) -> None:
    first = ada.send("a", to="u1", kind="verification")
    path = f"/notifications/{first.get_json()['id']}"
    for _ in range(2):
        cancelled = ada("POST", f"{path}/cancel")
        assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "cancelled")
    assert ada.send("a", to="u1", kind="verification").data == first.data
    with app.app_context():
        server = FakeMailServer().attach(app)
        services().sender.deliver(enqueued)
        assert server.handed == []


@pytest.mark.parametrize("status", [Status.sending, Status.sent, Status.unknown, Status.failed])
def test_an_email_on_its_way_is_not_cancelled(ada: Api, app: Flask, status: Status) -> None:
    pk = ada.send("a", to="u1", kind="verification").get_json()["id"]
    with app.app_context():
        db.session.execute(update(Notification).values(status=status.value))
        db.session.commit()
    answer = ada("POST", f"/notifications/{pk}/cancel")
    assert (answer.status_code, code_of(answer)) == (409, "already-claimed")
    assert ada("GET", f"/notifications/{pk}").get_json()["status"] == status


def test_an_email_of_a_run_is_cancelled_with_its_run(ada: Api, app: Flask) -> None:
    pk = ada.send("a", to="u1", kind="verification").get_json()["id"]
    with app.app_context():
        db.session.execute(update(Notification).values(run_id=7))
        db.session.commit()
    answer = ada("POST", f"/notifications/{pk}/cancel")
    assert (answer.status_code, code_of(answer)) == (409, "of-a-run")


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", "/cancel")])
def test_an_email_that_is_not_there(api: Api, method: str, end: str) -> None:
    assert code_of(api(method, f"/notifications/4711{end}")) == "not-found"
    for given in ("0", "01", "x", "9" * 19, "1.0", "-1"):
        assert code_of(api(method, f"/notifications/{given}{end}")) == "not-found"

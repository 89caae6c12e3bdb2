"""send: one row in the host's transaction, from everywhere but a flush event; a key gives one row."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import event, insert, select

from notifier import embedding
from notifier.emails import Category, EmailKind, Owed
from notifier.models import Notification, Status
from tests.embedding.conftest import Host

pytestmark = pytest.mark.usefixtures("frozen")

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class OrderReceipt(EmailKind):
    name: ClassVar[str] = "order_receipt"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(days=2)
    because: ClassVar[str] = "You placed an order."

    class Data(BaseModel):
        order: int
        total: float = 0.0

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {"order": self.data_of(owed).order}


@pytest.fixture
def published() -> list[int]:
    return []


@pytest.fixture
def host(make_host: Callable[..., Host], published: list[int]) -> Iterator[Host]:
    made = make_host(kinds=[OrderReceipt()], publish=lambda keys, bulk: published.extend(keys))
    made.start()
    with made.app.app_context():
        yield made


def rows(host: Host) -> list[Notification]:
    return host.stored(select(Notification).order_by(Notification.id))


def receipt(host: Host, to: Any, **options: Any) -> Notification:
    return host.notifier.send("order_receipt", to, **{"data": {"order": 7}} | options)


# --- where it may be called


def test_a_user_that_was_just_added_is_known(host: Host, published: list[int]) -> None:
    user = host.User(email="ada@example.com")
    host.db.session.add(user)
    pk = receipt(host, user).id
    assert published == []
    host.db.session.commit()
    assert published == [pk]
    (stored,) = rows(host)
    assert (stored.kind, stored.recipient, stored.status) == ("order_receipt", "ada@example.com", Status.pending)
    assert (stored.created_at, stored.next_attempt_at, stored.deadline) == (NOON, NOON, NOON + timedelta(days=2))
    assert stored.user_id == host.mirrored()["1"].id
    assert stored.params["data"] == {"order": 7, "total": 0.0}


def test_nothing_is_committed_by_it(host: Host, published: list[int]) -> None:
    user = host.add()
    receipt(host, user)
    host.db.session.rollback()
    host.db.session.commit()
    assert (rows(host), published) == ([], [])


@pytest.mark.parametrize("to", [1, "1"])
def test_a_person_may_be_named_by_id(host: Host, to: object) -> None:
    host.add()
    receipt(host, to)
    host.db.session.commit()
    assert len(rows(host)) == 1


def test_a_hook_sends_in_the_same_transaction(host: Host, published: list[int]) -> None:
    sent: list[int] = []

    @host.notifier.on(host.User, "insert")
    def welcomed(user: Any) -> None:
        sent.append(host.notifier.send("verification", to=user).id)

    host.db.session.add(host.User(email="ada@example.com"))
    host.db.session.flush()
    assert published == []
    host.db.session.commit()
    assert published == sent == [row.id for row in rows(host)]


def test_a_hook_reads_relationships_of_a_row_given_by_its_foreign_key(host: Host) -> None:
    names: list[str] = []

    @host.notifier.on(host.Like, "insert")
    def liked(like: Any) -> None:
        names.append(like.owner.name)
        receipt(host, like.owner)

    host.db.session.add(host.Like(owner_id=host.add(name="Ada").id))
    host.db.session.commit()
    assert names == ["Ada"]
    assert len(rows(host)) == 1


def test_what_a_hook_sets_on_host_rows_is_committed(host: Host) -> None:
    @host.notifier.on(host.Like, "insert")
    def liked(like: Any) -> None:
        like.note, like.owner.name = "seen", "Liked"

    host.db.session.add(host.Like(owner_id=host.add().id))
    host.db.session.commit()
    assert host.stored(select(host.Like.note)) == ["seen"]
    assert host.stored(select(host.User.name)) == ["Liked"]
    assert host.mirrored()["1"].display_name == "Liked"


def test_an_error_of_a_hook_rolls_back(host: Host) -> None:
    @host.notifier.on(host.Like, "insert")
    def liked(like: Any) -> None:
        raise LookupError("of the host")

    host.db.session.add_all([host.User(email="ada@example.com"), host.Like()])
    with pytest.raises(LookupError):
        host.db.session.commit()
    host.db.session.rollback()
    assert host.stored(select(host.User.id)) == []
    assert host.mirrored() == {}


def test_a_hook_does_not_run_for_updates(host: Host) -> None:
    runs: list[Any] = []
    host.notifier.on(host.Like, "insert")(runs.append)
    like = host.Like()
    host.db.session.add(like)
    host.db.session.commit()
    like.note = "changed"
    host.db.session.commit()
    assert runs == [like]
    with pytest.raises(ValueError, match="insert"):
        host.notifier.on(host.Like, "update")


@pytest.mark.parametrize("name", ["before_flush", "after_flush", "after_flush_postexec"])
def test_a_flush_event_of_the_host_gets_an_error_and_no_half(host: Host, name: str) -> None:
    user = host.add()

    @event.listens_for(host.db.session, name)
    def flushing(*_: Any) -> None:
        receipt(host, user.id)

    host.db.session.add(host.Like())
    with pytest.raises(embedding.DuringFlush, match=r"@notifier\.on"):
        host.db.session.commit()
    host.db.session.rollback()
    assert rows(host) == []


def test_a_mapper_event_of_the_host_gets_an_error_and_no_half(host: Host) -> None:
    user = host.add()

    @event.listens_for(host.Like, "after_insert")
    def inserted(_mapper: Any, _connection: Any, _like: Any) -> None:
        receipt(host, user.id)

    host.db.session.add(host.Like())
    with pytest.raises(embedding.DuringFlush):
        host.db.session.flush()
    host.db.session.rollback()
    assert rows(host) == []


# --- what is refused at the call


def refusals() -> list[tuple[str, dict[str, Any], type[Exception]]]:
    data = {"data": {"order": 7}}
    return [
        ("no_such_kind", {}, embedding.UnknownKind),
        ("monthly_report", {}, embedding.UnknownKind),
        ("verification", data, embedding.DataRefused),
        ("order_receipt", {}, embedding.DataRefused),
        ("order_receipt", {"data": {"order": "secret"}}, embedding.DataRefused),
        ("order_receipt", {"data": {"order": 7, "total": float("nan")}}, embedding.DataRefused),
        ("order_receipt", data | {"key": ""}, ValueError),
        ("order_receipt", data | {"key": "x" * 201}, ValueError),
        ("order_receipt", data | {"key": "ä"}, ValueError),
        ("order_receipt", data | {"at": NOON.replace(tzinfo=None)}, ValueError),
        ("order_receipt", data | {"at": NOON + HOUR, "until": NOON + HOUR}, ValueError),
        ("order_receipt", data | {"until": NOON}, ValueError),
        ("order_receipt", data | {"at": datetime.max.replace(tzinfo=UTC)}, ValueError),
    ]


@pytest.mark.parametrize(("kind", "options", "error"), refusals())
def test_a_wrong_call_raises_at_once(host: Host, kind: str, options: dict[str, Any], error: type[Exception]) -> None:
    user = host.add()
    with pytest.raises(error) as raised:
        host.notifier.send(kind, user, **options)
    assert "secret" not in str(raised.value)
    host.db.session.commit()
    assert rows(host) == []


@pytest.mark.parametrize("to", [99, "nobody", "", "~1", None, object()])
def test_an_unknown_user_raises(host: Host, to: object) -> None:
    host.add()
    with pytest.raises(embedding.UnknownUser):
        receipt(host, to)


def test_a_user_that_is_in_no_session_raises(host: Host) -> None:
    with pytest.raises(embedding.UnknownUser):
        receipt(host, host.User(email="ada@example.com"))


def test_a_deleted_user_is_unknown_and_their_waiting_email_stays(host: Host) -> None:
    user = host.add()
    receipt(host, user)
    host.db.session.delete(user)
    host.db.session.commit()
    assert [row.status for row in rows(host)] == [Status.pending]
    with pytest.raises(embedding.UnknownUser):
        receipt(host, 1)


@pytest.mark.parametrize("email", [None, "no address"])
def test_a_person_without_a_usable_address_is_refused(host: Host, email: str | None) -> None:
    with pytest.raises(embedding.NoAddress):
        receipt(host, host.add(email))


def test_people_who_share_a_mailbox_each_get_theirs(host: Host) -> None:
    for user in (host.add("both@example.com"), host.add("both@example.com")):
        receipt(host, user)
    host.db.session.commit()
    assert [row.recipient for row in rows(host)] == ["both@example.com"] * 2


def test_two_kinds_of_one_name_are_refused() -> None:
    with pytest.raises(embedding.SetupError, match="order_receipt"):
        embedding.Notifier(kinds=[OrderReceipt(), OrderReceipt()])


# --- keys


def test_the_same_key_is_the_same_row(host: Host, published: list[int]) -> None:
    user = host.add()
    first = receipt(host, user, key="order:7")
    assert receipt(host, user, key="order:7", data=OrderReceipt.Data(order=7)) is first
    host.db.session.commit()
    assert receipt(host, user, key="order:7").id == first.id
    host.db.session.commit()
    assert [row.dedupe_key for row in rows(host)] == ["key:order:7"]
    assert published == [first.id]


def test_without_a_key_each_call_is_an_email(host: Host) -> None:
    user = host.add()
    assert receipt(host, user).id != receipt(host, user).id


@pytest.mark.parametrize("change", ["data", "user", "kind", "at", "until"])
def test_the_same_key_with_other_content_raises_and_earlier_writes_survive(host: Host, change: str) -> None:
    user, other = host.add(), host.add("grace@example.com")
    receipt(host, user, key="order:7")
    host.db.session.commit()
    user.name = "Written before"
    calls: dict[str, Callable[[], object]] = {
        "data": lambda: receipt(host, user, key="order:7", data={"order": 8}),
        "user": lambda: receipt(host, other, key="order:7"),
        "kind": lambda: host.notifier.send("verification", user, key="order:7"),
        "at": lambda: receipt(host, user, key="order:7", at=NOON + HOUR),
        "until": lambda: receipt(host, user, key="order:7", until=NOON + HOUR),
    }
    with pytest.raises(
        embedding.KeyConflict, match=r"'order:7' was used for another email.* Give another email another"
    ):
        calls[change]()
    host.db.session.commit()
    assert host.mirrored()["1"].display_name == "Written before"
    assert len(rows(host)) == 1


def test_a_key_is_free_again_after_a_rollback(host: Host) -> None:
    user = host.add()
    receipt(host, user, key="order:7")
    host.db.session.rollback()
    receipt(host, user, key="order:7", data={"order": 8})
    host.db.session.commit()
    assert [row.params["data"]["order"] for row in rows(host)] == [8]


def test_keys_of_the_host_are_beside_no_key_of_ours(host: Host) -> None:
    receipt(host, host.add(), key="signup:1:after:0")
    host.db.session.commit()
    assert [row.dedupe_key for row in rows(host)] == ["key:signup:1:after:0"]


def test_a_second_transaction_with_the_same_key_waits_and_gets_the_row(host: Host, published: list[int]) -> None:
    host.add()
    first = receipt(host, 1, key="order:7").id
    found: list[int] = []
    began = threading.Event()

    def second() -> None:
        with host.app.app_context():
            began.set()
            found.append(receipt(host, 1, key="order:7").id)
            host.db.session.commit()

    thread = threading.Thread(target=second)
    thread.start()
    began.wait(5)
    thread.join(0.3)
    assert found == []
    host.db.session.commit()
    thread.join(30)
    assert found == [first]
    assert published == [first]


# --- time


def test_a_later_email_waits_and_is_not_enqueued(host: Host, published: list[int]) -> None:
    receipt(host, host.add(), at=NOON + HOUR)
    host.db.session.commit()
    (row,) = rows(host)
    assert (row.next_attempt_at, row.enqueue_at) == (NOON + HOUR, NOON + HOUR)
    assert row.deadline == NOON + HOUR + timedelta(days=2)
    assert published == []


def test_until_is_the_deadline(host: Host) -> None:
    receipt(host, host.add(), until=NOON + HOUR)
    host.db.session.commit()
    assert [row.deadline for row in rows(host)] == [NOON + HOUR]


# --- an address that no email can be sent to


@pytest.mark.parametrize("address", [None, "", "not an address", "a..b@example.org", "ada@example.invalid"])
def test_in_a_hook_it_is_skipped_and_the_sign_up_stays(host: Host, published: list[int], address: str | None) -> None:
    host.notifier.on(host.User, "insert")(lambda user: receipt(host, user))
    host.add(address)
    host.add("bob@example.com")
    skipped, sent = rows(host)
    assert (skipped.status, skipped.reason_code, skipped.settled_at) == (Status.skipped, "no_address", NOON)
    assert skipped.reason == "the person has no address that an email can be sent to"
    assert sent.status == Status.pending
    assert published == [sent.id]


def test_a_key_that_was_skipped_stays_skipped(host: Host) -> None:
    found: list[int] = []
    host.notifier.on(host.User, "insert")(lambda user: found.append(receipt(host, user, key="welcome").id))
    user = host.add("")
    user.email = "ada@example.com"
    host.db.session.commit()
    assert receipt(host, user, key="welcome").id == found[0]


def test_a_user_who_existed_before_is_unknown_and_the_message_says_what_to_do(host: Host) -> None:
    host.db.session.execute(insert(host.User).values(email="old@example.com", name="Old"))
    user = host.db.session.scalars(select(host.User)).one()
    with pytest.raises(embedding.UnknownUser, match="run flask notifier users sync once"):
        receipt(host, user)


def test_a_kind_that_is_a_class_is_refused_by_name() -> None:
    with pytest.raises(embedding.SetupError, match=r"write OrderReceipt\(\) instead of OrderReceipt"):
        embedding.Notifier(kinds=[OrderReceipt])  # type: ignore[list-item]

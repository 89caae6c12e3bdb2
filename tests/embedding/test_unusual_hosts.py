"""What hosts may do that is unusual: keys that change, savepoints in hooks, partial flushes, users who are hidden."""

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel
from sqlalchemy import delete, event, select, update
from sqlalchemy.orm import Session

from notifier.emails import Category, EmailKind, Owed
from notifier.embedding import Erased, KeyConflict, ManyGone, SetupError, UserFields
from notifier.models import Notification
from notifier.models import User as Mirrored
from tests.embedding.conftest import Host
from tests.support.applications import NOON

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("frozen")

Make = Callable[..., Host]


class Tagged(EmailKind):
    name: ClassVar[str] = "tagged"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(days=1)
    because: ClassVar[str] = "You have an account."

    class Data(BaseModel):
        tags: set[str]
        groups: dict[str, list[set[str]]] = {}

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {}


@pytest.fixture
def published() -> list[int]:
    return []


@pytest.fixture
def host(make_host: Make, published: list[int]) -> Any:
    made = make_host(kinds=[Tagged()], publish=lambda keys, bulk: published.extend(keys))
    made.start()
    with made.app.app_context():
        yield made


# --- keys


def test_a_user_whose_key_changes_stays_the_same_person(host: Host) -> None:
    user = host.add()
    before = host.mirrored()["1"].id
    user.id = 7
    host.db.session.commit()
    assert {key: row.id for key, row in host.mirrored().items()} == {"7": before}


def test_users_who_swap_their_keys_keep_their_history(host: Host) -> None:
    ada, bob = host.add("ada@example.com"), host.add("bob@example.com")
    before = {row.email: row.id for row in host.mirrored().values()}
    ada.id = 99
    host.db.session.flush()
    bob.id = 1
    host.db.session.flush()
    ada.id = 2
    host.db.session.commit()
    assert {row.email: row.id for row in host.mirrored().values()} == before
    assert {key: row.email for key, row in host.mirrored().items()} == {"1": "bob@example.com", "2": "ada@example.com"}


def test_an_erased_user_stays_erased_under_another_key(host: Host) -> None:
    host.notifier.secret_keys = ["test-key-that-is-long-enough-for-everything"]
    user = host.add()
    host.notifier.erase(user)
    host.db.session.commit()
    user.id = 7
    host.db.session.commit()
    with pytest.raises(Erased):
        host.notifier.send("verification", to=user)
    assert [row.email for row in host.mirrored().values()] == [""]


def test_a_key_that_two_users_may_share_is_refused(make_host: Make) -> None:
    host = make_host()
    host.notifier._watcher.user = None
    host.notifier.user(host.User, key="name")(lambda user: UserFields(id=user.name, email=user.email))
    with pytest.raises(SetupError, match=r"User\.name is not unique"):
        host.start()


def test_touch_takes_an_id_as_text(host: Host) -> None:
    host.add()
    host.db.session.execute(update(host.User).values(name="Changed"))
    host.notifier.touch("1")
    host.db.session.commit()
    assert host.mirrored()["1"].display_name == "Changed"


# --- calls


def test_sets_in_data_have_one_order_in_every_process(host: Host) -> None:
    user = host.add()
    names = [f"tag{number}" for number in range(30)]
    data = {"tags": names, "groups": {"a": [names]}}
    first = host.notifier.send("tagged", to=user, key="k", data=data)
    assert first.params["data"] == {"tags": sorted(names), "groups": {"a": [sorted(names)]}}
    again = {"tags": names[::-1], "groups": {"a": [names[::-1]]}}
    assert host.notifier.send("tagged", to=user, key="k", data=again).id == first.id


def test_the_key_of_a_deleted_user_is_not_taken_for_that_of_another_with_the_same_id(host: Host) -> None:
    user = host.add()
    host.notifier.send("verification", to=user, key="welcome")
    host.db.session.delete(user)
    host.db.session.commit()
    other = host.add("bob@example.com", id=1)
    with pytest.raises(KeyConflict):
        host.notifier.send("verification", to=other, key="welcome")


@pytest.mark.parametrize("moment", [True, "2026-01-01", NOON.date()])
def test_a_confirmation_that_is_no_moment_is_refused(moment: Any) -> None:
    with pytest.raises(TypeError, match="verified_at takes a datetime"):
        UserFields(id=1, email="ada@example.com", verified_at=moment)


# --- flushes


@pytest.mark.filterwarnings("ignore:The `objects` parameter of `Session.flush`:sqlalchemy.exc.SADeprecationWarning")
def test_a_flush_of_some_rows_runs_the_hooks_of_these(host: Host) -> None:
    seen: list[Any] = []
    host.notifier.on(host.Like, "insert")(lambda like: seen.append(like.note))
    one, two = host.Like(note="one"), host.Like(note="two")
    host.db.session.add_all([one, two])
    host.db.session.flush([one])
    assert seen == ["one"]
    host.db.session.commit()
    assert seen == ["one", "two"]


def test_an_email_from_a_savepoint_in_a_hook_is_enqueued(host: Host, published: list[int]) -> None:
    @host.notifier.on(host.Like, "insert")
    def liked(like: Any) -> None:
        with host.db.session.begin_nested():
            host.notifier.send("verification", to=like.owner_id)

    user = host.add()
    host.db.session.add(host.Like(owner_id=user.id))
    host.db.session.commit()
    assert published == [row.id for row in host.stored(select(Notification))]


# --- confirming


def unconfirmed(host: Host) -> tuple[str, str, str]:
    [row] = host.mirrored().values()
    return str(row.external_id), row.identity_key, row.link_nonce


def test_an_address_that_changed_since_the_link_was_read_is_not_confirmed(make_host: Make) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    ran: list[Any] = []
    host.notifier.on_verified(ran.append)
    with host.app.app_context():
        user = host.add()
        link = unconfirmed(host)
        user.email = "victim@example.com"
        host.db.session.commit()
        assert host.notifier._confirming.confirm(*link) is False
    assert (ran, host.mirrored()["1"].verified_at) == ([], None)


def test_two_presses_at_once_confirm_once(make_host: Make) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    ran: list[str] = []
    inside = threading.Barrier(2, timeout=1)

    @host.notifier.on_verified
    def confirmed(user: Any) -> None:
        ran.append(user.email)
        try:
            inside.wait()
        except threading.BrokenBarrierError:
            return

    with host.app.app_context():
        host.add()
        link = unconfirmed(host)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(host.notifier._confirming.confirm(*link))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (answers, ran) == ([True, True], ["ada@example.com"])


def test_a_change_of_the_host_and_a_confirmation_do_not_deadlock(make_host: Make) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    entered, go_on = threading.Event(), threading.Event()

    @host.notifier.on_verified
    def confirmed(user: Any) -> None:
        entered.set()
        go_on.wait(0.5)
        user.confirmed_at = NOON

    with host.app.app_context():
        host.add()
        link = unconfirmed(host)
    errors: list[Exception] = []

    def change() -> None:
        entered.wait(5)
        try:
            with host.app.app_context():
                host.db.session.get(host.User, 1).name = "Changed"
                host.db.session.commit()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=change)
    thread.start()
    assert host.notifier._confirming.confirm(*link)
    thread.join(30)
    assert errors == []
    row = host.mirrored()["1"]
    assert (row.display_name, row.verified_at) == ("Changed", NOON)


# --- hidden users


def test_users_whom_a_session_hides_are_not_detached(host: Host) -> None:
    for number in range(12):
        host.add(f"user{number}@example.com")
    before = host.mirrored()

    def hide(execution: Any) -> None:
        if execution.is_select and execution.bind_mapper is host.User.__mapper__:
            execution.statement = execution.statement.where(host.User.id < 0)

    event.listen(host.db.session.session_factory, "do_orm_execute", hide)
    try:
        with pytest.raises(ManyGone, match="12 people here are no users of the application, which has 0"):
            host.notifier.sync_users()
    finally:
        event.remove(host.db.session.session_factory, "do_orm_execute", hide)
    assert host.mirrored().keys() == before.keys()


def test_many_who_are_really_gone_are_detached_if_it_is_allowed(host: Host) -> None:
    for number in range(12):
        host.add(f"user{number}@example.com")
    with Session(host.engine) as session:
        session.execute(delete(host.User))
        session.commit()
    assert host.notifier.sync_users(allow_many=True).detached == 12
    assert all(str(row.external_id).startswith("~") for row in host.stored(select(Mirrored)))


# --- logs

LOGGING = """
import structlog
from notifier.observability import logs
logs.leave_to_host()
log = structlog.get_logger("notifier.test")

def view(password):
    raise LookupError("of the host")

try:
    view("TYPEDPASSWORD")
except LookupError:
    log.exception("embedding.fault", address="ada@example.com")
"""


def test_in_a_process_of_the_host_no_traceback_shows_local_values() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "LookupError: of the host" in done.stderr
    assert "password = " not in done.stderr
    assert "ada@example.com" not in done.stderr


# --- exactness


@pytest.mark.parametrize("text", ["01", "1_0", "+1"])
def test_an_id_is_one_text_and_no_other(host: Host, text: str) -> None:
    for number in range(10):
        host.add(f"user{number}@example.com")
    assert host.notifier._watcher.user is not None
    assert host.notifier._watcher.user.find(host.db.session(), text) is None
    assert host.notifier._watcher.user.find(host.db.session(), "10").email == "user9@example.com"


def test_in_a_hook_a_key_that_was_skipped_before_gives_the_same_row(host: Host) -> None:
    found: list[int] = []

    @host.notifier.on(host.Like, "insert")
    def liked(like: Any) -> None:
        found.append(host.notifier.send("verification", to=like.owner_id, key="once").id)

    user = host.add("no address")
    for _ in range(2):
        host.db.session.add(host.Like(owner_id=user.id))
        host.db.session.commit()
    assert len(found) == 2
    assert len(set(found)) == 1


def test_a_change_by_another_transaction_reaches_the_mirror_and_no_relationship_is_touched(host: Host) -> None:
    user = host.add()
    like = host.Like(owner=user, note="mine")
    host.db.session.add(like)
    host.db.session.commit()
    assert (user.name, like.owner) == ("Ada", user)
    with Session(host.engine) as other:
        other.execute(update(host.User).values(confirmed_at=NOON))
        other.commit()
    user.name = "Changed"
    host.db.session.flush()
    assert "owner" in like.__dict__
    host.db.session.commit()
    row = host.mirrored()["1"]
    assert (row.display_name, row.verified_at) == ("Changed", NOON)

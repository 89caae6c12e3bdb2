"""record: one activity in the host's transaction, once for each id. why: the answers about a user of the host."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from notifier.campaigns.errors import CampaignError
from notifier.campaigns.explanations import Receipt
from notifier.database import sqlite
from notifier.embedding import Base, DuringFlush, KeyConflict, Notifier, UnknownUser, UserFields
from notifier.models import Activity, Campaign, Notification
from notifier.testing.factories import CONTENT
from tests.embedding.conftest import Host

pytestmark = pytest.mark.usefixtures("frozen")

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Iterator[Host]:
    made = make_host()
    made.start()
    with made.app.app_context():
        yield made


def activities(host: Host) -> list[Activity]:
    return host.stored(select(Activity).order_by(Activity.id))


def like(host: Host, to: Any, **options: Any) -> Activity:
    options = {"actor": "Grace", "object_key": "photo:1", "object_title": "A photo"} | options
    return host.notifier.record("like", to, **options)


def test_an_activity_is_stored_with_the_commit(host: Host) -> None:
    user = host.User(email="ada@example.com")
    host.db.session.add(user)
    like(host, user)
    host.db.session.commit()
    (row,) = activities(host)
    assert row.user_id == host.mirrored()["1"].id
    assert (row.kind, row.actor, row.object_key, row.object_title) == ("like", "Grace", "photo:1", "A photo")
    assert (row.occurred_at, row.external_id) == (NOON, None)


def test_a_rollback_takes_it_along(host: Host) -> None:
    like(host, host.add())
    host.db.session.rollback()
    assert activities(host) == []


def test_a_hook_records(host: Host) -> None:
    @host.notifier.on(host.Like, "insert")
    def liked(row: Any) -> None:
        host.notifier.record("like", row.owner, id=f"like:{row.id}")

    host.db.session.add(host.Like(owner_id=host.add().id))
    host.db.session.commit()
    assert [row.external_id for row in activities(host)] == ["like:1"]


def test_a_person_without_an_address_has_activities_too(host: Host) -> None:
    like(host, host.add(None))
    host.db.session.commit()
    assert len(activities(host)) == 1


def test_the_same_id_is_the_same_row(host: Host) -> None:
    user = host.add()
    first = like(host, user, id="like:1").id
    assert like(host, user, id="like:1").id == first
    host.db.session.commit()
    assert like(host, user, id="like:1").id == first
    assert like(host, user, id="like:1", at=NOON).id == first
    assert like(host, user).id != first


@pytest.mark.parametrize("change", [{"actor": "Ada"}, {"object_key": "photo:2"}, {"at": NOON + HOUR}, {"to": 2}])
def test_the_same_id_with_other_content_raises_and_earlier_writes_survive(host: Host, change: dict[str, Any]) -> None:
    user = host.add()
    host.add("grace@example.com")
    like(host, user, id="like:1")
    user.name = "Written before"
    with pytest.raises(KeyConflict, match="like:1"):
        like(host, **{"to": user, "id": "like:1"} | change)
    host.db.session.commit()
    assert host.mirrored()["1"].display_name == "Written before"
    assert len(activities(host)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"id": ""},
        {"id": "x" * 201},
        {"object_key": "x" * 65},
        {"object_key": "a\x00"},
        {"at": NOON.replace(tzinfo=None)},
    ],
)
def test_what_cannot_be_stored_raises(host: Host, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|time zone"):
        like(host, host.add(), **options)


@pytest.mark.parametrize("kind", ["", "Like", "x" * 33, "a b"])
def test_a_kind_that_is_none_raises(host: Host, kind: str) -> None:
    with pytest.raises(ValueError, match="kind"):
        host.notifier.record(kind, host.add())


def test_names_that_our_columns_refuse_are_cleaned(host: Host) -> None:
    row = like(host, host.add(), actor="N\x00" * 99, object_title="T" * 999)
    assert (len(row.actor) <= 64, "\x00" in row.actor, len(row.object_title)) == (True, False, 200)


def test_an_unknown_user_raises(host: Host) -> None:
    with pytest.raises(UnknownUser):
        like(host, 99)


def campaign(engine: Engine, **values: Any) -> None:
    with Session(engine) as session:
        soon = {"next_slot": NOON + HOUR, "next_run_at": NOON + HOUR, "created_at": NOON}
        fields = {"name": "news", "title": "News", "kind": "announcement", "settings": CONTENT, "cron": "0 13 * * *"}
        session.add(Campaign(**fields | soon | values))
        session.commit()


def test_why_tells_about_each_campaign(host: Host) -> None:
    campaign(host.engine)
    campaign(host.engine, name="more")
    confirmed, not_confirmed = host.add(confirmed_at=NOON), host.add("grace@example.com")
    answers = host.notifier.why(confirmed)
    assert [(answer.campaign, answer.outcome) for answer in answers] == [("more", Receipt.will), ("news", Receipt.will)]
    (answer,) = host.notifier.why(not_confirmed.id, "news")
    assert (answer.outcome, answer.code) == (Receipt.wont, "not_confirmed")


def test_why_sees_what_this_transaction_wrote_and_leaves_it_open(host: Host) -> None:
    campaign(host.engine)
    user = host.add(None, confirmed_at=NOON)
    user.email = "ada@example.com"
    assert [answer.outcome for answer in host.notifier.why(user)] == [Receipt.will]
    host.db.session.rollback()
    assert [answer.code for answer in host.notifier.why(user)] == ["unreachable"]
    host.db.session.commit()
    assert host.stored(select(host.User.email)) == [None]


def test_why_tells_about_single_emails_after_campaigns(host: Host) -> None:
    campaign(host.engine)
    user = host.add(confirmed_at=NOON)
    first = host.notifier.send("verification", user).id
    second = host.notifier.send("verification", user, at=NOON + HOUR).id
    host.db.session.execute(
        update(Notification)
        .where(Notification.id == first)
        .values(status="suppressed", reason="suppressed: hard_bounce", settled_at=NOON)
    )
    news, newest, oldest = host.notifier.why(user)
    assert (news.campaign, news.kind, news.notification_id) == ("news", "announcement", None)
    assert (newest.campaign, newest.kind, newest.notification_id) == ("", "verification", second)
    assert (newest.outcome, newest.code, newest.at) == (Receipt.will, "pending", NOON + HOUR)
    assert (oldest.outcome, oldest.code, oldest.notification_id) == (Receipt.wont, "suppressed", first)
    assert oldest.words == "the address is suppressed: suppressed: hard_bounce"
    assert [answer.campaign for answer in host.notifier.why(user, "news")] == ["news"]


def test_why_of_an_unknown_user_or_campaign_raises(host: Host) -> None:
    with pytest.raises(UnknownUser):
        host.notifier.why(99)
    user = host.add()
    with pytest.raises(CampaignError):
        host.notifier.why(user, "no-such-campaign")


# --- a session that binds each base to the engine


class PlainBase(DeclarativeBase):
    """A host without Flask-SQLAlchemy."""


class Person(PlainBase):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]


def test_all_calls_in_a_session_with_binds(database_url: str) -> None:
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":
        sqlite.prepare(engine)
    PlainBase.metadata.create_all(engine)
    notifier, maker = Notifier(), sessionmaker(binds={PlainBase: engine, Base: engine})
    notifier.user(Person)(lambda person: UserFields(id=person.id, email=person.email))
    notifier.watch(maker)
    campaign(engine)
    with maker() as session:
        person = Person(email="ada@example.com")
        session.add(person)
        for _ in range(2):
            notifier.send("verification", person, key="v:1")
            notifier.record("like", person, id="like:1")
        assert [answer.code for answer in notifier.why(person)] == ["not_confirmed", "pending"]
        session.commit()
        session.delete(person)
        session.commit()
    with Session(engine) as session:
        assert len(session.scalars(select(Activity)).all()) == 1
    PlainBase.metadata.drop_all(engine)
    engine.dispose()


def test_a_flush_event_of_the_host_gets_an_error(host: Host) -> None:
    user = host.add()
    raised: list[Exception] = []

    def flushing(_mapper: Any, _connection: Any, _row: Any) -> None:
        for call in (lambda: like(host, user.id), lambda: host.notifier.why(user.id)):
            with pytest.raises(DuringFlush) as error:
                call()
            raised.append(error.value)

    event.listen(host.Like, "after_insert", flushing)
    host.db.session.add(host.Like())
    host.db.session.commit()
    assert len(raised) == 2
    assert activities(host) == []

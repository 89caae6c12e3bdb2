"""A database that was restored from a backup: it is known as such, sends nothing, and learns what went out since."""

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from psycopg import sql
from sqlalchemy import select, text, update

from notifier import clock
from notifier.campaigns.errors import CampaignError
from notifier.cli.main import build
from notifier.database import identity
from notifier.explain.audit_evidence import Seen
from notifier.explain.restore import KEY_GAP, Reconciliation, RestoreFindings
from notifier.extensions import db
from notifier.mail import message_ids
from notifier.mail.message_ids import Ids
from notifier.models import AuditEntry, CampaignRun, Notification, UnrecordedEmail, User
from notifier.observability import healthcheck
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.testing.servers.postgres import PostgresServer, postgres_binaries
from tests.support.applications import NOON, make_owed, migrate
from tests.support.campaigns import IDS, expand, make_campaign, make_people, start_run
from tests.support.services import job, replace_services

only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def message_id(pk: int, key: str) -> str:
    return message_ids.message_id(IDS.make(pk, key), "notifier.example")


def seen(*rows: tuple[int, str]) -> list[Seen]:
    """Evidence of the emails with these keys."""
    return [Seen(message_id(pk, key).strip("<>")) for pk, key in rows]


def reconcile(evidence: list[Seen]) -> RestoreFindings:
    db.session.rollback()
    reconciliation = Reconciliation(db.session, IDS)
    found = reconciliation.look(evidence)
    reconciliation.mend(found, by=COMMAND_LINE)
    return found


def statuses() -> dict[str, str]:
    found = dict(db.session.execute(select(Notification.dedupe_key, Notification.status)).all())
    db.session.rollback()
    return found


# --- what the evidence means -------------------------------------------------------------------------------


@pytest.mark.usefixtures("context", "frozen")
@pytest.mark.parametrize("status", ["pending", "sending", "unknown"])
def test_an_open_row_whose_email_is_there_is_sent(status: str) -> None:
    there = make_owed(1, status=status, claims=3, lease_until=NOON, next_attempt_at=NOON + timedelta(days=1))
    make_owed(2, status=status)
    reconcile(seen((there, "test:1")))
    assert statuses() == {"test:1": "sent", "test:2": status}
    row = db.session.get_one(Notification, there)
    assert (row.claims, row.reason_code, row.sent_at) == (4, "found_delivered", NOON)
    assert row.message_id == message_id(there, "test:1")


@pytest.mark.usefixtures("context")
def test_rows_at_rest_stay_as_they_are() -> None:
    rest = ["sent", "failed", "suppressed", "skipped", "cancelled", "expired", "bounced"]
    rows = [(make_owed(number, status=status), f"test:{number}") for number, status in enumerate(rest)]
    found = reconcile(seen(*rows))
    assert (found.known, found.open, found.unrecorded) == (7, {}, {})
    assert statuses() == {f"test:{number}": status for number, status in enumerate(rest)}


@pytest.mark.usefixtures("context")
def test_copies_are_recognised_by_every_key_and_by_what_the_row_knows() -> None:
    """The backup was made before the first attempt, so the row does not name the key that signed its id."""
    before, after = Ids(["an-older-key"]), Ids(["an-older-key", "a-newer-key"])
    first, second, third = (make_owed(number) for number in (1, 2, 3))
    gone = f"<n{Ids(['a-key-that-is-gone']).make(third, 'test:3')}@notifier.example>"
    db.session.get_one(Notification, third).message_id = gone
    db.session.commit()
    copies = [before.make(first, "test:1"), after.make(second, "test:2")]
    evidence = [Seen(f"n{each}@notifier.example") for each in copies] + [Seen(gone.strip("<>"))]
    found = Reconciliation(db.session, after).look(evidence)
    assert (set(found.open), found.unrecorded) == ({first, second, third}, {})
    foreign = hashlib.sha256(b"test:1").hexdigest()[:16].translate(str.maketrans("0189", "abcd"))
    found = Reconciliation(db.session, after).look([Seen(f"n{first}.{foreign}@notifier.example")])
    assert (found.open, set(found.unrecorded)) == ({}, {foreign})


@pytest.mark.usefixtures("context")
def test_another_row_under_the_key_of_a_lost_one_is_still_sent() -> None:
    """Rows that were made after the restore have keys that lost rows had."""
    pk = make_owed(1)
    found = reconcile(seen((pk, "test:lost")))
    assert statuses() == {"test:1": "pending"}
    assert list(found.unrecorded) == IDS.macs("test:lost")


@pytest.mark.usefixtures("context")
def test_what_somebody_asks_for_again_is_sent_again() -> None:
    """The lost timeline sent `test:7` under another key. Asked for anew, it is a new email; only campaigns repeat."""
    reconcile(seen((500, "test:7")))
    make_owed(7)
    assert statuses() == {"test:7": "pending"}
    reconcile(seen((500, "test:7")))
    assert statuses() == {"test:7": "pending"}


@pytest.mark.usefixtures("context", "frozen")
@pytest.mark.parametrize("before", [True, False], ids=["expanded before", "expanded after"])
def test_a_campaign_that_owes_again_what_went_out_sends_the_rest_only(before: bool) -> None:
    """The run, its rows and their keys are new; the reason for which each is owed is not."""
    people = make_people(6)
    campaign = make_campaign()
    run_id = start_run(campaign)
    told: list[int] = []
    if before:
        expand(run_id)
        keys = db.session.scalars(select(Notification.dedupe_key).order_by(Notification.user_id)).all()
        db.session.rollback()
    else:
        keys = [f"c{campaign.id}:announcement:{user}" for user in people]
        expand(run_id)
        keys = db.session.scalars(select(Notification.dedupe_key).order_by(Notification.user_id)).all()
        db.session.execute(text("DELETE FROM notifier_notifications"))
        db.session.execute(update(CampaignRun).values(state="due", cursor=0, planned=0))
        db.session.commit()
    found = reconcile(seen(*((4000 + number, key) for number, key in enumerate(keys[:4]))))
    assert len(found.unrecorded) == 4
    if not before:
        expand(run_id, told, chunk=4)
    rows = db.session.execute(select(Notification.id, Notification.status).order_by(Notification.user_id)).all()
    assert [status for _, status in rows] == ["sent"] * 4 + ["pending"] * 2
    if not before:
        assert sorted(told) == sorted(pk for pk, status in rows if status == "pending")
    assert db.session.scalar(select(CampaignRun.planned)) == 6


@pytest.mark.usefixtures("context")
def test_twice_is_once() -> None:
    pk = make_owed(1)
    evidence = seen((pk, "test:1"), (900, "test:lost"))
    reconcile(evidence)
    next_key = make_owed(2)
    found = reconcile(evidence)
    assert (found.known, found.open, found.unrecorded) == (1, {}, {})
    assert make_owed(3) == next_key + 1


@pytest.mark.usefixtures("context", "frozen")
def test_what_is_left_is_rung_for_as_soon_as_it_is_due() -> None:
    """Bells that rang while it was on hold are lost."""
    later = NOON + timedelta(hours=2)
    left = make_owed(1, enqueue_at=NOON + timedelta(hours=1))
    make_owed(2, next_attempt_at=later, enqueue_at=later + timedelta(hours=1))
    reconcile(seen((900, "test:lost")))
    rings = dict(db.session.execute(select(Notification.id, Notification.enqueue_at)).all())
    assert rings == {left: NOON, left + 1: later}


@pytest.mark.usefixtures("context")
def test_the_wrong_log_is_refused() -> None:
    with pytest.raises(CampaignError, match="this service sent none of them"):
        Reconciliation(db.session, IDS).look([Seen("abc@example.com"), Seen("")])


@pytest.mark.usefixtures("context")
def test_the_audit_knows_emails_without_a_row(context: Flask) -> None:
    pk = make_owed(1)
    db.session.rollback()
    evidence = seen((pk, "test:1"), (900, "test:lost"))
    auditor = services_of(context).audit
    assert not auditor.of(None, evidence).ok
    reconcile(evidence)
    assert auditor.of(None, evidence).ok


@only_postgres
@pytest.mark.usefixtures("context")
def test_no_new_row_gets_the_key_of_a_lost_one() -> None:
    """A bounce of the lost row, and a campaign's key with the user's in it, would be taken for the new one's."""
    make_owed(1)
    reconcile(seen((5_000_000, "test:lost")))
    make_owed(2)
    assert db.session.scalar(select(Notification.id).order_by(Notification.id.desc())) > 5_000_000 + KEY_GAP
    assert db.session.scalar(select(User.id).order_by(User.id.desc())) > KEY_GAP


# --- a real restore ----------------------------------------------------------------------------------------


class Backup:
    """A database of its own that can be dumped and restored."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self._server, self._file = server, folder / "dump"
        self.name = f"restore_{uuid4().hex[:8]}"
        self.url = server.create_database(self.name)

    def dump(self) -> None:
        self._run("pg_dump", "-Fc", "-f", str(self._file), self._server.dsn(self.name))

    def restore(self, name: str = "") -> str:
        """Into an empty database; its address."""
        name = name or self.name
        self._server.drop_database(name)
        url = self._server.create_database(name)
        self._run("pg_restore", "-d", self._server.dsn(name), str(self._file))
        return url

    def execute(self, statement: str) -> None:
        with psycopg.connect(self._server.dsn(self.name), autocommit=True) as connection:
            connection.execute(sql.SQL(statement))  # type: ignore[arg-type]

    def _run(self, program: str, *arguments: str) -> None:
        binary = postgres_binaries(self._server.home) / program
        subprocess.run([binary, *arguments], check=True, capture_output=True)


@pytest.fixture
def backup(postgres: PostgresServer, tmp_path: Path) -> Iterator[Backup]:
    backup = Backup(postgres, tmp_path)
    migrate(backup.url)
    yield backup
    postgres.drop_database(backup.name)


@pytest.fixture
def in_use(backup: Backup, make_app: Callable[..., Flask]) -> Iterator[Flask]:
    """An application on that database, which was adopted as `db upgrade` does it."""
    app = make_app(database_url=backup.url, publish=lambda keys, bulk: True)
    assert command(app, "db", "upgrade").exit_code == 0
    with app.app_context():
        yield app
        let_go()


def command(app: Flask, *arguments: str) -> Result:
    return CliRunner().invoke(build(lambda: app), list(arguments))


def let_go() -> None:
    db.session.remove()
    db.engine.dispose()


@only_postgres
def test_a_restored_copy_is_known_and_sends_nothing_until_it_is_adopted(backup: Backup, in_use: Flask) -> None:
    pk = make_owed(1)
    make_owed(2)
    let_go()
    backup.dump()
    assert not identity.is_restored(db.session())
    let_go()
    backup.restore()
    replace_services(in_use, hold=identity.RestoreHold(db.session))

    assert identity.is_restored(db.session())
    db.session.rollback()
    assert Visitor(in_use).get("/healthz").status_code == 503
    (held,) = [each for each in healthcheck.examine(db.session(), clock.now()) if each.name == "restore"]
    assert not held.ok
    db.session.rollback()
    assert not services_of(in_use).audit.of().ok
    assert "restored from a backup" in command(in_use, "db", "upgrade").output
    job(in_use, "deliver_notification").apply(args=(pk,))
    job(in_use, "sweep").apply()
    assert statuses() == {"test:1": "pending", "test:2": "pending"}
    assert db.session.scalar(text("SELECT count(*) FROM notifier_heartbeats WHERE name = 'sweep'")) == 0
    db.session.rollback()

    reconcile(seen((pk, "test:1")))
    replace_services(in_use, hold=identity.RestoreHold(db.session))
    assert statuses() == {"test:1": "sent", "test:2": "pending"}
    assert Visitor(in_use).get("/healthz").status_code == 200
    job(in_use, "sweep").apply()
    assert db.session.scalar(text("SELECT count(*) FROM notifier_heartbeats WHERE name = 'sweep'")) == 1


@only_postgres
def test_only_a_restore_or_a_copy_looks_like_one(
    backup: Backup, in_use: Flask, postgres: PostgresServer, make_app: Callable[..., Flask]
) -> None:
    let_go()
    for chore in ("VACUUM FREEZE notifier_database_identity", "VACUUM FULL notifier_database_identity", "ANALYZE"):
        backup.execute(chore)
    assert not identity.is_restored(db.session())
    assert command(in_use, "db", "upgrade").exit_code == 0
    assert not identity.is_restored(db.session())
    let_go()
    copy = f"{backup.name}_copy"
    url = postgres.create_database(copy, template=backup.name)
    other = make_app(database_url=url)
    with other.app_context():
        assert identity.is_restored(db.session())
        let_go()
    postgres.drop_database(copy)


@only_postgres
def test_release_says_that_nothing_went_out(backup: Backup, in_use: Flask) -> None:
    assert "Nothing is on hold" in command(in_use, "restore", "release", "--yes").output
    make_owed(1)
    let_go()
    backup.dump()
    backup.restore()
    assert command(in_use, "restore", "release", "--yes").exit_code == 0
    assert not identity.is_restored(db.session())
    assert statuses() == {"test:1": "pending"}
    assert db.session.scalar(select(AuditEntry.action)) == "restore.released"


# --- the command -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("context")
def test_the_command_says_what_there_is_and_does_it(context: Flask, tmp_path: Path) -> None:
    pk = make_owed(1)
    log = tmp_path / "accepted"
    log.write_text(
        "\n".join(each.message_id for each in seen((pk, "test:1"), (900, "test:lost"))) + "\nx@example.com\n"
    )
    dry = command(context, "restore", "reconcile", "--accepted", str(log), "--dry-run", "--json")
    assert '"open": 1' in dry.output
    assert statuses() == {"test:1": "pending"}
    done = command(context, "restore", "reconcile", "--accepted", str(log), "--yes")
    assert done.exit_code == 0, done.output
    assert "Does the log begin before the backup was made?" in done.output
    assert "Recorded as sent: 1; remembered without a row: 1" in done.output
    assert statuses() == {"test:1": "sent"}
    assert db.session.scalar(select(UnrecordedEmail.mac)) == IDS.macs("test:lost")[0]
    assert command(context, "restore", "reconcile", "--yes").exit_code == 2

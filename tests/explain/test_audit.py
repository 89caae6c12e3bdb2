"""The audit finds discrepancies, and a repair sends to people who were missed, and to none twice."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from notifier.campaigns.errors import CampaignError
from notifier.explain.audit import Audit, Report
from notifier.explain.audit_evidence import Seen
from notifier.explain.repair import Repair
from notifier.extensions import db
from notifier.models import AuditEntry, Campaign, CampaignRun, Notification, Status
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, owed_to, run_row, start_run, tick
from tests.support.checksum import checksum
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

DAY = timedelta(days=1)

Key = Callable[[Notification], str]


@pytest.fixture
def audit(app: Flask) -> Audit:
    return services_of(app).audit


@pytest.fixture
def repair(app: Flask) -> Repair:
    return services_of(app).repair


@pytest.fixture
def message_id(app: Flask) -> Key:
    composer = services_of(app).sender.composer
    return lambda row: str(composer.message_id_of(row.id, row.dedupe_key))


def a_run(people: int = 6, name: str = "news", **values: Any) -> int:
    """A run with mail for so many new people; `values` are those of the campaign."""
    made = make_people(people)
    audience = {"user_from": made[0], "user_to": made[-1]}
    campaign = make_campaign(name, next_slot=SLOT + DAY, next_run_at=SLOT + DAY, audience=audience, **values)
    run_id = start_run(campaign)
    assert expand(run_id)
    return run_id


def rows() -> list[Notification]:
    db.session.rollback()
    return list(db.session.scalars(select(Notification).order_by(Notification.id)))


def settle(status: str, *keys: int, **values: Any) -> None:
    """These mails (all, where none is named) stand like this."""
    chosen = Notification.id.in_(keys or [row.id for row in rows()])
    db.session.execute(update(Notification).where(chosen).values(status=status, **values))
    db.session.commit()


def asked(audit: Audit, *args: Any) -> Report:
    db.session.rollback()
    return audit.of(*args)


# --- the ledger by itself ---------------------------------------------------------------------------


def test_a_run_in_which_every_status_occurs_adds_up(audit: Audit) -> None:
    run_id = a_run(len(Status))
    for row, status in zip(rows(), Status, strict=True):
        settle(status, row.id)
    before = checksum()
    report = asked(audit)
    assert checksum() == before
    (found,) = report.runs
    assert (report.ok, report.twice, found.id, found.campaign, found.planned) == (True, 0, run_id, "news", len(Status))
    assert found.emails == dict.fromkeys(map(str, Status), 1)
    assert (found.waiting, found.difference) == (2, 0)


def test_a_row_that_is_gone_or_too_many_does_not_add_up(audit: Audit) -> None:
    first, second = a_run(), a_run(3, "other")
    db.session.execute(delete(Notification).where(Notification.id == rows()[0].id))
    db.session.execute(update(CampaignRun).where(CampaignRun.id == second).values(planned=2))
    db.session.commit()
    report = asked(audit)
    assert not report.ok
    assert {run.id: run.difference for run in report.runs} == {first: 1, second: -1}
    assert [run.id for run in asked(audit, second).runs] == [second]


def test_one_address_with_the_same_mail_twice_is_found(audit: Audit) -> None:
    a_run()
    row = rows()[0]
    values = {"kind": row.kind, "recipient": row.recipient, "campaign_id": row.campaign_id, "run_id": row.run_id}
    key = row.dedupe_key.rpartition(":")[0] + ":4711"
    db.session.add(Notification(**values, user_id=row.user_id, dedupe_key=key))
    db.session.execute(update(CampaignRun).values(planned=7))
    db.session.commit()
    report = asked(audit)
    assert (report.ok, report.twice) == (False, 1)
    assert (report.doubled[0].recipient, report.doubled[0].rows) == (row.recipient, 2)


# --- beside what is there ---------------------------------------------------------------------------


def test_a_deleted_mail_a_doubled_one_and_a_stranger_are_found(audit: Audit, message_id: Key) -> None:
    a_run()
    settle("sent", sent_at=NOON)
    names = [message_id(row) for row in rows()]
    assert asked(audit, None, [Seen(name[1:-1]) for name in names]).ok
    there = [Seen(name[1:-1]) for name in [*names[1:], names[2], names[2]]] + [Seen("x@elsewhere"), Seen("")]
    found = asked(audit, None, there).compared
    assert found is not None
    assert not found.ok
    assert (found.rows, found.copies) == (6, 9)
    assert [each.notification_id for each in found.missing.named] == [rows()[0].id]
    assert [(each.notification_id, each.copies) for each in found.extra.named] == [(rows()[2].id, 3)]
    assert {each.message_id for each in found.strangers.named} == {"x@elsewhere", ""}
    assert (found.missing.count, found.extra.count, found.strangers.count) == (1, 1, 2)


@pytest.mark.parametrize(
    ("values", "copies", "problem"),
    [
        ({"status": "sent"}, 0, "missing"),
        ({"status": "bounced"}, 0, "missing"),
        ({"status": "complained"}, 1, ""),
        ({"status": "sent"}, 2, "extra"),
        # One try of which nobody knows the end may have left a copy.
        ({"status": "sent", "unknowns": 1}, 2, ""),
        ({"status": "sent", "unknowns": 1}, 3, "extra"),
        ({"status": "unknown", "unknowns": 1}, 0, ""),
        ({"status": "unknown", "unknowns": 1}, 1, ""),
        ({"status": "sending"}, 0, ""),
        ({"status": "sending"}, 1, ""),
        ({"status": "pending"}, 1, "extra"),
        ({"status": "failed"}, 1, "extra"),
        ({"status": "skipped"}, 1, "extra"),
        # It was sent after somebody had looked.
        ({"status": "sent", "sent_at": NOON + DAY}, 0, ""),
    ],
)
def test_so_many_copies_may_be_there(
    audit: Audit, message_id: Key, values: dict[str, Any], copies: int, problem: str
) -> None:
    a_run(1)
    settle(**values)
    found = asked(audit, None, [Seen(message_id(row)[1:-1]) for row in rows() * copies]).compared
    assert found is not None
    counts = {name: getattr(found, name).count for name in ("missing", "extra", "strangers")}
    assert [name for name, count in counts.items() if count] == ([problem] if problem else [])


def test_a_stored_message_id_counts_before_the_one_that_would_be_made(audit: Audit) -> None:
    """The sender's domain may have changed since."""
    a_run(1)
    settle("sent", message_id="<kept@before.example>")
    assert asked(audit, None, [Seen("kept@before.example")]).ok


def test_mail_of_other_runs_is_no_stranger(audit: Audit, message_id: Key) -> None:
    first, second = a_run(), a_run(2, "other")
    settle("sent")
    there = [Seen(message_id(row)[1:-1]) for row in rows()]
    assert asked(audit, first, there).ok
    compared = asked(audit, second, [*there, Seen("x@elsewhere")]).compared
    assert compared is not None
    assert (compared.rows, compared.strangers.count) == (2, 1)


def test_a_copy_that_is_read_twice_counts_once(audit: Audit, message_id: Key) -> None:
    """New mail moves the pages of an inbox."""
    a_run(1)
    settle("sent")
    name = message_id(rows()[0])[1:-1]
    assert asked(audit, None, [Seen(name, copy="a"), Seen(name, copy="a")]).ok
    assert not asked(audit, None, [Seen(name, copy="a"), Seen(name, copy="b")]).ok


# --- repair -----------------------------------------------------------------------------------------


def mended(repair: Repair, run_id: int, *evidence: Any) -> tuple[int, int, int, int]:
    db.session.rollback()
    done = repair.mend(repair.look(run_id, *evidence), by=COMMAND_LINE)
    return done.owed, done.enqueued, done.arrived, done.again


def test_a_repair_owes_whom_the_expansion_missed_and_nobody_twice(repair: Repair, enqueued: list[int]) -> None:
    people = make_people(8)
    db.session.execute(update(Notification).values(status="sent"))
    campaign = make_campaign(next_slot=SLOT + DAY, next_run_at=SLOT + DAY)
    run_id = start_run(campaign)
    expand(run_id)
    missed = people[1:4:2]
    db.session.execute(delete(Notification).where(Notification.user_id.in_(missed)))
    db.session.execute(update(CampaignRun).values(planned=6))
    db.session.commit()
    settle("sent", sent_at=NOON)
    assert tick(NOON).finished == [run_id]
    make_people(2)  # they signed up later: the run did not miss them
    assert repair.look(run_id).people == 2
    assert mended(repair, run_id) == (2, 2, 0, 0)
    assert owed_to(run_id) == people
    fresh = {row.id for row in rows() if row.status == "pending"}
    assert {row.user_id for row in rows() if row.id in fresh} == set(missed)
    assert set(enqueued) == fresh
    run = run_row(run_id)
    assert (run.state, run.planned, run.totals, run.finished_at) == ("sending", 8, None, None)
    assert mended(repair, run_id)[0] == 0
    assert owed_to(run_id) == people
    assert [entry.action for entry in db.session.scalars(select(AuditEntry))] == ["run.repaired"] * 2


def test_a_repair_rings_for_what_is_due(repair: Repair, enqueued: list[int]) -> None:
    run_id = a_run()
    first, second, *rest = [row.id for row in rows()]
    settle("pending", first, next_attempt_at=NOON + DAY)
    settle("sent", second)
    assert mended(repair, run_id) == (0, 4, 0, 0)
    assert enqueued == rest


def test_a_broker_that_is_away_leaves_the_bell_to_the_sweep(repair: Repair) -> None:
    run_id = a_run(2)
    repair._publish = lambda keys, bulk: False
    assert mended(repair, run_id) == (0, 0, 0, 0)
    assert {row.enqueue_at for row in rows()} == {NOON}


@pytest.mark.parametrize(("policy", "again"), [("ask", 1), ("never", 0)])
def test_what_is_in_doubt_is_decided_by_what_is_there(repair: Repair, message_id: Key, policy: str, again: int) -> None:
    run_id = a_run(4, on_unknown=policy)
    settle("sent")
    found, lost = rows()[0], rows()[1]
    settle("unknown", found.id, lost.id, unknowns=1)
    there = [Seen(message_id(rows()[0])[1:-1]), Seen(message_id(rows()[2])[1:-1])]
    db.session.rollback()
    damage = repair.look(run_id, there)
    assert (damage.arrived, damage.sent_but_missing) == ((rows()[0].id,), 1)
    assert (len(damage.lost), len(damage.left)) == (again, 1 - again)
    assert mended(repair, run_id, there) == (0, again, 1, again)
    expected = ["sent", "pending" if again else "unknown", "sent", "sent"]
    assert [row.status for row in rows()] == expected


def test_without_anything_to_compare_what_is_in_doubt_is_left(repair: Repair) -> None:
    run_id = a_run(2, on_unknown="ask")
    settle("unknown")
    assert mended(repair, run_id) == (0, 0, 0, 0)
    assert {row.status for row in rows()} == {"unknown"}


@pytest.mark.parametrize(
    ("run_values", "campaign_values", "words"),
    [
        ({"state": "due"}, {}, "continues by itself"),
        ({"state": "paused"}, {}, "resume it first"),
        ({"state": "cancelled"}, {}, "must not be sent"),
        ({"state": "missed"}, {}, "never sent anything"),
        ({"deadline": NOON}, {}, "already have expired"),
        ({}, {"state": "paused"}, "news is paused"),
    ],
)
def test_a_run_that_cannot_be_repaired_says_why(
    repair: Repair, run_values: dict[str, Any], campaign_values: dict[str, Any], words: str
) -> None:
    run_id = a_run(1)
    db.session.execute(update(CampaignRun).values(**{"state": "sending"} | run_values))
    if campaign_values:
        db.session.execute(update(Campaign).values(**campaign_values))
    db.session.commit()
    with pytest.raises(CampaignError, match=words):
        repair.look(run_id)


# --- the commands -----------------------------------------------------------------------------------


def test_the_audit_command_lists_what_does_not_add_up(run: Run, tmp_path: Path, message_id: Key) -> None:
    run_id = a_run(3)
    settle("sent", sent_at=NOON)
    names = [message_id(row) for row in rows()]
    path = tmp_path / "accepted.log"
    path.write_text("".join(f"{name} user@example.com 1.0\n" for name in names))
    shown = run("audit", "--accepted", str(path))
    assert (shown.exit_code, "It adds up." in shown.output) == (0, True)
    path.write_text(f"{names[0]}\n{names[1]}\n{names[1]}\n<x@elsewhere>\n")
    shown = run("audit", "--run", str(run_id), "--accepted", str(path))
    assert shown.exit_code == 1
    for name in (*names[1:], "x@elsewhere"):
        assert name.strip("<>") in shown.output.replace("\n", "")
    found = json.loads(run("audit", "--accepted", str(path), "--json").stdout)
    assert (found["ok"], found["duplicates"], found["runs"][0]["difference"]) == (False, 0, 0)
    assert [found["beside"][sort]["count"] for sort in ("missing", "extra", "strangers")] == [1, 1, 1]


def test_the_repair_command_asks_first(run: Run) -> None:
    run_id = a_run(3)
    db.session.execute(delete(Notification).where(Notification.id == rows()[0].id))
    db.session.commit()
    settle("sent")
    asked = run("repair", "--run", str(run_id), input="n\n")
    assert (asked.exit_code, len(rows())) == (1, 2)
    assert run("repair", "--run", str(run_id), "--dry-run").exit_code == 0
    assert len(rows()) == 2
    done = json.loads(run("repair", "--run", str(run_id), "--yes", "--json").stdout)
    assert (done["damage"]["people"], done["repaired"]["owed"], len(rows())) == (1, 1, 3)
    settle("sent")
    assert "Nothing needs repair" in run("repair", "--run", str(run_id)).output


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("audit", "--run", "4711"), 1, "There is no run 4711. The newest is"),
        (("repair", "--run", "4711"), 1, "There is no run 4711. The newest is"),
        (("audit", "--accepted", "/nowhere"), 2, "does not exist"),
        (("audit", "--inbox", "http://127.0.0.1:9"), 1, "The inbox does not answer"),
        (("audit", "--inbox", "http://x", "--accepted", __file__), 2, "not both"),
    ],
)
def test_wrong_input_is_one_clear_line(run: Run, words: tuple[str, ...], code: int, line: str) -> None:
    a_run(1)
    result = run(*words)
    assert (result.exit_code, line in result.output) == (code, True), result.output

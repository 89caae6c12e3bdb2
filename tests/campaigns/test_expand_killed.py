"""Expansion in processes that are killed, one after the other."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from notifier.campaigns.expand import Expansion
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Notification, Preference
from tests.support.campaigns import IDS, make_campaign, make_people, owed_to, run_row, start_run

pytestmark = pytest.mark.usefixtures("frozen", "context")

#: Where the process ends, and how many chunks it gets through before.
KILLS = [
    ("before the rows", 0, 0),
    ("before the commit", 1, 1),
    ("after the rows", 2, 3),
    ("before the bell", 1, 5),
    ("within the bell", 2, 8),
]


def test_an_expansion_that_is_killed_five_times_goes_on_each_time(tmp_path: Path) -> None:
    """Each process ends at once by kill -9, with a transaction open or with rows of which nobody was told."""
    people = make_people(30)
    for index in (3, 10, 25):
        db.session.add(Preference(user_id=people[index], category="news", wanted=False))
    db.session.commit()
    run_id, told = start_run(make_campaign()), tmp_path / "told"
    for moment, chunks, committed in KILLS:
        assert expand_until(run_id, told, moment, chunks) == -signal.SIGKILL
        left_out = sum(people[index] <= people[3 * committed - 1] for index in (3, 10, 25)) if committed else 0
        run = run_row(run_id)
        assert (run.planned, run.excluded.get("opted_out", 0)) == (3 * committed - left_out, left_out), moment
        assert owed_to(run_id) == [pk for pk in people[: 3 * committed] if pk not in (people[3], people[10])], moment
    assert expand_until(run_id, told) == 0
    run = run_row(run_id)
    assert (run.state, run.planned, run.excluded) == ("sending", 27, {"opted_out": 3})
    assert owed_to(run_id) == [pk for index, pk in enumerate(people) if index not in (3, 10, 25)]
    assert set(map(int, told.read_text().split())) == set(db.session.scalars(select(Notification.id)))


def expand_until(run_id: int, told: Path, moment: str = "", chunks: int = 0) -> int:
    """Expand in a child that ends at this moment after so many chunks. How it ended, as subprocess says it."""
    db.session.remove()
    db.engine.dispose()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    commits = 0

    def at(name: str) -> None:
        if name == moment and commits - (name.endswith("the bell")) == chunks:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(_: Any) -> None:
        nonlocal commits
        at("before the commit")
        commits += 1

    def publish(keys: Any, *, bulk: bool) -> bool:
        at("before the bell")
        with told.open("a") as file:
            file.write("".join(f"{key}\n" for key in keys))
        at("within the bell")
        return True

    def statement(name: str) -> Any:
        return lambda *args: at(name) if "INSERT INTO notifier_notifications" in args[2] else None

    event.listen(db.session(), "before_commit", commit)
    event.listen(db.engine, "before_cursor_execute", statement("before the rows"))
    event.listen(db.engine, "after_cursor_execute", statement("after the rows"))
    Expansion(db.session, publish, KINDS, IDS, chunk=3).run(run_id)
    os._exit(0)

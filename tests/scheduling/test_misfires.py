"""Missed runs: the policies for scheduled times that passed without a run."""

from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.models import Misfire
from notifier.scheduling import GRACE, Judged, Schedule, backlog, check, misfired
from tests.support.zones import QUICK, minutes_near_changes, utc, zones

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = utc("2026-11-20 12:00")


def verdicts(judged: list[Judged]) -> str:
    """One letter for each: due, missed, coalesced."""
    return "".join(verdict[0] for _, verdict, _ in judged)


def ago(*minutes: int) -> list[datetime]:
    return [NOW - count * MINUTE for count in minutes]


@pytest.mark.parametrize(
    ("policy", "within", "coalesce", "late", "expected"),
    [
        # Nothing, or all in time.
        ("run_late", None, True, (), ""),
        ("skip", None, True, (0,), "d"),
        ("skip", None, True, (5,), "d"),
        ("within", 60, True, (5,), "d"),
        ("skip", None, True, (-60,), "d"),
        ("skip", None, False, (2, 1, 0), "ddd"),
        ("skip", None, True, (2, 1, 0), "ccd"),
        # Late.
        ("run_late", None, True, (6,), "d"),
        ("run_late", None, True, (100_000,), "d"),
        ("run_late", None, False, (120, 60, 0), "ddd"),
        ("run_late", None, True, (120, 60, 0), "ccd"),
        ("run_late", None, True, (120, 60), "cd"),
        ("skip", None, True, (6,), "m"),
        ("skip", None, True, (120, 60, 0), "mmd"),
        ("skip", None, False, (120, 60), "mm"),
        ("skip", None, True, (120, 3, 0), "mcd"),
        ("within", 60, True, (61,), "m"),
        ("within", 60, True, (60,), "d"),
        ("within", 60, True, (120, 60, 30, 0), "mccd"),
        ("within", 60, False, (120, 60, 30, 0), "mddd"),
        ("within", 60, True, (180, 120, 61), "mmm"),
        # Shorter than what counts as in time.
        ("within", 1, True, (6, 5), "md"),
        # Nobody said within what.
        ("within", None, True, (6, 5), "md"),
    ],
)
def test_table(policy: str, within: int | None, coalesce: bool, late: tuple[int, ...], expected: str) -> None:
    limit = None if within is None else within * MINUTE
    judged = misfired(ago(*late), NOW, policy, limit, coalesce)
    assert verdicts(judged) == expected
    assert [slot for slot, _, _ in judged] == ago(*late)


def test_the_grace_can_be_chosen() -> None:
    assert timedelta(minutes=5) == GRACE
    assert verdicts(misfired(ago(11, 10), NOW, Misfire.skip, None, False, grace=10 * MINUTE)) == "md"


def test_the_reasons_are_words() -> None:
    late = ago(3 * 1440 + 65, 61, 1)
    assert [judged.reason for judged in misfired(late, NOW, Misfire.run_late, None, False)] == [
        "run 3 days, 1 hour late",
        "run 1 hour, 1 minute late",
        "",
    ]
    assert [judged.reason for judged in misfired(late, NOW, Misfire.within, 2 * HOUR, True)] == [
        "the run was missed by 3 days, 1 hour: this campaign sends missed runs only within 2 hours",
        "combined with the run of 2026-11-20 11:59 UTC",
        "",
    ]
    skipped = misfired(late, NOW, Misfire.skip, None, True)[0].reason
    assert skipped.endswith("this campaign skips missed runs")


def test_the_reasons_fit_their_column() -> None:
    late = [NOW - 100_000 * DAY - 23 * HOUR - 59 * MINUTE, NOW]
    for policy in Misfire:
        for within in (None, 99_999 * DAY + 23 * HOUR):
            for coalesce in (True, False):
                assert all(len(judged.reason) <= 200 for judged in misfired(late, NOW, policy, within, coalesce))


def test_a_portion_that_ends_before_the_newest_slot_runs_together_with_that_one() -> None:
    late = ago(120, 60)
    assert verdicts(misfired(late, NOW, Misfire.run_late, None, True, newest=NOW)) == "cc"
    assert misfired(late, NOW, Misfire.run_late, None, True, newest=NOW)[0].reason.endswith("2026-11-20 12:00 UTC")
    assert verdicts(misfired(late, NOW, Misfire.run_late, None, True, newest=late[-1])) == "cd"
    assert verdicts(misfired(late, NOW, Misfire.run_late, None, False, newest=NOW)) == "dd"
    assert verdicts(misfired(late, NOW, Misfire.skip, None, True, newest=NOW)) == "mm"


class TestBacklog:
    def test_nothing_is_due(self) -> None:
        found = backlog(check(cron="0 9 * * *"), utc("2026-11-21 09:00"), NOW)
        assert (found.firings, found.newest) == ((), None)
        assert found.following is not None
        assert found.following.slot == utc("2026-11-21 09:00")

    def test_the_slot_that_is_waited_for_is_part_of_it(self) -> None:
        found = backlog(check(cron="0 12 * * *"), NOW, NOW)
        assert [firing.slot for firing in found.firings] == [NOW]
        assert found.newest == NOW
        assert found.following is not None
        assert found.following.slot == NOW + DAY

    def test_the_last_slot_of_all(self) -> None:
        found = backlog(check(once_at=NOW), NOW, NOW + HOUR)
        assert ([firing.slot for firing in found.firings], found.newest, found.following) == ([NOW], NOW, None)

    @pytest.mark.parametrize("end", [None, NOW - 180 * DAY])
    def test_a_year_of_minutes_comes_in_portions(self, end: datetime | None, monkeypatch: pytest.MonkeyPatch) -> None:
        asked, run_at = Counter[str](), Schedule.run_at

        def counted(schedule: Schedule, slot: datetime) -> datetime:
            asked["slots"] += 1
            return run_at(schedule, slot)

        monkeypatch.setattr(Schedule, "run_at", counted)
        found = backlog(check(cron="* * * * *", zone="Europe/London", end_at=end), NOW - 365 * DAY, NOW)
        # And not the half million that there are.
        assert asked["slots"] < 1100
        assert len(found.firings) == 1000
        assert found.newest == (NOW if end is None else end - MINUTE)
        assert found.following is not None
        assert found.following.slot == found.firings[-1].slot + MINUTE
        judged = misfired([f.slot for f in found.firings], NOW, Misfire.run_late, None, True, newest=found.newest)
        assert verdicts(judged) == "c" * 1000

    @QUICK
    @given(
        minutes_near_changes(),
        zones(),
        st.sampled_from(["*/20 * * * *", "30 1,2,3 * * *", "0 9 1 * *", "*/10 1 * * *"]),
        st.booleans(),
        st.integers(0, 3000),
        st.none() | st.integers(1, 3000),
    )
    def test_portions_make_the_whole_and_know_the_newest(
        self, start: datetime, zone: ZoneInfo, cron: str, local: bool, minutes: int, end: int | None
    ) -> None:
        end_at = None if end is None else start + end * MINUTE
        schedule = check(cron=cron, zone=zone.key, recipient_local=local, end_at=end_at)
        now = start + minutes * MINUTE
        whole = list(schedule.due(start - timedelta.resolution, now))
        assert in_portions(schedule, start, now) == [firing.slot for firing in whole]


def in_portions(schedule: Schedule, first: datetime, now: datetime) -> list[datetime]:
    """All that is due, seven at a time, as one tick after the other takes it."""
    taken: list[datetime] = []
    newest = None
    while (found := backlog(schedule, first, now, portion=7)).firings:
        assert newest in (None, found.newest)
        newest = found.newest
        taken += [firing.slot for firing in found.firings]
        if found.following is None:
            break
        first = found.following.slot
    assert newest == (taken[-1] if taken else None)
    return taken

"""Every activity is in exactly one digest, even if runs are late, cancelled or repeated.

Activities from a time when the recipient wanted no digest are in it as a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from notifier.consent import preferences
from notifier.consent.preferences import How
from notifier.database.expressions import moment_of, number_of
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.models import Activity, Campaign, CampaignRun, Frequency, Notification, User
from tests.support.campaigns import expand, make_campaign, make_people, start_run
from tests.support.kinds import rows_of
from tests.support.zones import utc

pytestmark = pytest.mark.usefixtures("frozen", "context")

MADE, START = utc("2026-10-20 15:30"), utc("2026-10-23 08:00")
HOUR, INSTANT = timedelta(hours=1), timedelta(microseconds=1)
#: Clocks of London change on 25 October, of New York on 1 November; Kiritimati is a day ahead, the last is nowhere.
PLACES = ("Europe/London", "America/New_York", "Pacific/Kiritimati", "Nowhere/Land")
#: Where the windows of those begin who signed up long before: by the day, the week and the month.
FIRST = {
    "Europe/London": {utc("2026-10-18 23:00"), utc("2026-10-11 23:00"), utc("2026-08-31 23:00")},
    "America/New_York": {utc("2026-10-19 04:00"), utc("2026-10-12 04:00"), utc("2026-09-01 04:00")},
}
#: Each database gets them; one takes some 0.2 s.
STORIES = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Step:
    """What happens at one slot."""

    #: After the slot before.
    hours: int
    #: on time, again: expanded a second time, late: after the next slot, never
    how: str
    #: What a reader decides before the slot.
    reader: int
    wish: Frequency | None


STEPS = st.builds(
    Step,
    st.sampled_from((1, 5, 15, 24, 24, 24, 70, 200, 800)),
    st.sampled_from(("on time", "on time", "on time", "again", "late", "never")),
    st.integers(0, len(PLACES) - 1),
    st.sampled_from((None, None, *Frequency)),
)
#: Hours since the start, and microseconds beyond: many of them are on boundaries.
MOMENTS = st.tuples(st.integers(-500, 2500), st.sampled_from((-1, 0, 0, 1)))


@STORIES
@given(
    steps=st.lists(STEPS, min_size=3, max_size=9),
    moments=st.lists(MOMENTS, min_size=10, max_size=60),
    local=st.booleans(),
    zone=st.sampled_from(PLACES[:2]),
)
def test_digests_tile(steps: list[Step], moments: list[tuple[int, int]], local: bool, zone: str) -> None:
    for table in (Notification, Campaign, User):
        db.session.execute(delete(table))
    signed_up = (MADE - 2000 * HOUR, MADE - 1000 * HOUR, MADE + HOUR, MADE + 300 * HOUR)
    people = zip(PLACES, signed_up, strict=True)
    readers = [make_people(1, timezone=place, created_at=at)[0] for place, at in people]
    tell(readers, moments, list(accumulate(step.hours for step in steps)))
    campaign = make_campaign(kind="activity_digest", zone=zone, created_at=MADE, recipient_local=local)
    end = play(campaign, readers, steps)
    for user_id in readers:
        check(user_id, zone, end)


def tell(readers: Sequence[int], moments: Sequence[tuple[int, int]], slots: Sequence[int]) -> None:
    """Each reader has the same activities: some at the very slots, one so late that the last digest is due."""
    at = [START + hours * HOUR + instants * INSTANT for hours, instants in moments] + [START + 9000 * HOUR]
    at += [START + hours * HOUR for hours in slots]
    rows = [
        {
            "user_id": user_id,
            "kind": "like",
            "actor": "Ada",
            "object_key": "a",
            "object_title": "a",
            "occurred_at": moment,
        }
        for user_id in readers
        for moment in at
    ]
    db.session.execute(insert(Activity), rows)
    db.session.commit()


def play(campaign: Campaign, readers: Sequence[int], steps: Sequence[Step]) -> datetime:
    """Let it all happen, and at the end a digest for everybody. Returns the last slot."""
    slot, late = START, 0
    for step in steps:
        slot += step.hours * HOUR
        wish(readers[step.reader], step.wish, slot - HOUR / 2)
        if step.how == "never":
            continue
        run_id = start_run(campaign, slot)
        if step.how == "late":
            late = run_id
            continue
        assert expand(run_id)
        if step.how == "again":
            db.session.execute(update(CampaignRun).where(CampaignRun.id == run_id).values(state="due", cursor=0))
            db.session.commit()
            assert expand(run_id)
        if late:
            assert expand(late)
            late = 0
    for user_id in readers:
        wish(user_id, Frequency.immediate, slot)
    end = START + 10_000 * HOUR
    assert expand(start_run(campaign, end))
    return end


def wish(user_id: int, frequency: Frequency | None, at: datetime) -> None:
    """What a reader decides at that moment."""
    if frequency is not None:
        wanted = frequency is not Frequency.never
        preferences.decide(db.session(), user_id, "digest", wanted, frequency, how=How.page, now=at)
        db.session.commit()


def check(user_id: int, zone: str, end: datetime) -> None:
    """Windows without gap and overlap, and all activities since the first window's start in exactly one mail."""
    rows = [row for row in rows_of() if row.user and row.user.id == user_id]
    rows.sort(key=lambda row: row.params["since"])
    ends = [(row.params["since"], row.params["until"]) for row in rows]
    assert all(since < until for since, until in ends)
    assert [since for since, _ in ends[1:]] == [until for _, until in ends[:-1]]
    assert end - 24 * HOUR < moment_of(ends[-1][1]) <= end
    loaded = KINDS["activity_digest"].load(db.session(), rows)  # type: ignore[attr-defined]
    listed = [loaded[row.id].counts.total() for row in rows]
    # An email of old things alone does not exist.
    assert all(listed)
    told = [loaded[row.id].older + number for row, number in zip(rows, listed, strict=True)]
    happened = [number_of(at) for at in db.session.scalars(select(Activity.occurred_at).filter_by(user_id=user_id))]
    assert told == [sum(since <= at < until for at in happened) for since, until in ends]
    assert sum(told) == sum(at >= ends[0][0] for at in happened)
    signed_up = db.session.get_one(User, user_id).created_at
    assert moment_of(ends[0][0]) in ({signed_up} if signed_up > MADE else FIRST[zone])

"""Moments as numbers: the same on both databases, to the microsecond, in SQL, in JSON and in Python."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import BigInteger, select, update

from notifier.database.expressions import (
    MomentOf,
    NumberOf,
    as_text,
    json_object,
    microseconds,
    moment,
    moment_of,
    number_of,
    table_of,
)
from notifier.database.types import UtcDateTime
from notifier.extensions import db
from notifier.models import Activity, Notification, User
from tests.support.applications import NOON
from tests.support.campaigns import SLOT, expand, make_campaign, make_people, start_run
from tests.support.kinds import happened, rows_of

pytestmark = pytest.mark.usefixtures("frozen", "context")

FRACTIONS = (0, 1, 499_999, 500_000, 999_499, 999_500, 999_999)
MOMENTS = [datetime(2026, 11, 16, 23, 59, 59, fraction, UTC) for fraction in FRACTIONS]


def test_moments_are_numbers_to_the_microsecond_in_both_databases() -> None:
    happened(make_people(1)[0], *MOMENTS)
    number = NumberOf(Activity.occurred_at)
    query = select(number, MomentOf(number)).where(MomentOf(number) == Activity.occurred_at)
    found = db.session.execute(query.order_by(number)).all()
    assert found == [(number_of(at), at) for at in MOMENTS]
    assert [moment_of(number_of(at)) for at in MOMENTS] == MOMENTS
    assert number_of(NOON + timedelta(days=3)) - number_of(NOON) == microseconds(timedelta(days=3)) == 259_200_000_000


def test_a_json_object_holds_columns_constants_and_moments_as_numbers() -> None:
    created = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)
    make_people(1, created_at=created)
    values = {
        "since": User.created_at.expression,
        "until": moment(MOMENTS[1]),
        "zone": User.timezone.expression,
        "n": 3,
    }
    found = db.session.scalars(select(json_object(values))).one()
    assert found == {"since": number_of(created), "until": number_of(MOMENTS[1]), "zone": "UTC", "n": 3}


def test_rows_of_python_are_a_table_with_the_same_moments() -> None:
    rows = [{"key": number, "at": at} for number, at in enumerate(MOMENTS)]
    dialect = db.engine.dialect.name
    given = table_of(dialect, "b_rows", key=BigInteger(), at=UtcDateTime())
    happened(make_people(1)[0], *MOMENTS)
    query = select(given.c.key, given.c.at).join(Activity, Activity.occurred_at == given.c.at).order_by(given.c.key)
    found = db.session.execute(query, {"b_rows": as_text(dialect, rows)}).all()
    assert found == list(enumerate(MOMENTS))


@pytest.mark.parametrize("kind", ["verification_reminder", "monthly_report", "activity_digest"])
def test_every_kind_keeps_its_moments_in_one_unit(kind: str) -> None:
    people = make_people(1, verified_at=None if kind == "verification_reminder" else NOON - timedelta(days=60))
    age = timedelta(days=3) if kind == "verification_reminder" else timedelta(days=60)
    db.session.execute(update(User).values(created_at=SLOT - age))
    db.session.commit()
    happened(people[0], SLOT - timedelta(days=3), SLOT - timedelta(days=35))
    expand(start_run(make_campaign(kind=kind, created_at=SLOT - timedelta(days=60))))
    (row,) = rows_of()
    moments = {name: value for name, value in row.params.items() if name in {"send_at", "since", "listed", "until"}}
    assert moments
    for name, value in moments.items():
        assert SLOT - timedelta(days=65) <= moment_of(value) <= SLOT, (kind, name)
    assert db.session.scalar(select(MomentOf(NumberOf(Notification.created_at)))) == NOON

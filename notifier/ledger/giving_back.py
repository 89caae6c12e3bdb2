"""Release what a row reserved if its person never got the email, so that the next run can send it.

A row reserves its dedupe key, and a digest also reserves its time window. Both are released in the transaction in
which the row comes to rest. A row with an uncertain attempt keeps them, because its person may have the email.
"""

from collections.abc import Collection, Iterable
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, String, Table, and_, case, func, literal, or_, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from notifier.database.expressions import MomentOf
from notifier.database.keys import among
from notifier.models import DigestMark, Notification, Status
from notifier.reasons import ReasonCode

_N = Notification
_MARKS = cast("Table", DigestMark.__table__)

#: Precedes the row's id in the key of a row that released its key. No other key contains it.
GIVEN_BACK = "~"

#: Final statuses after which another email may report the same window.
_UNREPORTED = (Status.cancelled, Status.skipped, Status.suppressed)


def given_back() -> ColumnElement[str]:
    """Build the key of a row that releases it: its own id is appended, unless an attempt is uncertain."""
    own = _N.dedupe_key + literal(GIVEN_BACK) + sql_cast(_N.id, String)
    return case((_N.unknowns == 0, own), else_=_N.dedupe_key)


def give_back_skipped(session: Session, pks: Collection[int]) -> None:
    """Release what these campaign rows reserved, if they were skipped or suppressed. The caller commits.

    The key is released only for an unconfirmed address, because the person may confirm it while the campaign still
    runs.
    """
    rested = (among(session, _N.id, pks), _N.status.in_((Status.skipped, Status.suppressed)), _N.unknowns == 0)
    unconfirmed = (_N.status == Status.skipped, _N.reason_code == ReasonCode.not_confirmed, _N.run_id.is_not(None))
    untouched = ~_N.dedupe_key.contains(GIVEN_BACK, autoescape=True)
    statement = update(_N).where(*rested, *unconfirmed, untouched).values(dedupe_key=given_back())
    session.execute(statement.execution_options(synchronize_session=False))
    mine = session.execute(select(_N.campaign_id, _N.user_id).where(*rested))
    move_marks_back(session, [(campaign_id, user_id) for campaign_id, user_id in mine])


def give_back_refused(session: Session, pks: Collection[int]) -> int:
    """Release what these bounced campaign rows reserved: their provider refused us, so their people got nothing.

    Rows that released it already, and rows with an uncertain attempt, are left alone. Return how many. The caller
    commits.
    """
    untouched = ~_N.dedupe_key.contains(GIVEN_BACK, autoescape=True)
    statement = (
        update(_N)
        .where(among(session, _N.id, pks), _N.status == Status.bounced, _N.unknowns == 0, untouched)
        .values(dedupe_key=given_back())
        .returning(_N.campaign_id, _N.user_id)
    )
    released = session.execute(statement.execution_options(synchronize_session=False)).all()
    move_marks_back(session, [(campaign_id, user_id) for campaign_id, user_id in released])
    return len(released)


def move_marks_back(session: Session, people: Iterable[tuple[int | None, int | None]]) -> None:
    """Move the digest marks of these (campaign, user) back to the end of what was reported. The caller commits.

    That is the end of the last window that was reported, or still will be; without one, the beginning of the first
    released window. A mark never moves forward here, nor behind a later reported window, so this can be repeated.
    """
    users: dict[int, list[int]] = {}
    for campaign_id, user_id in people:
        if campaign_id is not None and user_id is not None:
            users.setdefault(campaign_id, []).append(user_id)
    for campaign_id, user_ids in sorted(users.items()):
        if session.scalar(select(_MARKS.c.user_id).where(_MARKS.c.campaign_id == campaign_id).limit(1)) is None:
            continue
        mine = and_(_MARKS.c.campaign_id == campaign_id, among(session, _MARKS.c.user_id, user_ids))
        # Lock in a fixed order, so that two workers that want the same marks cannot deadlock.
        session.execute(select(_MARKS.c.user_id).where(mine).order_by(_MARKS.c.user_id).with_for_update()).all()
        reported = _reported_until(campaign_id)
        session.execute(update(_MARKS).where(mine, reported < _MARKS.c.until).values(until=reported))


def _reported_until(campaign_id: int) -> ColumnElement[Any]:
    """Build the end of what was, or will be, reported to a mark's user; null if there is no row to judge by."""
    refused = and_(_N.status == Status.bounced, _N.dedupe_key.contains(GIVEN_BACK, autoescape=True))
    unreported = and_(or_(_N.status.in_(_UNREPORTED), refused), _N.unknowns == 0)
    end, begin = (sql_cast(_N.params[name].as_string(), BigInteger) for name in ("until", "since"))
    reported = func.coalesce(func.max(end).filter(~unreported), func.min(begin).filter(unreported))
    rows = select(reported).where(_N.campaign_id == campaign_id, _N.user_id == _MARKS.c.user_id)
    return MomentOf(rows.correlate(_MARKS).scalar_subquery())

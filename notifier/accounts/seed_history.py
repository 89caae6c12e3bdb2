"""A made-up past for seeded users: emails of 90 days, so that the pages of the admin have something to show.

The rows are as sending leaves them, and they add up: counters, totals of runs and days, suppressions, what came back.
Only emails whose past decides nothing about later ones are made up: verification emails and monthly reports.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, insert, select
from sqlalchemy.orm import Session

from notifier.bounces.reasons import RULES, Reason
from notifier.database.expressions import number_of
from notifier.models import (
    Activity,
    Campaign,
    CampaignRun,
    Feedback,
    Notification,
    RunState,
    Status,
    Suppression,
    SuppressionReason,
    User,
)
from notifier.models.feedback import Effect
from notifier.observability import totals
from notifier.reasons import SENTENCES, ReasonCode

#: How far back it goes: the longest time that the dashboard shows.
PAST: Final = timedelta(days=90)

#: Within which an email comes back, if it does.
AN_HOUR: Final = timedelta(hours=1)

#: The campaign whose runs are made up, and the hour at which it runs, in each recipient's time zone.
CAMPAIGN, HOUR = "monthly-report", 9

#: Posts that a report shows.
TOP: Final = 3

#: Users in one transaction.
CHUNK: Final = 2000

#: How an email ended, and of 1,000 emails, how many ended so.
_ENDS: Final = {Status.sent: 974, Status.bounced: 14, Status.failed: 10, Status.complained: 2}

_REASONS: Final = {
    Status.bounced: ReasonCode.address_dead,
    Status.failed: ReasonCode.address_refused,
    Status.complained: ReasonCode.reported_as_spam,
}
_NO_SUCH_USER: Final = {"last_code": 550, "last_enhanced": "5.1.1", "last_text": "No such user here"}
_TAKEN: Final = {"last_code": 250, "last_enhanced": "2.0.0", "last_text": "Ok: queued"}


def plant_history(session: Callable[[], Session], *, above: int, now: datetime, seed: int = 1) -> int:
    """Add the past of all users with an id above `above`. Return the number of emails.

    Commit in portions. Runs that exist already stay as they are: a second history adds verification emails only.
    """
    history = _History(session, random.Random(seed), above)
    history.add_verifications(now - PAST, now - AN_HOUR)
    campaign = session().scalar(select(Campaign).where(Campaign.name == CAMPAIGN))
    if campaign is not None:
        for slot in _slots(now):
            history.add_run(campaign.id, campaign.edition, slot)
    totals.recount(session, history.hours, now)
    return history.emails


class _History:
    """Adds emails, portion by portion, and remembers in which hours they ended."""

    def __init__(self, session: Callable[[], Session], rng: random.Random, above: int) -> None:
        self.emails = 0
        self.hours: set[datetime] = set()
        self._session = session
        self._rng = rng
        self._above = above

    def add_verifications(self, since: datetime, until: datetime) -> None:
        """Add the verification emails of all who signed up in between."""
        for users in self._portions(User.created_at >= since, User.created_at < until):
            rows = [self._row(user, "verification", f"signup:{user.id}:after:0", user.created_at) for user in users]
            self._store(users, rows)

    def add_run(self, campaign_id: int, edition: int, slot: datetime) -> None:
        """Add the run of one slot, with the report of the month before it, unless it exists."""
        mine = (CampaignRun.campaign_id == campaign_id, CampaignRun.slot == slot)
        if self._session().scalar(select(func.count()).where(*mine)):
            return
        until = slot.replace(hour=0)
        since = (until - timedelta(days=1)).replace(day=1)
        began, over = slot - timedelta(hours=14), slot + timedelta(days=1)
        run = CampaignRun(
            campaign_id=campaign_id, slot=slot, state=RunState.done.value, edition=edition, created_at=began,
            expanded_at=began, touched_at=over, finished_at=over,
        )  # fmt: skip
        self._session().add(run)
        self._session().flush()
        run_id = run.id
        month = {"month": f"{since:%Y-%m-%d}", "since": number_of(since), "until": number_of(until), "home": "UTC"}
        of_run = {"campaign_id": campaign_id, "run_id": run_id, "bulk": True, "params": month | {"top": TOP}}
        ends: Counter[str] = Counter()
        for users in self._portions(User.verified_at < slot, _something_happened(since, until), ~_is_dead()):
            rows = [
                self._row(user, "monthly_report", f"seed:{since:%Y-%m}:{user.id}", _at_home(slot, user), **of_run)
                for user in users
            ]
            ends.update(row["status"] for row in rows)
            self._store(users, rows)
        self._close(run_id, slot, ends)

    def _close(self, run_id: int, slot: datetime, ends: Counter[str]) -> None:
        """Store the sums of a run. Those who had nothing to report, or no working address, count as excluded."""
        verified = (User.id > self._above, User.verified_at < slot)
        eligible, newest = self._session().execute(select(func.count(), func.max(User.id)).where(*verified)).one()
        run = self._session().get_one(CampaignRun, run_id)
        run.planned, run.totals, run.cursor = ends.total(), dict(ends), newest or 0
        run.excluded = {"nothing_happened": eligible - ends.total()} if eligible > ends.total() else {}
        self._session().commit()

    def _portions(self, *where: ColumnElement[bool]) -> Iterator[Sequence[User]]:
        after = self._above
        query = select(User).where(*where).order_by(User.id).limit(CHUNK)
        while users := self._session().scalars(query.where(User.id > after)).all():
            after = users[-1].id
            yield users
            self._session().commit()

    def _row(self, user: User, kind: str, key: str, at: datetime, **values: Any) -> dict[str, Any]:
        """Return an email that was due at `at`, was sent seconds later, and may have come back within the hour."""
        # Who confirmed an address has it.
        confirmed = kind == "verification" and user.verified_at is not None
        status = Status.sent if confirmed else self._rng.choices([*_ENDS], [*_ENDS.values()])[0]
        ended = sent = at + timedelta(seconds=self._rng.uniform(0.3, 20))
        if status in {Status.bounced, Status.complained}:
            ended += timedelta(minutes=self._rng.uniform(1, 60))
        code = _REASONS.get(status)
        return {
            "kind": kind, "user_id": user.id, "recipient": user.email, "dedupe_key": key, "params": {}, "bulk": False,
            "campaign_id": None, "run_id": None, "status": status.value, "reason_code": code,
            "reason": SENTENCES[code] if code else None, "claims": 1, "attempts": 1, "next_attempt_at": at,
            "enqueue_at": at, "created_at": at, "settled_at": ended, "transport": "smtp",
            "sent_at": None if status is Status.failed else sent,
            "last_phase": "rcpt" if status is Status.failed else "eod",
            **(_NO_SUCH_USER if status is Status.failed else _TAKEN), **values,
        }  # fmt: skip

    def _store(self, users: Sequence[User], rows: list[dict[str, Any]]) -> None:
        """Add emails, and what came back about them."""
        session, keys = self._session(), {user.id: user.identity_key for user in users}
        session.execute(insert(Notification), rows)
        back = {row["dedupe_key"]: row for row in rows if row["status"] in {Status.bounced, Status.complained}}
        named = select(Notification.id, Notification.dedupe_key).where(Notification.dedupe_key.in_([*back]))
        feedback = [_feedback(pk, keys[back[key]["user_id"]], back[key]) for pk, key in session.execute(named)]
        dead = [_suppression(keys[row["user_id"]], row) for row in rows if row["status"] != Status.sent]
        for table, made in ((Feedback, feedback), (Suppression, dead)):
            if made:
                session.execute(insert(table), made)
        self.emails += len(rows)
        moments = (row[name] for row in rows for name in ("sent_at", "settled_at"))
        self.hours.update(moment.replace(minute=0, second=0, microsecond=0) for moment in moments if moment)


def _something_happened(since: datetime, until: datetime) -> ColumnElement[bool]:
    inside = (Activity.occurred_at >= since, Activity.occurred_at < until)
    return select(Activity.id).where(Activity.user_id == User.id, *inside).exists()


def _is_dead() -> ColumnElement[bool]:
    return select(Suppression.id).where(Suppression.identity_key == User.identity_key).exists()


def _at_home(slot: datetime, user: User) -> datetime:
    """Return when the clock of this person shows the hour of the slot."""
    return slot.replace(tzinfo=ZoneInfo(user.timezone)).astimezone(UTC)


def _slots(now: datetime) -> list[datetime]:
    """Return the slots of the campaign that were over everywhere by now, the oldest first."""
    days = ((now - PAST).date() + timedelta(days=number) for number in range(PAST.days))
    firsts = [datetime(day.year, day.month, 1, HOUR, tzinfo=UTC) for day in days if day.day == 1]
    return [first for first in firsts if first + timedelta(days=1) < now]


def _feedback(pk: int, identity_key: str, row: dict[str, Any]) -> dict[str, Any]:
    bounced = row["status"] == Status.bounced
    return {
        "source": "email", "event_id": f"seed:{pk}", "kind": "bounce" if bounced else "complaint",
        "verdict": "hard" if bounced else "none", "reason": str(Reason.USER_UNKNOWN if bounced else Reason.ABUSE),
        "code": 550 if bounced else None, "enhanced": "5.1.1" if bounced else None,
        "text": "No such user here" if bounced else None, "rule_version": RULES, "notification_id": pk,
        "matched_by": "verp", "proven": True, "identity_key": identity_key,
        "provider": identity_key.rpartition("@")[2], "happened_at": row["settled_at"], "received_at": row["settled_at"],
        "effect": str(Effect.suppressed if bounced else Effect.complained),
    }  # fmt: skip


def _suppression(identity_key: str, row: dict[str, Any]) -> dict[str, Any]:
    complained = row["status"] == Status.complained
    reason = SuppressionReason.complaint if complained else SuppressionReason.hard_bounce
    source = "smtp" if row["status"] == Status.failed else "email"
    return {
        "identity_key": identity_key, "reason": reason.value, "source": source,
        "evidence": "reported as spam" if complained else "5.1.1 No such user here", "created_at": row["settled_at"],
    }  # fmt: skip

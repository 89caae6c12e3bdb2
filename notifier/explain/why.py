"""Why: one answer per campaign about a person, by the ledger and by the rule that plans and sends.

The answer is about one slot, the same for all people: that of the newest run while it is being expanded, otherwise the
next slot of the schedule, otherwise (the campaign has none ahead) this moment. The first of these that holds:

1. The person has a row of the newest run, or of a prompt run after it: what became of that row, or will. A row that was
cancelled before it was sent gave its key back; if a later run will reach the person, that is the answer.
2. The rule says that the slot's email is in the ledger already, from any run: the same about that row.
3. The rule excludes the person at the slot: its reason, with the values.
4. The rule chooses the person, but the campaign is paused or archived, or has no slot ahead: that.
5. They will get it, when it is due.

`Answer.judged` is what the rule says in any case, so the sums over all people are the counts of the slot's plan.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from notifier import audience, clock
from notifier.audience import Judgement, Kinds
from notifier.campaigns.content_versions import numbers
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.explanations import ROW, Answer, Explanation, Receipt, Row, explain_row, is_given_back, reply_of
from notifier.campaigns.lookup import campaigns_of, moment_of, occasion_at, occasion_in
from notifier.models import OPEN, Campaign, CampaignRun, CampaignState, Notification, RunState, Trigger, User

#: Users in one portion of `why_all`.
CHUNK = 2000

#: States of runs that never queued an email.
_EMPTY = (RunState.missed, RunState.coalesced)


def why(
    session: Session, user_id: int, kinds: Kinds, campaign: str | None = None, *, now: datetime | None = None
) -> list[Answer]:
    """Return one answer about this user per campaign, or for the named campaign, sorted by the campaigns' names.

    Raise CampaignError if the campaign does not exist. A user who does not exist gets no answers.
    """
    questions = (Question(session, each, kinds, now=now) for each in campaigns_of(session, campaign))
    return [answer for question in questions for answer in question.answers([user_id])]


def why_all(
    session: Session,
    campaign: Campaign,
    kinds: Kinds,
    *,
    now: datetime | None = None,
    chunk: int = CHUNK,
    on_progress: Callable[[int], object] | None = None,
) -> Iterator[Answer]:
    """Yield the answers about all users, by key. `on_progress(users)` is called with the number of users done."""
    question, after, done = Question(session, campaign, kinds, now=now), 0, 0
    while ids := session.scalars(select(User.id).where(User.id > after).order_by(User.id).limit(chunk)).all():
        yield from question.answers(ids)
        after, done = ids[-1], done + len(ids)
        if on_progress is not None:
            on_progress(done)


class Question:
    """One campaign at one moment. The answers are plain values."""

    def __init__(self, session: Session, campaign: Campaign, kinds: Kinds, *, now: datetime | None = None) -> None:
        """Prepare the question. `now`: the moment that it is about, by default the present one."""
        self._session = session
        self._campaign = campaign
        self._now = now or clock.now()
        self._newest = _newest_run(session, campaign)
        self._broken: CampaignError | None = None
        try:
            self._numbers = numbers(session, campaign)
            run = self._expanding
            self.slot = moment_of(campaign, "next", self._now, kinds).slot if run is None else run.slot
            if run is None:
                self._occasion = occasion_at(campaign, self.slot, kinds)
            else:
                self._occasion = occasion_in(campaign, run, kinds)
        except CampaignError as error:
            self._broken = error

    def answers(self, user_ids: Collection[int]) -> list[Answer]:
        """Return one answer for each of these users who exists, by key."""
        if self._broken is not None:
            return [self._unreadable(pk) for pk in sorted(user_ids)]
        judged = audience.judge(self._session, self._occasion, user_ids, now=self._now)
        rows = self._rows(judged)
        ids = {row.run_id for row in rows.values()}
        runs = {run.id: run for run in self._session.scalars(select(CampaignRun).where(CampaignRun.id.in_(ids)))}
        return [self._answer(pk, judged[pk], rows.get(pk), runs) for pk in sorted(judged)]

    @property
    def _expanding(self) -> CampaignRun | None:
        """The newest run, if there are people that it has not looked at."""
        run = self._newest
        return run if run is not None and run.state in OPEN and run.expanded_at is None else None

    def _rows(self, judged: dict[int, Judgement]) -> dict[int, Row]:
        """Return the row that the answer is about, by user."""
        mine = Notification.campaign_id == self._campaign.id
        last = select(func.max(Notification.id)).where(Notification.user_id.in_(judged), mine)
        newest = select(*ROW).join(CampaignRun, CampaignRun.id == Notification.run_id).where(self._is_of_newest())
        found = self._found(newest.where(Notification.id.in_(last.group_by(Notification.user_id))))
        rows = {row.user_id: row for row in found}
        there = {
            str(answer.values["key"])
            for pk, answer in judged.items()
            if answer.code == audience.ALREADY and pk not in rows
        }
        known = self._found(select(*ROW).where(Notification.dedupe_key.in_(there))) if there else ()
        return {row.user_id: row for row in known} | rows

    def _is_of_newest(self) -> ColumnElement[bool]:
        """Return a condition on CampaignRun: the newest slot, and prompt runs since."""
        since = self._newest.slot if self._newest is not None else self._campaign.created_at
        prompt = and_(CampaignRun.trigger == Trigger.prompt, CampaignRun.slot > since)
        return or_(CampaignRun.id == (self._newest.id if self._newest is not None else None), prompt)

    def _found(self, query: Select[*tuple[Any, ...]]) -> Iterable[Row]:
        return [Row(*row) for row in self._session.execute(query)]

    def _answer(self, user_id: int, judgement: Judgement, row: Row | None, runs: dict[int, CampaignRun]) -> Answer:
        by_rule = self._by_rule(user_id, judgement)
        if row is not None and is_given_back(row) and by_rule.outcome is Receipt.will:
            row = None
        if row is None:
            found, values, reply = by_rule, judgement.values, None
        else:
            found = explain_row(row, runs.get(row.run_id or 0), self._now)
            values, reply = {"mail": row.id, "key": row.dedupe_key, **self._version(row)}, reply_of(row)
        return Answer(
            campaign=self._campaign.name,
            user_id=user_id,
            outcome=found.outcome,
            code=found.code,
            words=found.words,
            at=found.at,
            values=values,
            reply=reply,
            run_id=row.run_id if row is not None else None,
            slot=self.slot,
            judged=judgement.code,
            kind=self._campaign.kind,
            notification_id=row.id if row is not None else None,
        )

    def _version(self, row: Row) -> dict[str, int]:
        """Return the version of this email's content, if it is not the original one."""
        number = self._numbers.get(row.content_id, 0)
        return {"version": number} if number else {}

    def _by_rule(self, user_id: int, judgement: Judgement) -> Explanation:
        """Explain a person without a row, by the rule."""
        if judgement.code is not None:
            return Explanation(Receipt.wont, judgement.code, judgement.words, None)
        run, campaign = self._expanding, self._campaign
        if run is not None:
            if user_id <= run.cursor:
                left = "they were excluded when the run checked them, for a reason that no longer holds"
                return Explanation(Receipt.wont, "left_out", left, None)
            if run.state == RunState.paused:
                return Explanation(Receipt.will, "paused", f"as soon as the run is resumed: {run.reason}", None)
            return Explanation(Receipt.will, "chosen", "the run has not reached them yet", judgement.due)
        if campaign.state != CampaignState.active:
            why_so = f": {campaign.paused_reason}" if campaign.paused_reason else ""
            return Explanation(Receipt.wont, campaign.state, f"the campaign is {campaign.state}{why_so}", None)
        if campaign.next_slot is None:
            return Explanation(
                Receipt.wont, "no_slot", "the campaign has no upcoming run: an operator has to start it", None
            )
        return Explanation(Receipt.will, "chosen", "they are in the audience of the next run", judgement.due)

    def _unreadable(self, user_id: int) -> Answer:
        campaign = self._campaign
        return Answer(campaign.name, user_id, Receipt.wont, "unreadable", str(self._broken), None, kind=campaign.kind)


def _newest_run(session: Session, campaign: Campaign) -> CampaignRun | None:
    """Return the run of the newest slot that queued, or will queue, emails. Prompt runs do not count: see Trigger."""
    mine = (
        CampaignRun.campaign_id == campaign.id,
        CampaignRun.state.not_in(_EMPTY),
        CampaignRun.trigger != Trigger.prompt,
    )
    return session.scalars(select(CampaignRun).where(*mine).order_by(CampaignRun.slot.desc()).limit(1)).one_or_none()

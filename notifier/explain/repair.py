"""Repair: sends what is missing of a run, and nothing twice.

What it does:

* It goes through everybody whom the expansion of the run went through, and owes the mail to whom the rule chooses now
  and who has none, from this run or another. Who signed up later is nobody whom the run missed.
* It rings for the mails of the run that are due and wait.
* Beside the log of a mail server or an inbox, emails whose delivery is uncertain (`unknown`) are taken as sent where
  they are there. Where they are not, they are sent again, with the same Message-ID: by the whole log of a mail server
  whatever the campaign says, because then it is certain; by an inbox only if the campaign says `ask`, because an inbox
  may have been emptied.

What it does not do: it sends no mail again that the ledger says was sent, failed, was skipped or expired. Nobody can
tell whom the run left out then for a reason that does not hold any more: they count as missing. Look first, it says
how many.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from notifier import audience, clock, ledger
from notifier.audience import CampaignOccasion, Kinds
from notifier.campaigns.control import find_run
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.expand import candidates, owe_between
from notifier.campaigns.lookup import occasion_in, run_with
from notifier.campaigns.runs import USELESS, lock_campaign
from notifier.database.transaction import reading, transaction
from notifier.explain.audit import Audit
from notifier.explain.audit_comparison import comparing
from notifier.explain.audit_evidence import Seen
from notifier.models import Campaign, CampaignRun, CampaignState, Notification, OnUnknown, RunState, Status, User
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor
from notifier.reasons import ReasonCode

#: Keys of users in one transaction, and keys of mails that are rung for at once.
CHUNK, BELL = 5000, 1000

ARRIVED = ReasonCode.found_delivered
AGAIN = ReasonCode.found_missing


@dataclass(frozen=True, slots=True)
class Damage:
    """What a repair of a run would do."""

    run_id: int
    campaign: str
    #: People whom the rule chooses and who have no row.
    people: int
    #: Mails that are due and wait.
    waiting: int
    #: Keys of mails that nobody knew about: those that are there, those that go again, those that may not.
    arrived: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    #: Mails that the ledger says were sent, and that are not there: repair sends none of them.
    sent_but_missing: int = 0

    @property
    def any(self) -> bool:
        """True where there is something to do."""
        return bool(self.people or self.waiting or self.arrived or self.lost)


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did: people who are owed the mail now, mails rung for, taken as sent, to be sent again."""

    owed: int
    rung: int
    arrived: int
    again: int


class Repair:
    """Owns its short transactions. Running it twice equals running it once."""

    def __init__(
        self, session: Callable[[], Session], publish: Callable[..., bool], kinds: Kinds, audit: Audit
    ) -> None:
        """`publish(keys, bulk=...)` is the outbox's."""
        self._session = session
        self._publish = publish
        self._kinds = kinds
        self._audit = audit

    def look(
        self, run_id: int, evidence: Iterable[Seen] | None = None, *, complete_until: datetime | None = None
    ) -> Damage:
        """What there is to mend, without mending it. Raises CampaignError for a run that cannot be repaired.

        `complete_until`: `evidence` is everything that the mail server had accepted by then, so an email that was
        uncertain by then and is not there did not arrive.
        """
        begun = clock.now()
        with comparing() as comparison:
            if evidence is not None:
                comparison.saw(evidence)
            with reading(self._session) as session:
                run = run_with(session, run_id)
                campaign = session.get_one(Campaign, run.campaign_id)
                _check(run, campaign)
                people = _missing(session, run, occasion_in(campaign, run, self._kinds))
                waiting = select(func.count()).select_from(Notification).where(*_due(run_id, 0))
                damage = Damage(run_id, campaign.name, people, session.scalar(waiting) or 0)
                if evidence is None:
                    return damage
                self._audit.compare(session, comparison, run_id, begun)
                asked = set(session.scalars(_asking(run_id, complete_until)))
                lost = list(comparison.lost(Status.unknown))
                return Damage(
                    run_id,
                    campaign.name,
                    damage.people,
                    damage.waiting,
                    tuple(comparison.found(Status.unknown)),
                    tuple(pk for pk in lost if pk in asked),
                    tuple(pk for pk in lost if pk not in asked),
                    comparison.missing().count,
                )

    def mend(self, damage: Damage, *, by: Actor, told: Callable[[int, int], object] | None = None) -> Repaired:
        """Do it. People are judged once more; `told` hears how far it came, in keys of users.

        Raises CampaignError where the run cannot be repaired any more.
        """
        run_id = damage.run_id
        arrived, again = self._moved(damage, by)
        owed = 0
        for upper, last, made in self._owed(run_id):
            owed += made
            if told is not None:
                told(upper, last)
        return Repaired(owed, sum(self._rung(run_id)), arrived, again)

    def _moved(self, damage: Damage, by: Actor) -> tuple[int, int]:
        with transaction(self._session) as session:
            run = find_run(session, damage.run_id)
            _check(run, session.get_one(Campaign, run.campaign_id))
            now, moved = clock.now(), {ARRIVED: 0, AGAIN: 0}
            for code, to, keys in ((ARRIVED, Status.sent, damage.arrived), (AGAIN, Status.pending, damage.lost)):
                for pk in keys:
                    moved[code] += ledger.move(session, pk, Status.unknown, to, now=now, code=code)
            if moved[AGAIN]:
                _reopen(run)
            done = {"people": damage.people, "arrived": moved[ARRIVED], "again": moved[AGAIN]}
            audit_log.record(session, by, "run.repaired", object_type="run", object_id=run.id, after=done)
        return moved[ARRIVED], moved[AGAIN]

    def _owed(self, run_id: int) -> Iterator[tuple[int, int, int]]:
        """(up to which user, the last one, mails owed) of each portion, as it is committed."""
        after = 0
        while True:
            with transaction(self._session) as session:
                # As the expansion does: two at a time would tell a recipient of a digest the same things twice.
                campaign, run = lock_campaign(session, run_id), find_run(session, run_id)
                assert campaign is not None  # a run cannot be without it: there is a foreign key
                _check(run, campaign)
                last, upper = run.cursor, min(after + CHUNK, run.cursor)
                occasion = occasion_in(campaign, run, self._kinds)
                made = owe_between(session, run, occasion, after, upper, clock.now())
                run.planned += made.planned
                if made.planned:
                    _reopen(run)
            yield upper, last, made.planned
            after = upper
            if after >= last:
                return

    def _rung(self, run_id: int) -> Iterator[int]:
        """How many mails of each portion were rung for."""
        after = 0
        while True:
            query = select(Notification.id).where(*_due(run_id, after)).order_by(Notification.id).limit(BELL)
            with transaction(self._session) as session:
                keys = session.scalars(query).all()
            if not keys:
                return
            if self._publish(keys, bulk=True):
                yield len(keys)
            else:
                with transaction(self._session) as session:
                    # The broker is away: the sweep rings as soon as it is back.
                    now = clock.now()
                    ledger.mark_enqueued(session, keys, seen=now + ledger.ENQUEUE_AGAIN_AFTER, again_at=now)
            after = keys[-1]


def _check(run: CampaignRun, campaign: Campaign) -> None:
    """Raise CampaignError where there is nothing to repair, or no way to."""
    why_not = None
    if run.state not in (RunState.sending, RunState.done):
        hints = {
            RunState.due: "it goes on by itself",
            RunState.expanding: "it goes on by itself",
            RunState.paused: "resume it first",
            RunState.cancelled: "what it did not send is not to be sent",
        }
        why_not = f"it is {run.state}: {hints.get(RunState(run.state), 'it never sent anything')}"
    elif campaign.state != CampaignState.active:
        why_not = f"{campaign.name} is {campaign.state}"
    elif run.deadline is not None and run.deadline <= clock.now():
        why_not = USELESS
    if why_not is not None:
        raise CampaignError(f"Run {run.id} cannot be repaired: {why_not}.")


def _missing(session: Session, run: CampaignRun, occasion: CampaignOccasion) -> int:
    looked_at = and_(User.id > 0, User.id <= run.cursor, candidates(occasion))
    people = audience.chosen(session, occasion, looked_at).subquery()
    return session.scalar(select(func.count()).select_from(people).where(people.c.code.is_(None))) or 0


def _due(run_id: int, after: int) -> tuple[ColumnElement[bool], ...]:
    waiting = (Notification.run_id == run_id, Notification.status == Status.pending, Notification.id > after)
    return (*waiting, Notification.next_attempt_at <= clock.now())


def _asking(run_id: int, complete_until: datetime | None) -> Select[int]:
    """The keys of uncertain emails that may be sent again if they are not there."""
    may = Notification.on_unknown == OnUnknown.ask
    if complete_until is not None:
        may = or_(may, Notification.settled_at <= complete_until)
    unknown = (Notification.run_id == run_id, Notification.status == Status.unknown)
    return select(Notification.id).where(*unknown, may)


def _reopen(run: CampaignRun) -> None:
    """It is not over any more: the tick closes it again."""
    run.state, run.totals, run.finished_at = RunState.sending.value, None, None

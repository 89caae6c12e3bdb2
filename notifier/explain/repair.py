"""Repair: send what is missing of a run, and nothing twice.

It does this:

* It goes through all people that the run's expansion went through, and queues the email for those that the rule chooses
  now and that have no row from this or another run. People who signed up later were not missed.
* It queues the email anew for those whose provider refused us, as bounces reported later (`ReasonCode.refused_us`).
* It enqueues the run's emails that are due and wait.
* With the log of a mail server or an inbox as evidence, it marks emails whose delivery is uncertain (`unknown`) as sent
  if they are there. If they are not, it sends them again with the same Message-ID. With the whole log of a mail server
  it does so for every campaign, because then it is certain; with an inbox only if the campaign says `ask`, because an
  inbox may have been emptied.

It never sends an email again that the ledger says was sent, failed, was skipped or expired. A person whom the run left
out for a reason that no longer holds counts as missing, because that reason is not stored. So look first: it says how
many.
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
from notifier.database.snapshot import reading
from notifier.database.transaction import transaction
from notifier.explain.audit import Audit
from notifier.explain.audit_comparison import comparing
from notifier.explain.audit_evidence import Seen
from notifier.mail.message_ids import Ids
from notifier.models import Campaign, CampaignRun, CampaignState, Notification, OnUnknown, RunState, Status, User
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor
from notifier.reasons import ReasonCode

#: Keys of users in one transaction, and keys of emails enqueued at once.
CHUNK, ENQUEUE_ROWS = 5000, 1000

ARRIVED = ReasonCode.found_delivered
AGAIN = ReasonCode.found_missing


@dataclass(frozen=True, slots=True)
class Damage:
    """What a repair of a run would do."""

    run_id: int
    campaign: str
    #: People that the rule chooses and that have no row.
    people: int
    #: Emails that are due and wait.
    waiting: int
    #: Keys of emails that came back because their provider refused us: their people get a new one.
    refused: tuple[int, ...] = ()
    #: Keys of uncertain emails: those found, those to be sent again, and those that may not be sent again.
    arrived: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    left: tuple[int, ...] = ()
    #: Emails that the ledger says were sent and that were not found: repair sends none of them.
    sent_but_missing: int = 0

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.people or self.waiting or self.refused or self.arrived or self.lost)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Counts of one repair: rows added, rows enqueued, emails marked as sent, emails to be sent again."""

    owed: int
    enqueued: int
    arrived: int
    again: int


class Repair:
    """Repair runs in short transactions. A second repair changes nothing."""

    def __init__(
        self, session: Callable[[], Session], publish: Callable[..., bool], kinds: Kinds, audit: Audit, ids: Ids
    ) -> None:
        """Repair through the outbox: `publish(keys, bulk=...)` enqueues keys.

        `ids` recognises emails that were sent before the database was restored.
        """
        self._session = session
        self._publish = publish
        self._kinds = kinds
        self._audit = audit
        self._ids = ids

    def look(
        self, run_id: int, evidence: Iterable[Seen] | None = None, *, complete_until: datetime | None = None
    ) -> Damage:
        """Return what there is to repair, without changes. Raise CampaignError for a run that cannot be repaired.

        `complete_until`: `evidence` is everything that the mail server accepted until then, so an email that was
        uncertain by then and is not in it did not arrive.
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
                refused = tuple(session.scalars(_refused(run_id)))
                damage = Damage(run_id, campaign.name, people, session.scalar(waiting) or 0, refused)
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
                    refused,
                    tuple(comparison.found(Status.unknown)),
                    tuple(pk for pk in lost if pk in asked),
                    tuple(pk for pk in lost if pk not in asked),
                    comparison.missing().count,
                )

    def mend(self, damage: Damage, *, by: Actor, on_progress: Callable[[int, int], object] | None = None) -> Repaired:
        """Repair the run. People are judged again. `on_progress(key, last key)` is called per portion of users.

        Raise CampaignError if the run can no longer be repaired.
        """
        run_id = damage.run_id
        arrived, again = self._moved(damage, by)
        owed = 0
        for upper, last, made in self._owed(run_id):
            owed += made
            if on_progress is not None:
                on_progress(upper, last)
        return Repaired(owed, sum(self._enqueued(run_id)), arrived, again)

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
            # Their people count as missed from here on.
            released = ledger.give_back_refused(session, damage.refused)
            done = {"people": damage.people, "refused": released, "arrived": moved[ARRIVED], "again": moved[AGAIN]}
            audit_log.record(session, by, "run.repaired", object_type="run", object_id=run.id, after=done)
        return moved[ARRIVED], moved[AGAIN]

    def _owed(self, run_id: int) -> Iterator[tuple[int, int, int]]:
        """Yield (last user done, last user, emails queued) after the commit of each portion."""
        after = 0
        while True:
            with transaction(self._session) as session:
                # Locked as in an expansion: two at a time would list the same activities in two digests.
                campaign, run = lock_campaign(session, run_id), find_run(session, run_id)
                assert campaign is not None  # a foreign key guarantees it
                _check(run, campaign)
                last, upper = run.cursor, min(after + CHUNK, run.cursor)
                occasion = occasion_in(campaign, run, self._kinds)
                made = owe_between(session, run, occasion, after, upper, clock.now(), self._ids)
                run.planned += made.planned
                if made.planned:
                    _reopen(run)
            yield upper, last, made.planned
            after = upper
            if after >= last:
                return

    def _enqueued(self, run_id: int) -> Iterator[int]:
        """Yield how many emails of each portion were enqueued."""
        after = 0
        while True:
            query = select(Notification.id).where(*_due(run_id, after)).order_by(Notification.id).limit(ENQUEUE_ROWS)
            with transaction(self._session) as session:
                keys = session.scalars(query).all()
            if not keys:
                return
            if self._publish(keys, bulk=True):
                yield len(keys)
            else:
                with transaction(self._session) as session:
                    # The broker is unreachable: the sweep enqueues them as soon as it is back.
                    now = clock.now()
                    ledger.mark_enqueued(session, keys, seen=now + ledger.ENQUEUE_AGAIN_AFTER, again_at=now)
            after = keys[-1]


def _check(run: CampaignRun, campaign: Campaign) -> None:
    """Raise CampaignError if there is nothing to repair, or no way to."""
    why_not = None
    if run.state not in (RunState.sending, RunState.done):
        hints = {
            RunState.due: "it continues by itself",
            RunState.expanding: "it continues by itself",
            RunState.paused: "resume it first",
            RunState.cancelled: "its unsent emails must not be sent",
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


def _refused(run_id: int) -> Select[int]:
    """Return the keys of emails that came back because of us, and whose people have no new one yet."""
    given_back = Notification.dedupe_key.contains(ledger.GIVEN_BACK, autoescape=True)
    came_back = (Notification.run_id == run_id, Notification.status == Status.bounced, Notification.unknowns == 0)
    return select(Notification.id).where(*came_back, Notification.reason_code == ReasonCode.refused_us, ~given_back)


def _asking(run_id: int, complete_until: datetime | None) -> Select[int]:
    """Return the keys of uncertain emails that may be sent again if they were not found."""
    may = Notification.on_unknown == OnUnknown.ask
    if complete_until is not None:
        may = or_(may, Notification.settled_at <= complete_until)
    unknown = (Notification.run_id == run_id, Notification.status == Status.unknown)
    return select(Notification.id).where(*unknown, may)


def _reopen(run: CampaignRun) -> None:
    """Mark the run as not over; the tick closes it again."""
    run.state, run.totals, run.finished_at = RunState.sending.value, None, None

"""The audit: check that the ledger's counts add up, and that what it says was sent is really there."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.campaigns.explanations import TAKEN
from notifier.campaigns.lookup import run_with
from notifier.campaigns.slots import slot_name
from notifier.database import identity
from notifier.database.snapshot import reading
from notifier.explain.audit_comparison import NAMED, Comparison, Discrepancies, Expected, comparing
from notifier.explain.audit_evidence import Seen, bare
from notifier.ledger import GIVEN_BACK
from notifier.models import Campaign, CampaignRun, Notification, Status, UnrecordedEmail

#: Rows fetched at once.
PORTION = 5000

#: Statuses of rows that have not ended.
WAITING = (Status.pending, Status.sending)

#: Returns the Message-ID of a row (key, dedupe key) that has none stored, because its worker crashed after the reply.
MessageIdOf = Callable[[int, str, str | None], str]


@dataclass(frozen=True, slots=True)
class RunSum:
    """One run: it adds up if `planned` is the sum of `emails`."""

    id: int
    campaign: str
    slot: datetime
    #: The slot, for people.
    named: str
    state: str
    planned: int
    #: Rows of the ledger, by status.
    emails: dict[str, int]

    @property
    def waiting(self) -> int:
        """The number of rows that have not ended yet."""
        return sum(self.emails.get(status, 0) for status in WAITING)

    @property
    def difference(self) -> int:
        """The number of missing rows; negative if there are too many."""
        return self.planned - sum(self.emails.values())


@dataclass(frozen=True, slots=True)
class Twice:
    """A recipient with several rows for one campaign and period."""

    recipient: str
    #: The dedupe key without its user.
    key: str
    rows: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The ledger compared with an inbox or a log."""

    #: Rows of the ledger that were compared, and copies that were found.
    rows: int
    copies: int
    missing: Discrepancies
    extra: Discrepancies
    strangers: Discrepancies
    #: Copies beyond the first that a lost connection explains.
    explained: int
    #: Rows whose delivery was uncertain and whose email was found.
    arrived: int
    #: Rows that a worker held at that moment.
    under_way: int

    @property
    def ok(self) -> bool:
        """Whether the ledger and the evidence agree."""
        return not (self.missing.count or self.extra.count or self.strangers.count)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of an audit."""

    runs: list[RunSum]
    #: The number of recipients with the same email twice, and some of them.
    twice: int
    doubled: list[Twice] = field(default_factory=list)
    compared: Compared | None = None
    #: Whether the database was restored from a backup, so that it does not know what was sent since.
    restored: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        sums = all(run.difference == 0 for run in self.runs)
        return sums and not self.restored and not self.twice and (self.compared is None or self.compared.ok)


class Audit:
    """Audit runs in transactions of its own, each of which sees one moment and cannot write."""

    def __init__(self, session: Callable[[], Session], message_id_of: MessageIdOf) -> None:
        self._session = session
        self._message_id_of = message_id_of

    def of(
        self,
        run_id: int | None = None,
        evidence: Iterable[Seen] | None = None,
        *,
        on_progress: Callable[[int], object] | None = None,
    ) -> Report:
        """Audit one run, or the whole ledger, and compare it with `evidence` if given.

        `on_progress(rows)` is called as rows are compared. Raise CampaignError if the run does not exist, and pass on
        what `evidence` raises.
        """
        begun = clock.now()
        with comparing() as comparison:
            copies = None if evidence is None else comparison.saw(evidence)
            with reading(self._session) as session:
                if run_id is not None:
                    run_with(session, run_id)
                count, doubled = _twice(session, run_id)
                compared = None
                if copies is not None:
                    rows = self.compare(session, comparison, run_id, begun, on_progress)
                    compared = _compared(session, comparison, rows, copies)
                return Report(_sums(session, run_id), count, doubled, compared, identity.is_restored(session))

    def compare(
        self,
        session: Session,
        comparison: Comparison,
        run_id: int | None,
        begun: datetime,
        on_progress: Callable[[int], object] | None = None,
    ) -> int:
        """Give the ledger's side to the comparison. Return how many rows that is.

        Emails sent after `begun`, when the evidence was read, need not be there.
        """
        scope = () if run_id is None else (Notification.run_id == run_id,)
        rows = comparison.expects(_counted(self._expected(session, scope, begun), on_progress))
        comparison.knows(session.scalars(select(UnrecordedEmail.message_id)))
        if run_id is not None and comparison.strangers().count:
            # Emails of other runs are known, too.
            others = Notification.run_id.is_distinct_from(run_id)
            comparison.knows(each.message_id for each in self._expected(session, (others,), begun))
        return rows

    def _expected(self, session: Session, where: Iterable[ColumnElement[bool]], begun: datetime) -> Iterator[Expected]:
        """Yield how many copies of each row's email may be there: in portions, by key."""
        columns = (
            Notification.id,
            Notification.dedupe_key,
            Notification.id_key,
            Notification.message_id,
            Notification.status,
            Notification.unknowns,
            Notification.recipient,
            Notification.sent_at,
        )
        for pk, key, id_key, message_id, status, unknowns, recipient, sent_at in _stream(
            session, select(*columns).where(*where)
        ):
            taken = status in TAKEN
            # An attempt under way, or one that ended with an unknown outcome, may have left a copy.
            most = int(taken or status == Status.sending) + unknowns
            name = bare(message_id or self._message_id_of(pk, key, id_key))
            least = int(taken and (sent_at is None or sent_at <= begun))
            yield Expected(name, pk, least, most, status, recipient)


def _compared(session: Session, comparison: Comparison, rows: int, copies: int) -> Compared:
    held = select(func.count()).select_from(Notification).where(Notification.status == Status.sending)
    return Compared(
        rows=rows,
        copies=copies,
        missing=comparison.missing(),
        extra=comparison.extra(),
        strangers=comparison.strangers(),
        explained=comparison.explained(),
        arrived=sum(1 for _ in comparison.found(Status.unknown)),
        under_way=session.scalar(held) or 0,
    )


def _counted(rows: Iterable[Expected], on_progress: Callable[[int], object] | None) -> Iterator[Expected]:
    """Yield the same rows, and report every portion to `on_progress`."""
    for number, row in enumerate(rows, 1):
        if on_progress is not None and number % PORTION == 0:
            on_progress(number)
        yield row


def _stream(session: Session, query: Select[*tuple[Any, ...]]) -> Iterator[Any]:
    """Yield the rows of a query whose first column is the key, in bounded memory."""
    after = 0
    while True:
        page = query.where(Notification.id > after).order_by(Notification.id).limit(PORTION)
        rows = session.execute(page).all()
        yield from rows
        if len(rows) < PORTION:
            return
        after = rows[-1][0]


def _sums(session: Session, run_id: int | None) -> list[RunSum]:
    """Return each run with its rows by status, oldest first."""
    counted = select(Notification.run_id, Notification.status, func.count()).where(Notification.run_id.is_not(None))
    runs = select(CampaignRun, Campaign).join(Campaign, Campaign.id == CampaignRun.campaign_id)
    if run_id is not None:
        counted, runs = counted.where(Notification.run_id == run_id), runs.where(CampaignRun.id == run_id)
    by_status: dict[int, Counter[str]] = {}
    for pk, status, number in session.execute(counted.group_by(Notification.run_id, Notification.status)):
        by_status.setdefault(pk or 0, Counter())[status] = number
    return [
        RunSum(
            run.id,
            campaign.name,
            run.slot,
            slot_name(campaign, run.slot, run.trigger),
            run.state,
            run.planned,
            dict(by_status.get(run.id, {})),
        )
        for run, campaign in session.execute(runs.order_by(CampaignRun.id))
    ]


def _twice(session: Session, run_id: int | None) -> tuple[int, list[Twice]]:
    """Return recipients with several rows for one campaign and period.

    Dedupe keys rule out a second row for a user, but not for an address. Rows of deleted accounts do not count: their
    addresses may be deleted, too.
    """
    # A row that gave its key back is replaced by another one.
    given_back = Notification.dedupe_key.contains(GIVEN_BACK, autoescape=True)
    key = func.rtrim(Notification.dedupe_key, "0123456789").label("key")
    query = select(Notification.recipient, key, func.count().label("rows"))
    query = query.where(Notification.run_id.is_not(None), Notification.user_id.is_not(None), ~given_back)
    if run_id is not None:
        query = query.where(Notification.run_id == run_id)
    doubled = query.group_by(Notification.recipient, "key").having(func.count() > 1).subquery()
    count = session.scalar(select(func.count()).select_from(doubled)) or 0
    if not count:
        return 0, []
    rows = session.execute(select(doubled.c.recipient, doubled.c.key, doubled.c.rows).limit(NAMED))
    return count, [Twice(*row) for row in rows]

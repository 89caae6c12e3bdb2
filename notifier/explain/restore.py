"""Reconcile: teach a database restored from a backup what was sent since, so that it sends none of it again.

The evidence is what a mail server accepted, or what lies in an inbox. Each Message-ID names its row and, by a MAC,
the email's dedupe key, so an email is recognised even if its row was lost:

* Open rows whose email is there become `sent`.
* Emails without a row are kept as unrecorded. When a campaign queues one of them again, its row is `sent` at once.
* New rows get keys that no lost row can have had: links, bounces and dedupe keys name people and rows by key.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import func, insert, inspect, select, text
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.unrecorded import unrecorded_among
from notifier.database import identity
from notifier.database.snapshot import reading
from notifier.database.transaction import transaction
from notifier.explain.audit_evidence import Seen
from notifier.mail import message_ids
from notifier.mail.message_ids import Ids, NotifierId
from notifier.models import Campaign, CampaignRun, Notification, UnrecordedEmail, User
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

T = TypeVar("T")

#: Keys in one statement, and rows changed in one transaction.
CHUNK = 1000

#: Gap above the newest key at which new rows start: no database loses so many rows between two backups.
KEY_GAP = 1_000_000

#: Tables whose keys leave the system: in links, in the addresses that bounces return to, in dedupe keys.
KEYED = (User, Notification, Campaign, CampaignRun)


@dataclass(slots=True)
class RestoreFindings:
    """The evidence compared with the database."""

    #: Copies that were read, and those of them whose Message-ID is not of notifier's form.
    copies: int = 0
    foreign: int = 0
    #: Emails that the database knows were accepted by a mail server.
    known: int = 0
    #: Open rows whose email was found, with the accepted Message-ID.
    open: dict[int, str] = field(default_factory=dict)
    #: Emails without a row: Message-ID by MAC, without those recorded already.
    unrecorded: dict[str, str] = field(default_factory=dict)
    #: The largest key of a row that any of them names.
    newest_key: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Counts of one reconciliation: rows marked as sent, emails recorded as unrecorded."""

    sent: int
    noted: int


class Reconciliation:
    """Reconcile in short transactions. A second reconciliation changes nothing."""

    def __init__(self, session: Callable[[], Session], ids: Ids) -> None:
        self._session = session
        self._ids = ids

    def is_restored(self) -> bool:
        """Return whether sending is on hold until an operator reconciles or releases this database."""
        with reading(self._session) as session:
            return identity.is_restored(session)

    def look(self, evidence: Iterable[Seen]) -> RestoreFindings:
        """Compare without changes. Raise CampaignError if the evidence holds no email of notifier."""
        found = RestoreFindings()
        named = self._named(evidence, found)
        if not found.copies > found.foreign:
            raise CampaignError(
                f"{found.copies:,} emails were read, and this service sent none of them. Is this the right log? "
                "If nothing was sent since the backup, run: notifier restore release"
            )
        with reading(self._session) as session:
            for portion in _portions(named.items()):
                self._compare(session, dict(portion), found)
            self._match_runs(session, found)
            noted = unrecorded_among(session, list(found.unrecorded))
        for mac in noted:
            del found.unrecorded[mac]
        return found

    def mend(self, found: RestoreFindings, *, by: Actor) -> Reconciled:
        """Apply the findings, then let this database be used. If it is killed in between, sending stays on hold."""
        sent = noted = 0
        for portion in _portions(found.open.items()):
            with transaction(self._session) as session:
                sent += ledger.mark_sent(session, dict(portion), now=clock.now())
        for each in _portions(found.unrecorded.items()):
            with transaction(self._session) as session:
                noted += _note(session, each)
        with transaction(self._session) as session:
            if noted or identity.is_restored(session):
                _advance_keys(session, found.newest_key)
            self._adopted(session, by, "restore.reconciled", {"sent": sent, "unrecorded": noted})
        self._enqueue_soon()
        return Reconciled(sent, noted)

    def release(self, *, by: Actor) -> bool:
        """Let this database be used because nothing was sent since the backup. Return False if it is in use already."""
        with transaction(self._session) as session:
            if not identity.is_restored(session):
                return False
            self._adopted(session, by, "restore.released", {})
        self._enqueue_soon()
        return True

    def _adopted(self, session: Session, by: Actor, action: str, after: dict[str, Any]) -> None:
        identity.adopt(session, clock.now())
        audit_log.record(session, by, action, object_type="database", after=after)

    def _enqueue_soon(self) -> None:
        while True:
            with transaction(self._session) as session:
                if ledger.enqueue_soon(session, now=clock.now(), limit=CHUNK) < CHUNK:
                    return

    def _named(self, evidence: Iterable[Seen], found: RestoreFindings) -> dict[NotifierId, str]:
        """Return the Message-ID by the row that it names.

        One key may stand for two rows: before and after the restore.
        """
        named = {}
        for seen in evidence:
            found.copies += 1
            keys = message_ids.read(seen.message_id)
            if keys is None:
                found.foreign += 1
                continue
            named[keys] = seen.message_id
            found.newest_key = max(found.newest_key, keys.pk)
        return named

    def _compare(self, session: Session, named: dict[NotifierId, str], found: RestoreFindings) -> None:
        query = select(Notification.id, Notification.dedupe_key, Notification.message_id, Notification.status)
        among = ledger.among(session, Notification.id, [keys.pk for keys in named])
        rows: dict[NotifierId, str] = {}
        for pk, key, known, status in session.execute(query.where(among)):
            # Its first claim may have come after the backup, so every key may have signed its id.
            rows |= {NotifierId(pk, mac): status for mac in self._ids.macs(key)}
            stored = message_ids.read(known or "")
            if stored is not None:
                rows[stored] = status
        for keys, message_id in named.items():
            now = rows.get(keys)
            if now is None:
                found.unrecorded[keys.mac] = message_id
            elif now in ledger.OPEN:
                found.open[keys.pk] = f"<{message_id}>"
            else:
                found.known += 1

    def _match_runs(self, session: Session, found: RestoreFindings) -> None:
        """Mark open rows of campaigns that queued again what was sent under the key of a lost row."""
        if not found.unrecorded:
            return
        for pk, key in _open_of_runs(session):
            for mac in self._ids.macs(key):
                if mac in found.unrecorded:
                    found.open[pk] = f"<{found.unrecorded[mac]}>"


def _open_of_runs(session: Session) -> Iterator[tuple[int, str]]:
    query = select(Notification.id, Notification.dedupe_key)
    query = query.where(Notification.run_id.is_not(None), Notification.status.in_(ledger.OPEN))
    after = 0
    while True:
        page = query.where(Notification.id > after).order_by(Notification.id).limit(CHUNK)
        rows = session.execute(page).all()
        yield from ((pk, key) for pk, key in rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1][0]


def _note(session: Session, portion: Sequence[tuple[str, str]]) -> int:
    there = unrecorded_among(session, [mac for mac, _ in portion])
    now = clock.now()
    rows = [{"mac": mac, "message_id": message_id, "noted_at": now} for mac, message_id in portion if mac not in there]
    if rows:
        session.execute(insert(UnrecordedEmail), rows)
    return len(rows)


def _advance_keys(session: Session, newest_key: int) -> None:
    """Give the next rows keys that no lost row can have had."""
    for model in KEYED:
        newest = session.scalar(select(func.max(model.id))) or 0
        if model is Notification:
            newest = max(newest, newest_key)
        _set_next_key(session, model.__tablename__, newest + KEY_GAP)


def _set_next_key(session: Session, table: str, last: int) -> None:
    if session.get_bind().dialect.name == "postgresql":
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        session.execute(text(f"SELECT setval({sequence}, greatest(:last, nextval({sequence})))"), {"last": last})
    elif inspect(session.connection()).has_table("sqlite_sequence"):
        # A table with AUTOINCREMENT has an entry there once it has had a row.
        statement = "UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = :table"
        session.execute(text(statement), {"last": last, "table": table})


def _portions(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while portion := list(islice(rest, CHUNK)):
        yield portion

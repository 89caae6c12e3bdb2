"""send: one row of the ledger in the caller's transaction."""

import re
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.database.expressions import number_of
from notifier.emails import EmailKind
from notifier.entries import content, people
from notifier.entries.errors import KeyConflict, NoAddress
from notifier.entries.namespaces import in_namespace, without_namespace
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode

#: Begin dedupe keys, as those of no campaign (`c7:`) and no sign-up (`signup:`) do.
_GIVEN: Final = "key:"
_DRAWN: Final = "once:"

#: A row whose key is taken may give it back between our two statements, and a person may get an address.
_TRIES = 3

#: Printable ASCII, as an Idempotency-Key of HTTP has it, and short enough for the column.
_KEY = re.compile(r"[ -~]{1,200}")


class Wanted(NamedTuple):
    """What a call of `send` asks for, checked."""

    kind: EmailKind
    #: Of the person.
    external_id: str
    #: Another address than that of the person, as the envelope has it; None: theirs.
    recipient: str | None
    #: JSON, completed by the kind's schema.
    data: Any
    key: str | None
    at: datetime | None
    until: datetime | None
    #: Whose key it is; None: that of the application itself.
    principal: str | None = None

    @property
    def dedupe_key(self) -> str:
        """Return the key of the row; without a key of the caller, another one each time."""
        if self.key is None:
            return f"{_DRAWN}{secrets.token_urlsafe(16)}"
        return _GIVEN + in_namespace(self.principal, self.key)

    @property
    def fingerprint(self) -> str:
        """Return the digest by which the content of a repeated key is compared.

        Secret data don't count as content: a code of a few digits could be found by its fingerprint. Neither does the
        person's own address, which may change; another one that the caller gave does.
        """
        user = " ".join(filter(None, [self.external_id, self.recipient]))
        return content.fingerprint(self.kind.name, user, None if self.kind.secret else self.data, self.at, self.until)


class Asked(NamedTuple):
    """One of many wanted emails."""

    wanted: Wanted
    #: The key of the person's row.
    person: int
    #: Why the email cannot go; None: it can.
    skip: ledger.Why | None


class Collects(Protocol):
    """What publishes the keys of rows after the commit."""

    def collect(self, session: Session, pk: int) -> None:
        """Keep the key of a row that the present transaction of the session stored, and that is due."""


class Sending:
    """Writes the rows of emails."""

    def __init__(self, commits: Collects, *, grace: timedelta, seal: Callable[[str], str]) -> None:
        """Create one. `grace`: the time that the broker has before the sweep enqueues a row as well."""
        self._commits = commits
        self.grace = grace
        #: Seals the data of secret kinds.
        self.seal = seal

    def write(
        self,
        session: Session,
        wanted: Wanted,
        check: Callable[[], object],
        *,
        in_hook: bool = False,
        skip: ledger.Why | None = None,
    ) -> Notification:
        """Write the row, or return the one with this key. Raise KeyConflict if that one has other content.

        `check()` raises what is wrong with the person. It is called only if no row was added, because each round trip
        counts in a request of the host. In a hook an email to a person without an address is stored as skipped,
        because an error would undo what the host stores. `skip`: why the email cannot go, so that its row comes to rest
        at once. Raise RuntimeError if the key is taken by a row that this transaction cannot see.
        """
        key = wanted.dedupe_key
        for _ in range(_TRIES):
            row = self._add(session, wanted, key, skip)
            if row is not None:
                return row
            try:
                check()
            except NoAddress:
                if not in_hook:
                    raise
                row = self._add(session, wanted, key, ledger.why(ReasonCode.no_address))
                if row is not None:
                    return row
            known = ledger.with_key(session, key)
            if known is not None:
                _check_content(session, wanted, known)
                return known
        raise RuntimeError(f"the key {key} is taken by a row that this transaction cannot see")

    def write_many(self, session: Session, asked: Sequence[Asked]) -> list[Notification | None]:
        """Write the rows of many emails on Postgres, or find those with the same keys and content.

        Return a row for each, in their order. None: `write` says what is wrong with it, or waits for its key.
        """
        first = {each.wanted.dedupe_key: each for each in reversed(asked)}
        now = clock.now()
        added = ledger.add_many_once(
            session, [self._once(each.wanted, each.skip, key, now) for key, each in first.items()]
        )
        for row in added:
            self._collect(session, row, now)
        rows = {row.dedupe_key: row for row in added}
        rows |= {row.dedupe_key: row for row in ledger.with_keys(session, first.keys() - rows.keys())}
        found = ((each, rows.get(each.wanted.dedupe_key)) for each in asked)
        return [row if row is not None and _is_same(each.wanted, each.person, row) else None for each, row in found]

    def _add(self, session: Session, wanted: Wanted, key: str, skip: ledger.Why | None = None) -> Notification | None:
        now = clock.now()
        row = ledger.add_once(session, self._once(wanted, skip, key, now))
        if row is not None:
            self._collect(session, row, now)
        return row

    def _once(self, wanted: Wanted, skip: ledger.Why | None, key: str, now: datetime) -> ledger.Once:
        due = wanted.at if wanted.at is not None and wanted.at > now else now
        return ledger.Once(
            external_id=wanted.external_id,
            recipient=wanted.recipient,
            kind=wanted.kind.name,
            dedupe_key=key,
            params=self._params(wanted),
            now=now,
            due=due,
            enqueue_at=due if due > now else now + self.grace,
            deadline=wanted.until if wanted.until is not None else due + wanted.kind.lifetime,
            skip=skip,
        )

    def _collect(self, session: Session, row: Notification, now: datetime) -> None:
        """Publish the key of a new row after the commit if it is due now."""
        if row.status == Status.pending and row.next_attempt_at <= now:
            self._commits.collect(session, row.id)

    def _params(self, wanted: Wanted) -> dict[str, Any]:
        """Return the facts that the row keeps."""
        stored = content.stored(wanted.kind, wanted.data, self.seal)
        planned = {} if wanted.at is None else {content.SEND_AT: number_of(wanted.at)}
        return {content.FINGERPRINT: wanted.fingerprint, **stored, **planned}


def _check_content(session: Session, wanted: Wanted, known: Notification) -> None:
    """Raise KeyConflict if the row with this key has other content."""
    # A user who was deleted may have had the id that another one has now.
    person = people.find(people.connection_of(session), wanted.external_id)
    if person is None or not _is_same(wanted, person.id, known):
        raise KeyConflict(
            f"the key {wanted.key!r} was used for another email, row {known.id}: the same key needs the "
            "same kind, user, data and times. Give another email another key"
        )


def _is_same(wanted: Wanted, person: int, known: Notification) -> bool:
    return known.user_id == person and known.params.get(content.FINGERPRINT) == wanted.fingerprint


def check_times(at: datetime | None, until: datetime | None) -> None:
    """Raise ValueError for a moment without a time zone or out of bounds, or an email that ends before it begins."""
    for name, moment in (("at", at), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{name} has no time zone")
        if moment is not None and moment >= clock.LATEST:
            raise ValueError(f"{name} does not lie before the year {clock.LATEST.year}")
    if until is not None and until <= (at or clock.now()):
        raise ValueError("until is not after the moment of sending")


def check_key(key: str | None) -> None:
    """Raise ValueError for a key that is none."""
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError("a key has 1 to 200 characters of printable ASCII")


def given_key(row: Notification) -> str | None:
    """Return the key that the caller gave for this row; None: it gave none, or the row was not asked for by `send`."""
    return without_namespace(row.dedupe_key.removeprefix(_GIVEN)) if row.dedupe_key.startswith(_GIVEN) else None

"""send: one row of the ledger in the host's transaction."""

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.database.expressions import number_of
from notifier.emails import EmailKind
from notifier.embedding import content
from notifier.embedding.commits import Commits
from notifier.embedding.errors import KeyConflict
from notifier.embedding.people import Person
from notifier.models import Notification

#: Namespaces of dedupe keys, which no campaign (`c7:`) and no sign-up (`signup:`) uses.
_GIVEN: Final = "key:"
_DRAWN: Final = "once:"

#: Printable ASCII, as an Idempotency-Key of HTTP has it, and short enough for the column.
_KEY = re.compile(r"[ -~]{1,200}")


class Sending:
    """Writes the rows of emails."""

    def __init__(self, commits: Commits, *, grace: timedelta) -> None:
        """Create one. `grace`: the time that the broker has before the sweep enqueues a row as well."""
        self._commits = commits
        self.grace = grace
        #: Seals the data of secret kinds; None: there are no settings in this process.
        self.seal: Callable[[str], str] | None = None

    def write(
        self,
        session: Session,
        kind: EmailKind,
        person: Person,
        *,
        data: Any,
        key: str | None,
        at: datetime | None,
        until: datetime | None,
        elsewhere: str | None = None,
    ) -> Notification:
        """Write the row, or return the one with this key. Raise KeyConflict if that one has other content.

        Secret data don't count as content: a code of a few digits could be found by its fingerprint. Neither does the
        person's own address, which may change; one that the caller gave (`elsewhere`) does.
        """
        now = clock.now()
        due = at if at is not None and at > now else now
        print_ = content.fingerprint(
            kind.name, " ".join(filter(None, [person.external_id, elsewhere])), None if kind.secret else data, at, until
        )
        params: dict[str, Any] = {content.FINGERPRINT: print_, **content.stored(kind, data, self.seal)}
        if at is not None:
            params[content.SEND_AT] = number_of(at)
        row, added = ledger.add_once(
            session,
            kind=kind.name,
            user_id=person.id,
            recipient=person.email,
            dedupe_key=f"{_DRAWN}{secrets.token_urlsafe(16)}" if key is None else f"{_GIVEN}{key}",
            params=params,
            now=now,
            due=due,
            enqueue_at=due if due > now else now + self.grace,
            deadline=until if until is not None else due + kind.lifetime,
        )
        if not added and row.params.get(content.FINGERPRINT) != print_:
            raise KeyConflict(f"the key {key!r} belongs to another email, row {row.id}")
        if added and due == now:
            self._commits.collect(session, row.id)
        return row


def check_times(at: datetime | None, until: datetime | None) -> None:
    """Raise ValueError for a moment without a time zone, or an email that ends before it begins."""
    for name, moment in (("at", at), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{name} has no time zone")
    if until is not None and until <= (at or clock.now()):
        raise ValueError("until is not after the moment of sending")


def check_key(key: str | None) -> None:
    """Raise ValueError for a key that is none."""
    if key is not None and not _KEY.fullmatch(key):
        raise ValueError("a key has 1 to 200 characters of printable ASCII")

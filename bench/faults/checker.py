"""The checker: compare the record of the mail server with the ledger. It has no side effects.

The invariants I1 to I12 are those of docs/faults.md.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.faults.history import Kill, Mail, Row, Seen

#: Final states of a row.
AT_REST = frozenset({"sent", "failed", "suppressed", "skipped", "unknown", "cancelled", "expired", "bounced"})
#: Final states that mean that this person got nothing.
NOTHING = frozenset({"failed", "suppressed", "skipped", "cancelled", "expired"})


@dataclass(frozen=True)
class Tally:
    """The sums of one run, and its problems."""

    rows: int
    statuses: Counter[str]
    copies: int
    #: Copies beyond the first.
    extra: int
    #: Uncertain attempts, over all rows.
    unknowns: int
    #: Rows without a copy that do not say so.
    lost: int
    problems: list[str] = field(default_factory=list)

    @property
    def doubled_or_unknown(self) -> int:
        """Return the number that the bound applies to: copies beyond the first, and unknown rows."""
        return self.extra + self.statuses["unknown"]


@dataclass(frozen=True)
class Wire:
    """The places of emails when their processes were killed. No email is in two of them."""

    #: Body begun, reply not yet sent when the process was killed: the server's own count.
    on_wire: int = 0
    #: Uncertain although the reply had been sent: the process was killed before it read or recorded it.
    unread: int = 0
    #: Uncertain although nothing arrived: killed between the record in the journal and the first byte.
    unborn: int = 0
    #: Uncertain rows, by the journals.
    in_doubt: int = 0
    #: Connections of the killed processes that had carried a body: each can leave one email uncertain, not more.
    connections: int = 0
    #: Of those, by the server alone: nothing unanswered, but closed with replies that its process had not read.
    resets: int = 0
    #: Killed sending processes: each may have been handling one email, with its reply read and not yet recorded.
    processes: int = 0
    #: The longest time that a reply was unread, in seconds.
    longest_unread: float = 0.0

    @property
    def bound(self) -> int:
        """Return the most emails that may be doubled or unknown."""
        return self.on_wire + self.unread + self.unborn

    @property
    def by_the_server(self) -> int:
        """Return the same bound by the server's record alone, without the journals."""
        return self.on_wire + self.resets + self.processes


def tally(rows: Sequence[Row], seen: Seen) -> Tally:
    """Compare both. `problems` has one line for each broken promise, beginning with its invariant."""
    by_recipient = seen.copies()
    problems: list[str] = []
    extra = lost = 0
    for row in rows:
        mine = by_recipient.get(row.recipient, [])
        extra += max(0, len(mine) - 1)
        lost += _is_lost(row, mine)
        problems += _problems(row, mine)
    meant = {row.recipient for row in rows}
    phantoms = [name for name in by_recipient if name not in meant]
    if phantoms:
        problems.append(f"I3: {len(phantoms)} recipients have a copy and no row")
    return Tally(
        rows=len(rows),
        statuses=Counter(row.status for row in rows),
        copies=sum(map(len, by_recipient.values())),
        extra=extra,
        unknowns=sum(row.unknowns for row in rows),
        lost=lost,
        problems=problems,
    )


def _is_lost(row: Row, copies: Sequence[Mail]) -> bool:
    """Return True if there is no copy, and the ledger does not say that there may be none."""
    return not copies and row.status not in NOTHING | {"unknown"}


def _problems(row: Row, copies: Sequence[Mail]) -> Iterable[str]:
    """Yield the problems of one row, one line for each broken promise."""
    names = {mail.message_id for mail in copies}
    count = len(copies)
    checks = (
        ("I1 I8", row.status not in AT_REST, f"has not ended: {row.status}"),
        ("I1", row.status in AT_REST and _is_lost(row, copies), f"is {row.status} and was never accepted"),
        ("I2", count - 1 > row.unknowns, f"has {count} copies and {row.unknowns} unknown attempts"),
        ("I2", len(names) > 1, "has copies with different Message-IDs"),
        ("I2", len(names | {row.message_id} - {None}) > len(names) > 0, "names another Message-ID than its email"),
        ("I4", bool(copies) and row.status in NOTHING and not row.unknowns, f"is {row.status} and was accepted"),
        ("I4", row.on_unknown == "never" and row.unknowns > 1, "was tried again although its policy is never"),
        ("I7", count > row.attempts + row.unknowns, f"has {count} copies in {row.attempts} attempts"),
        ("I8", row.overdue, "is in sending although its lease has expired"),
    )
    return [f"{invariant}: row {row.pk} {what}" for invariant, wrong, what in checks if wrong]


def wire_at(seen: Seen, rows: Sequence[Row], kills: Sequence[Kill]) -> Wire:
    """Return the places of the killed processes' emails, summed over the kills.

    A session that ends without QUIT after one kill and before the next belonged to the killed process. All bytes that
    came in on it, even if they were read late, were on the wire when it was killed.
    """
    recipients = {row.pk: row.recipient for row in rows}
    total = Wire()
    for number, kill in enumerate(kills):
        until = kills[number + 1].before if number + 1 < len(kills) else float("inf")
        cut = {pk for pk, item in seen.sessions.items() if item.cut and kill.before <= (item.ended or 0) < until}
        mails = [mail for mail in seen.mails.values() if mail.session in cut]
        on_wire = [mail for mail in mails if mail.replied is None or mail.replied > kill.killed]
        doubtful = {recipients[pk] for pk in kill.in_doubt if pk in recipients}
        left = doubtful - {mail.recipient for mail in on_wire}
        unread = {mail.recipient: mail for mail in mails if mail.recipient in left}
        ages = [kill.killed - mail.replied for mail in unread.values() if mail.replied is not None]
        carried, busy = {mail.session for mail in mails}, {mail.session for mail in on_wire}
        total = Wire(
            on_wire=total.on_wire + len(on_wire),
            unread=total.unread + len(unread),
            unborn=total.unborn + len(left) - len(unread),
            in_doubt=total.in_doubt + len(doubtful),
            connections=total.connections + len(carried),
            resets=total.resets + sum(seen.sessions[pk].reset for pk in carried - busy),
            processes=total.processes + kill.processes,
            longest_unread=max([total.longest_unread, *ages]),
        )
    return total


def judge_kills(found: Tally, wire: Wire) -> list[str]:
    """Yield the problems with the bound."""
    problems = []
    if found.doubled_or_unknown > wire.bound:
        problems.append(f"I2: {found.doubled_or_unknown} doubled or unknown, {wire.bound} were on the wire")
    # The bound above trusts the journals about unread replies; this one uses the server's evidence alone.
    if found.doubled_or_unknown > wire.by_the_server:
        doubt = f"{found.doubled_or_unknown} doubled or unknown"
        problems.append(f"I2: {doubt}, {wire.by_the_server} by the server's count")
    if wire.in_doubt - wire.unborn > wire.connections:
        problems.append(f"I2: {wire.in_doubt} uncertain on {wire.connections} connections")
    if found.unknowns != wire.in_doubt:
        problems.append(f"I4: {found.unknowns} unknown attempts in the ledger, {wire.in_doubt} in the journals")
    return problems

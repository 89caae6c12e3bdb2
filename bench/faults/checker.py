"""The checker: compares what the mail server saw with what the ledger claims. Pure.

The invariants I1 to I12 are those of docs/faults.md.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.faults.history import Kill, Mail, Row, Seen

#: Where a row may end; anything else is under way.
AT_REST = frozenset({"sent", "failed", "suppressed", "skipped", "unknown", "cancelled", "expired", "bounced"})
#: Ends that say: this person got nothing.
NOTHING = frozenset({"failed", "suppressed", "skipped", "cancelled", "expired"})


@dataclass(frozen=True)
class Tally:
    """The sums of one run, and everything that is wrong."""

    rows: int
    statuses: Counter[str]
    copies: int
    #: Copies beyond the first.
    extra: int
    #: Tries in doubt, over all rows.
    unknowns: int
    #: Rows that nobody got and that do not say so.
    lost: int
    problems: list[str] = field(default_factory=list)

    @property
    def doubled_or_unknown(self) -> int:
        """What a bound applies to: copies beyond the first, and rows that rest as unknown."""
        return self.extra + self.statuses["unknown"]


@dataclass(frozen=True)
class Wire:
    """Where the mails of killed processes were. The classes share no mail."""

    #: Body begun, reply not yet sent when the process was killed: the server's own count.
    on_wire: int = 0
    #: In doubt although the reply had been sent: the process was killed before it read or noted it.
    unread: int = 0
    #: In doubt although nothing arrived: killed between the note in the journal and the first byte.
    unborn: int = 0
    #: Rows in doubt, by the journals.
    in_doubt: int = 0
    #: Connections of the killed processes that had carried a body: each can leave one mail in doubt, not more.
    connections: int = 0
    #: Of those, by the server alone: nothing unanswered, but it ended with replies that its process had not read.
    resets: int = 0
    #: Sending processes that were killed: each may have held one mail in its hands, read and not yet noted.
    processes: int = 0
    #: The longest time for which an unread reply had been on its way, seconds.
    longest_unread: float = 0.0

    @property
    def bound(self) -> int:
        """The most that may be doubled or unknown."""
        return self.on_wire + self.unread + self.unborn

    @property
    def by_the_server(self) -> int:
        """The same by what the server saw, without a word of the journals."""
        return self.on_wire + self.resets + self.processes


def tally(rows: Sequence[Row], seen: Seen) -> Tally:
    """Compare. `problems` has one line for each broken promise, beginning with its invariant."""
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
    """Nobody got it, and the ledger does not say that this may be so."""
    return not copies and row.status not in NOTHING | {"unknown"}


def _problems(row: Row, copies: Sequence[Mail]) -> Iterable[str]:
    """What is wrong with one row, one line for each broken promise."""
    names = {mail.message_id for mail in copies}
    count = len(copies)
    checks = (
        ("I1 I8", row.status not in AT_REST, f"has not ended: {row.status}"),
        ("I1", row.status in AT_REST and _is_lost(row, copies), f"is {row.status} and was never accepted"),
        ("I2", count - 1 > row.unknowns, f"has {count} copies and {row.unknowns} unknown tries"),
        ("I2", len(names) > 1, "has copies with different Message-IDs"),
        ("I2", len(names | {row.message_id} - {None}) > len(names) > 0, "names another Message-ID than its mail"),
        ("I4", bool(copies) and row.status in NOTHING and not row.unknowns, f"is {row.status} and was accepted"),
        ("I4", row.on_unknown == "never" and row.unknowns > 1, "was tried again although its policy is never"),
        ("I7", count > row.attempts + row.unknowns, f"has {count} copies in {row.attempts} attempts"),
        ("I8", row.overdue, "is in sending and its lease is over"),
    )
    return [f"{invariant}: row {row.pk} {what}" for invariant, wrong, what in checks if wrong]


def wire_at(seen: Seen, rows: Sequence[Row], kills: Sequence[Kill]) -> Wire:
    """Where the mails of the killed processes were, summed over the kills.

    A session that ends without QUIT after one kill and before the next was the killed process's. All
    bytes that came in on it, however late they were read, were on the wire when it was killed.
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
    """What is wrong with the bound."""
    problems = []
    if found.doubled_or_unknown > wire.bound:
        problems.append(f"I2: {found.doubled_or_unknown} doubled or unknown, {wire.bound} were on the wire")
    # The bound above takes the journals' word for what was unread; this one is the server's evidence alone.
    if found.doubled_or_unknown > wire.by_the_server:
        doubt = f"{found.doubled_or_unknown} doubled or unknown"
        problems.append(f"I2: {doubt}, {wire.by_the_server} by the server's count")
    if wire.in_doubt - wire.unborn > wire.connections:
        problems.append(f"I2: {wire.in_doubt} in doubt on {wire.connections} connections")
    if found.unknowns != wire.in_doubt:
        problems.append(f"I4: {found.unknowns} unknown tries in the ledger, {wire.in_doubt} in the journals")
    return problems

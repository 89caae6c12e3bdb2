"""The format of a journal's records: how they are written, and what they tell. Pure.

One record per line; single spaces separate the fields, and the last field takes the rest of the line. `-` stands for
an unknown field.

    F number template_version transport         facts that many emails share, written once
    B pk claim number message_id                the body of this email goes out next
    R pk claim number message_id at outcome     its attempt has ended, `at` in seconds since the epoch
    M slot pk pk ...                            their data is being read; the next M of the slot replaces this one
    D                                           the process waits for the disk before each email of this file
    G                                           the process lives on and has given the file up, with an error
    U                                           a replay has used the file

An outcome is `decision phase scope code enhanced text`. The R of an email that has a B omits `number` and
`message_id`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from notifier.delivery.attempt_facts import NO_FACTS, Facts
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

#: Ends a record that was written only in part, as on a full disk. Its writer got an error, and readers skip it. No
#: complete record contains this character.
TORN = b"\x18\n"

#: One attempt: the row's primary key and the number of its claim.
Try = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Replied:
    """An attempt that has ended."""

    outcome: Outcome
    #: Seconds since the epoch.
    at: int
    facts: Facts


@dataclass(slots=True)
class Trace:
    """What a journal tells about its process."""

    #: Emails whose body may have been sent.
    begun: dict[Try, Facts] = field(default_factory=dict)
    #: Emails whose outcome is known.
    replied: dict[Try, Replied] = field(default_factory=dict)
    #: Number of unreadable records. If there are any, the body of each email not in `replied` may have been sent.
    damaged: int = 0
    #: By slot: the keys of rows whose data was being read.
    loading: dict[int, list[int]] = field(default_factory=dict)
    #: The keys of rows that were being composed, from the marks next to the journal.
    making: set[int] = field(default_factory=set)
    #: Whether every B was on the disk before its email went out, so that a crash of the host lost none.
    durable: bool = False
    #: Whether the process lived on, so that it did not die of these emails.
    gave_up: bool = False
    #: Whether a replay has settled rows by it.
    used: bool = False

    @property
    def suspects(self) -> set[int]:
        """The keys of rows on which the process may have crashed."""
        return set() if self.gave_up else self.making.union(*self.loading.values())

    @property
    def in_doubt(self) -> set[int]:
        """The keys of rows whose email was begun and has no outcome."""
        return {pk for pk, _ in self.begun.keys() - self.replied.keys()}


def shared(number: int, facts: Facts) -> bytes:
    """Build the F record of the facts that an email shares with others."""
    return f"F {number} {facts.template_version or '-'} {facts.transport or '-'}\n".encode()


def begun(pk: int, claim: int, number: int, facts: Facts) -> bytes:
    """Build the B record."""
    return f"B {pk} {claim} {number} {facts.message_id}\n".encode()


def replied(pk: int, claim: int, number: int, facts: Facts, at: int, outcome: Outcome) -> bytes:
    """Build the R record. For an email that has a B, it omits the number and the Message-ID."""
    # A reply to the final dot always follows a B; other replies may have none.
    who = b"- -" if outcome.phase is Phase.EOD else f"{number} {facts.message_id}".encode()
    return b"R %d %d %b %d %b" % (pk, claim, who, at, _outcome_text(outcome))


def loading(slot: int, pks: Iterable[int]) -> bytes:
    """Build the M record; without keys nothing is being read any more."""
    return f"M {slot}{''.join(f' {pk}' for pk in pks)}\n".encode()


@lru_cache(maxsize=256)
def _outcome_text(outcome: Outcome) -> bytes:
    """Return the outcome as text; most emails of a batch share it."""
    parts = (outcome.decision, outcome.phase, outcome.scope, outcome.code or 0, outcome.enhanced or "-")
    text = outcome.text.replace("\n", " ")
    return f"{' '.join(map(str, parts))} {text}\n".encode("utf-8", "replace")


def parse(data: bytes) -> Trace:
    """Parse a whole journal. A record that was cut off is skipped."""
    trace = Trace()
    common: dict[str, Facts] = {}
    text = data.decode("utf-8", "replace")
    end = text.rfind("\n") + 1
    #: Unreadable records after the last readable one.
    tail = 0
    for line in text[:end].split("\n")[:-1]:
        if line.endswith(TORN.decode()[0]):
            continue
        try:
            _READERS[line[:2]](trace, common, line[2:])
        except (ValueError, IndexError, KeyError):
            tail += 1
        else:
            trace.damaged, tail = trace.damaged + tail, 0
    if "\0" in text[end:]:
        tail += 1  # a crashed host leaves such a tail
    # If the process waited for the disk, no email went out after the last complete record.
    trace.damaged += 0 if trace.durable else tail
    return trace


def _read_mark(name: str) -> Callable[[Trace, dict[str, Facts], str], None]:
    def read(trace: Trace, _common: dict[str, Facts], line: str) -> None:
        if line:
            raise ValueError(line)
        setattr(trace, name, True)

    return read


def _read_shared(_trace: Trace, common: dict[str, Facts], line: str) -> None:
    number, version, transport = line.split(" ")
    common[str(int(number))] = Facts(None, _known(version), _known(transport))


def _read_begun(trace: Trace, common: dict[str, Facts], line: str) -> None:
    pk, claim, number, message_id = line.split(" ")
    which = (int(pk), int(claim))
    # The email counts as begun even if its F record is missing.
    trace.begun[which] = common.get(number, NO_FACTS)._replace(message_id=_known(message_id))
    trace.replied.pop(which, None)


def _read_replied(trace: Trace, common: dict[str, Facts], line: str) -> None:
    pk, claim, number, message_id, at, decision, phase, scope, code, enhanced, text = line.split(" ", 10)
    which = (int(pk), int(claim))
    if number == "-":
        facts = trace.begun.get(which, NO_FACTS)
    else:
        facts = common.get(number, NO_FACTS)._replace(message_id=_known(message_id))
    outcome = Outcome(Decision(decision), Phase(phase), Scope(scope), int(code) or None, _known(enhanced), text)
    trace.replied[which] = Replied(outcome, int(at), facts)


def _read_loading(trace: Trace, _common: dict[str, Facts], line: str) -> None:
    slot, *pks = map(int, line.split(" "))
    trace.loading[slot] = pks


def _known(text: str) -> str | None:
    return None if text in {"-", "None"} else text


#: By the first two characters of a line.
_READERS = {
    "F ": _read_shared,
    "B ": _read_begun,
    "R ": _read_replied,
    "M ": _read_loading,
    "D": _read_mark("durable"),
    "G": _read_mark("gave_up"),
    "U": _read_mark("used"),
}

DURABLE, GAVE_UP, USED = b"D\n", b"G\n", b"U\n"

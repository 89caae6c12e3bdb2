"""The records of a journal: how they are written, and what they tell. Pure.

One line each; the fields are separated by single spaces, and the last one takes the rest of the line. `-` stands for
a field that is not known.

    F number template_version transport         what many emails have in common, said once
    B pk claim number message_id                the body of this email goes out next
    R pk claim number message_id at outcome     its attempt has ended, `at` in seconds since the epoch
    M slot pk pk ...                            their data is being read; the next M of the slot stands for this one
    D                                           before each email of this file the disk was waited for
    G                                           the process lives on and has given the file up, with an error
    U                                           a replay has used the file

An outcome is `decision phase scope code enhanced text`. The R of an email that has a B leaves out `number` and
`message_id`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from notifier.delivery.facts import NO_FACTS, Facts
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

#: Ends a record that was written only in part, as on a full disk. Its writer was told so, and it tells nothing.
#: No record has this character.
TORN = b"\x18\n"

#: One attempt: the row's primary key and the number of the claim under which it was made.
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
    """What a journal tells of its process."""

    #: Emails whose body may have been on the wire.
    begun: dict[Try, Facts] = field(default_factory=dict)
    #: Emails whose outcome is known.
    replied: dict[Try, Replied] = field(default_factory=dict)
    #: Unreadable records: of any email that is not in `replied`, the body may have been on the wire.
    damaged: int = 0
    #: By slot: the keys of rows whose data was being read.
    loading: dict[int, list[int]] = field(default_factory=dict)
    #: The keys of rows that were being made: they stand beside the journal.
    making: set[int] = field(default_factory=set)
    #: Every B was on the disk before its email went out, so a crash of the host has lost none.
    durable: bool = False
    #: Its process has not died of what it did.
    gave_up: bool = False
    #: A replay has settled rows by it.
    used: bool = False

    @property
    def suspects(self) -> set[int]:
        """The keys of rows of which the process may have died."""
        return set() if self.gave_up else self.making.union(*self.loading.values())

    @property
    def in_doubt(self) -> set[int]:
        """The keys of rows whose email was begun and has no outcome."""
        return {pk for pk, _ in self.begun.keys() - self.replied.keys()}


def shared(number: int, facts: Facts) -> bytes:
    """Build the F record of what `facts` has in common with other emails."""
    return f"F {number} {facts.template_version or '-'} {facts.transport or '-'}\n".encode()


def begun(pk: int, claim: int, number: int, facts: Facts) -> bytes:
    """Build the B record."""
    return f"B {pk} {claim} {number} {facts.message_id}\n".encode()


def replied(pk: int, claim: int, number: int, facts: Facts, at: int, outcome: Outcome) -> bytes:
    """Build the R record. Of an email that has a B the number and the Message-ID are left out."""
    # A reply to the final dot has a B in front of it; all others may have none.
    who = b"- -" if outcome.phase is Phase.EOD else f"{number} {facts.message_id}".encode()
    return b"R %d %d %b %d %b" % (pk, claim, who, at, _told(outcome))


def loading(slot: int, pks: Iterable[int]) -> bytes:
    """Build the M record; without keys nothing is being read any more."""
    return f"M {slot}{''.join(f' {pk}' for pk in pks)}\n".encode()


@lru_cache(maxsize=256)
def _told(outcome: Outcome) -> bytes:
    """The outcome as text; most emails of a batch share it."""
    parts = (outcome.decision, outcome.phase, outcome.scope, outcome.code or 0, outcome.enhanced or "-")
    text = outcome.text.replace("\n", " ")
    return f"{' '.join(map(str, parts))} {text}\n".encode("utf-8", "replace")


def parse(data: bytes) -> Trace:
    """Read a whole journal. A record that was cut off tells nothing."""
    trace = Trace()
    common: dict[str, Facts] = {}
    text = data.decode("utf-8", "replace")
    end = text.rfind("\n") + 1
    #: Unreadable records behind the last readable one.
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
    # Where the disk was waited for, no email went out whose record is behind the last whole one.
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
    # Without its F the email is as much begun as with it.
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

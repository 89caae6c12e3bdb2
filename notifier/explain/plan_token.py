"""The token of a plan: signed, so that a run can tell what has changed since the plan was made.

A plan stores nothing. Its token carries what a later plan is compared with: the configuration as short hashes, the
moment, how many people there were, and the sum of their keys. It names no person, so anyone may read
it; it is signed, so a run can trust what it says.
"""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from notifier.campaigns.errors import CampaignError
from notifier.database.expressions import moment_of, number_of
from notifier.english import listed
from notifier.security.tokens import BadToken, ExpiredToken, Signer

#: A plan can be run for so long. Long enough for a second person to read it, and for a campaign of tomorrow morning.
VALID = timedelta(hours=24)

#: So many people may have joined or left: the larger of both, the second as a share of the planned.
SOME, SHARE = 10, 0.01

#: A part of the token's salt: tokens of other purposes do not open a run, and this one opens nothing else.
_PURPOSE = "campaign-plan"


class PlanChanged(CampaignError):
    """What would run now is not what was planned."""


class NoPlan(CampaignError):
    """A text that is no token of a plan."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan rests on besides people: each part as a hash of 48 bits, so that a refusal can name the part."""

    campaign: str
    settings: str
    content: str
    templates: str
    time: str

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> "Basis":
        """Build it from plain values, one for each field."""
        return cls(**{name: _hash(value) for name, value in parts.items()})

    def changed_to(self, fresh: "Basis") -> list[str]:
        """Return the names of the parts that are others in `fresh`."""
        return [each.name for each in fields(self) if getattr(self, each.name) != getattr(fresh, each.name)]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a token says."""

    basis: Basis
    #: When it was planned, to the microsecond.
    at: datetime
    #: How many people it was for.
    count: int
    #: The sum of the keys of their accounts: with the same count it shows whether they are the same people.
    keys: int

    @property
    def tolerance(self) -> int:
        """How many people may join or leave before a run refuses."""
        return max(SOME, int(SHARE * self.count))


@dataclass(frozen=True, slots=True)
class Drift:
    """How many people joined and left since a plan: at least so many, because not every change leaves a row."""

    joined: int
    left: int

    @classmethod
    def between(cls, before: Planned, fresh: Planned, *, joined: int, left: int) -> "Drift":
        """Build it from two plans and those whose rows tell that they `joined` or `left` in between.

        The counts complete what rows tell: as many joined more than left as there are more people now.
        """
        more = fresh.count - before.count
        if not more and before.keys == fresh.keys:
            return cls(0, 0)
        at_least = max(joined, left + more, 0)
        if not more and not at_least:
            # Others than before, and no row tells who.
            at_least = 1
        return cls(at_least, at_least - more)

    @property
    def total(self) -> int:
        """Joined and left together: an exchange of people counts twice."""
        return self.joined + self.left


def issue(signer: Signer, planned: Planned) -> str:
    """Return the token of this plan, about 160 characters, safe in URLs and shells."""
    payload = ["".join(astuple(planned.basis)), number_of(planned.at), planned.count, planned.keys]
    return signer.issue(_PURPOSE, payload, planned.at)


def read(signer: Signer, text: str) -> Planned:
    """Return what this token says. Raise PlanChanged if it has expired, NoPlan if it is no token of a plan."""
    try:
        payload = signer.read(_PURPOSE, text.strip(), VALID)
    except ExpiredToken:
        raise PlanChanged(f"The plan was made more than {VALID // timedelta(hours=1)} hours ago.") from None
    except BadToken:
        raise _no_token(text) from None
    match payload:
        case [str(hashes), int(at), int(count), int(keys)] if len(hashes) == len(fields(Basis)) * _LENGTH:
            parts = (hashes[start : start + _LENGTH] for start in range(0, len(hashes), _LENGTH))
            return Planned(Basis(*parts), moment_of(at), count, keys)
    raise _no_token(text)


def check(before: Planned, fresh: Planned, drift: Drift, *, exact: bool = False) -> None:
    """Raise PlanChanged if `fresh` is not what was planned `before`. `exact` accepts no difference in people."""
    changed = before.basis.changed_to(fresh.basis)
    if changed:
        raise PlanChanged(_why_another(changed))
    allowed = 0 if exact else before.tolerance
    if drift.total > allowed:
        raise PlanChanged(
            f"The plan was for {_people(before.count)}, now it is for {_people(fresh.count)}: since "
            f"{before.at:%Y-%m-%d %H:%M} UTC at least {drift.joined:,} joined and {drift.left:,} left, "
            f"and this run accepts {allowed:,}."
        )


def _why_another(changed: list[str]) -> str:
    if "campaign" in changed:
        return "This plan is for another campaign."
    if changed == ["time"]:
        return "This plan is for another time."
    parts = listed(_PARTS[name] for name in changed if name in _PARTS)
    return f"Since the plan was made, {parts} changed."


_PARTS = {
    "settings": "the campaign",
    "content": "its content",
    "templates": "the templates of its emails",
    "time": "the time of the run",
}

#: Characters of a hash.
_LENGTH = 8


def _hash(value: Any) -> str:
    digest = hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).digest()
    return urlsafe_b64encode(digest[:6]).decode()


def _people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}"


def _no_token(text: str) -> NoPlan:
    return NoPlan(f"{text[:60]!r} is not the token of a plan. Copy the whole token from `notifier plan`.")

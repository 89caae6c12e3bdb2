"""Recent failures, grouped by code and text, without the addresses that servers quote."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, TextClause, func, select, text
from sqlalchemy.orm import Session

from notifier.models import FAILED, Notification

#: Newest emails that are grouped; older ones are only counted.
NEWEST = 5_000

#: Distinct replies that are read; servers that put a number into each reply make many.
REPLIES = 500

#: Emails listed in a group.
SAMPLE = 5

_N = Notification
_ADDRESS = re.compile(r"<?(?<![^\s<>@\"])[^\s<>@\"]++@[^\s<>@\"]{1,255}>?")
#: Queue ids, session ids, times: words with digits, except the codes at the front.
_NUMBERED = re.compile(r"\b(?=\w*\d)[\w.:-]{6,}\b")


@dataclass(slots=True)
class FailureGroup:
    """Emails that failed in the same way."""

    code: int | None
    enhanced: str | None
    words: str
    statuses: set[str] = field(default_factory=set)
    emails: int = 0
    newest: list[int] = field(default_factory=list)
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failures:
    """Groups, largest first. `others`: emails in no group, because they are older or have rare replies."""

    groups: list[FailureGroup]
    emails: int
    others: int


def failures(session: Session, *, since: datetime | None = None, run_id: int | None = None) -> Failures:
    """Return what failed, bounced or was reported as spam since `since`, or in this run."""
    lately: list[ColumnElement[bool] | TextClause] = [text(FAILED)]
    if since is not None:
        lately.append(_N.settled_at >= since)
    if run_id is not None:
        lately.append(_N.run_id == run_id)
    said = func.coalesce(_N.last_text, _N.reason, "").label("said")
    newest = (
        select(_N.id, _N.settled_at, _N.status, _N.last_code, _N.last_enhanced, said)
        .where(*lately)
        .order_by(_N.settled_at.desc())
        .limit(NEWEST)
        .subquery()
    ).c
    reply = (newest.status, newest.last_code, newest.last_enhanced, newest.said)
    query = (
        select(*reply, func.count(), func.max(newest.id), func.max(newest.settled_at))
        .group_by(*reply)
        .order_by(func.count().desc())
        .limit(REPLIES)
    )
    groups: dict[tuple[int | None, str | None, str], FailureGroup] = {}
    seen: dict[tuple[int | None, str | None, str], list[int]] = defaultdict(list)
    for status, code, enhanced, words, emails, last, last_at in session.execute(query):
        key = (code, enhanced, without_people(words))
        group = groups.setdefault(key, FailureGroup(*key))
        group.statuses.add(status)
        group.emails += emails
        seen[key].append(last)
        group.last_at = max(filter(None, (group.last_at, last_at)), default=None)
    for key, pks in seen.items():
        groups[key].newest = sorted(pks, reverse=True)[:SAMPLE]
    everything = session.scalar(select(func.count()).select_from(_N).where(*lately)) or 0
    shown = sum(group.emails for group in groups.values())
    ordered = sorted(groups.values(), key=lambda group: (-group.emails, group.words))
    return Failures(ordered, everything, everything - shown)


@lru_cache(maxsize=10_000)
def without_people(said: str) -> str:
    """Return a reply without addresses and ids, so that equal replies are grouped."""
    return " ".join(_NUMBERED.sub("…", _ADDRESS.sub("<address>", said)).split())

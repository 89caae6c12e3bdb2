"""Failures: what went wrong lately, by code and words, without the addresses that servers quote."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, TextClause, func, select, text
from sqlalchemy.orm import Session

from notifier.models import FAILED, Notification

#: Mails that are grouped, the newest first; beyond, they are counted only.
NEWEST = 5_000

#: Distinct replies that are looked at; servers that put a number into each make many.
REPLIES = 500

#: Mails that a group names.
SAMPLE = 5

_N = Notification
_ADDRESS = re.compile(r"<?(?<![^\s<>@\"])[^\s<>@\"]++@[^\s<>@\"]{1,255}>?")
#: Queue ids, session ids, times: words with digits in them, but for the codes at the front.
_NUMBERED = re.compile(r"\b(?=\w*\d)[\w.:-]{6,}\b")


@dataclass(slots=True)
class Group:
    """Mails that failed in the same way."""

    code: int | None
    enhanced: str | None
    words: str
    statuses: set[str] = field(default_factory=set)
    mails: int = 0
    newest: list[int] = field(default_factory=list)
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failures:
    """Groups, most mails first; `others` are mails that are in none: older, or with rare words."""

    groups: list[Group]
    mails: int
    others: int


def failures(session: Session, *, since: datetime | None = None, run_id: int | None = None) -> Failures:
    """What failed, bounced or was complained about since `since`, or of this run."""
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
    groups: dict[tuple[int | None, str | None, str], Group] = {}
    seen: dict[tuple[int | None, str | None, str], list[int]] = defaultdict(list)
    for status, code, enhanced, words, mails, last, last_at in session.execute(query):
        key = (code, enhanced, without_people(words))
        group = groups.setdefault(key, Group(*key))
        group.statuses.add(status)
        group.mails += mails
        seen[key].append(last)
        group.last_at = max(filter(None, (group.last_at, last_at)), default=None)
    for key, pks in seen.items():
        groups[key].newest = sorted(pks, reverse=True)[:SAMPLE]
    everything = session.scalar(select(func.count()).select_from(_N).where(*lately)) or 0
    shown = sum(group.mails for group in groups.values())
    ordered = sorted(groups.values(), key=lambda group: (-group.mails, group.words))
    return Failures(ordered, everything, everything - shown)


@lru_cache(maxsize=10_000)
def without_people(said: str) -> str:
    """The words of a reply without addresses and ids, so that equal ones meet."""
    return " ".join(_NUMBERED.sub("…", _ADDRESS.sub("<address>", said)).split())

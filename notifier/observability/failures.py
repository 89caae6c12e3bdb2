"""Recent failures, grouped by code and text, without the addresses that servers quote."""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, Subquery, TextClause, and_, case, func, select, text
from sqlalchemy.orm import Session

from notifier.bounces.reasons import Verdict
from notifier.models import FAILED, Feedback, Notification, Status

#: Newest emails that are grouped; older ones are only counted.
NEWEST = 5_000

#: Distinct replies that are read; servers that put a number into each reply make many.
REPLIES = 500

#: Emails listed in a group.
SAMPLE = 5

_N, _F = Notification, Feedback
_ADDRESS = re.compile(r"<?(?<![^\s<>@\"])[^\s<>@\"]++@[^\s<>@\"]{1,255}>?")
#: Ids that a word before them announces. They need no digit: a hyphen, or a capital that does not begin a word.
_ANNOUNCED = re.compile(r"\b((?:queued|kept|stored) as |queue id )(?=\S{0,64}(?:[-_\d]|[^\W\d_][A-Z]))[\w.:-]{6,}+")
#: Queue ids, session ids, times: words with digits. The first alternative is an enhanced code, which stays.
_NUMBERED = re.compile(r"(?<![\w.:-])(?:([245](?:\.\d{1,3}){2})(?![\w:-]|\.\w)|(?=[\w.:-]{0,64}\d)[\w.:-]{6,}+)")


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
    newest = _with_replies(lately).c
    reply = (newest.status, newest.code, newest.enhanced, newest.said)
    query = (
        select(*reply, func.count(), func.max(newest.id), func.max(newest.settled_at))
        .group_by(*reply)
        .order_by(func.count().desc())
        .limit(REPLIES)
    )
    groups: dict[tuple[int | None, str | None, str], FailureGroup] = {}
    seen: dict[tuple[int | None, str | None, str], list[int]] = defaultdict(list)
    for status, code, enhanced, words, emails, last, last_at in session.execute(query):
        key = (code, enhanced, without_people(_without_codes(words, code, enhanced)))
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


def _with_replies(where: list[ColumnElement[bool] | TextClause]) -> Subquery:
    """Select the newest emails, each with the reply that failed it.

    The row of an email that came back has the reply of its acceptance, so the report counts that moved it. Without
    one, as for a complaint, or if the report was purged, the reason of the row is the text.
    """
    emails = (
        select(_N.id, _N.settled_at, _N.status, _N.reason, _N.last_code, _N.last_enhanced, _N.last_text)
        .where(*where)
        .order_by(_N.settled_at.desc())
        .limit(NEWEST)
        .cte("emails")
    )
    mine, reported = emails.c, _first_reports(emails)

    def of(own: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((mine.status == Status.failed, own), else_=other)

    there = reported.c
    said = func.coalesce(of(mine.last_text, there.text), mine.reason, "").label("said")
    codes = (of(mine.last_code, there.code).label("code"), of(mine.last_enhanced, there.enhanced).label("enhanced"))
    return (
        select(mine.id, mine.settled_at, mine.status, *codes, said)
        .select_from(emails)
        .outerjoin(reported, and_(there.id == mine.id, there.place == 1))
        .subquery()
    )


def _first_reports(emails: CTE) -> Subquery:
    """Select the bounces of these emails, the first one of each in place 1.

    The ids of the emails lead to them, so that the cost is theirs, however much feedback there is.
    """
    place = func.row_number().over(partition_by=emails.c.id, order_by=_F.id).label("place")
    bounces = (_F.kind == "bounce", _F.verdict.in_((Verdict.HARD, Verdict.SOFT)))
    return (
        select(emails.c.id, _F.code, _F.enhanced, _F.text, place)
        .join(emails, _F.notification_id == emails.c.id)
        .where(emails.c.status == Status.bounced, *bounces)
        .subquery("reports")
    )


def _without_codes(said: str, code: int | None, enhanced: str | None) -> str:
    """Return a reply's text without the codes that some servers repeat at its front."""
    for each in (str(code or ""), enhanced or ""):
        said = said.removeprefix(f"{each} ") if each else said
    return said


@lru_cache(maxsize=10_000)
def without_people(said: str) -> str:
    """Return a reply without addresses and ids, so that equal replies are grouped."""
    said = _ANNOUNCED.sub(r"\1…", _ADDRESS.sub("<address>", said))
    return " ".join(_NUMBERED.sub(lambda found: found[1] or "…", said).split())

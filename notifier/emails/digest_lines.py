"""The lines of a digest: what happened in each recipient's window, grouped by thing, most important first."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, case, func, literal, select
from sqlalchemy.orm import Session

from notifier.database.expressions import table_of
from notifier.database.types import BigId, UtcDateTime
from notifier.emails import activity_phrases
from notifier.models import Activity

_A = Activity


@dataclass(frozen=True, slots=True)
class DigestRequest:
    """The lines that one row asks for: activities in [listed, until). Those in [since, listed) are only counted."""

    key: int
    user_id: int
    since: datetime
    listed: datetime
    until: datetime
    #: Maximum number of lines.
    lines: int


@dataclass(slots=True)
class DigestLine:
    """What people did with one thing, or of one kind."""

    kind: str
    title: str
    #: The number of activities, and of people.
    count: int
    people: int
    newest: datetime
    #: The newest people first; not all of them.
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Digest:
    """The activities that one recipient's digest reports."""

    since: datetime
    until: datetime
    #: Most important first.
    lines: list[DigestLine] = field(default_factory=list)
    #: Listed activities by kind.
    counts: Counter[str] = field(default_factory=Counter)
    #: The number of activities before `listed`.
    older: int = 0
    #: Start of the listed part. None: everything is listed.
    listed: datetime | None = None

    @property
    def more(self) -> int:
        """The number of listed activities that are in no line."""
        return self.counts.total() - sum(line.count for line in self.lines)


def digests_of(session: Session, wanted: Sequence[DigestRequest]) -> dict[int, Digest]:
    """Return the digests by key, in two statements for any number of them."""
    found = {one.key: Digest(one.since, one.until, listed=one.listed) for one in wanted}
    if not wanted:
        return found
    table = _table(session, wanted)
    for key, kind, is_old, count in session.execute(_by_kind(table)):
        if is_old:
            found[key].older += count
        else:
            found[key].counts[kind] = count
    for row in session.execute(_by_line(table)):
        lines = found[row.key].lines
        if row.place > len(lines):
            lines.append(DigestLine(row.kind, row.title, int(row.times), row.people, row.newest))
        lines[-1].names.append(row.actor)
    return found


def _table(session: Session, wanted: Sequence[DigestRequest]) -> FromClause:
    rows: list[dict[str, int | datetime]] = [
        {
            "key": one.key,
            "user_id": one.user_id,
            "since": one.since,
            "listed": one.listed,
            "until": one.until,
            "lines": one.lines,
        }
        for one in wanted
    ]
    moments = dict.fromkeys(("since", "listed", "until"), UtcDateTime())
    return table_of(session, rows, key=BigInteger(), user_id=BigId, **moments, lines=BigInteger())


def _mine(table: FromClause, since: str) -> tuple[ColumnElement[bool], ...]:
    w = table.c
    return _A.user_id == w.user_id, _A.occurred_at >= w[since], _A.occurred_at < w.until


def _by_kind(table: FromClause) -> Select[Any]:
    """Build (key, kind, whether it is before `listed`, count)."""
    is_old = case((_A.occurred_at < table.c.listed, 1), else_=0).label("is_old")
    mine = _mine(table, "since")
    return select(table.c.key, _A.kind, is_old, func.count()).where(*mine).group_by(table.c.key, _A.kind, is_old)


def _by_line(table: FromClause) -> Select[Any]:
    """Build one row per person that a line may name: the lines in order, the newest person first."""
    w = table.c
    thing = case((_A.kind.in_(activity_phrases.PERSONAL), literal("")), else_=_A.object_key).label("thing")
    by_person = (
        select(w.key, w.lines, _A.kind, thing, _A.actor)
        .add_columns(func.count().label("times"), func.max(_A.object_title).label("title"))
        .add_columns(func.max(_A.occurred_at).label("at"), func.max(_A.id).label("last"))
        .where(*_mine(table, "listed"))
        .group_by(w.key, w.lines, _A.kind, thing, _A.actor)
        .subquery()
    )
    p = by_person.c
    line = (p.key, p.kind, p.thing)
    newest_person = (p.at.desc(), p.last.desc())
    by_line = select(
        p.key,
        p.lines,
        p.kind,
        p.thing,
        p.actor,
        func.sum(p.times).over(partition_by=line).label("times"),
        func.max(p.title).over(partition_by=line).label("title"),
        func.count().over(partition_by=line).label("people"),
        func.max(p.at).over(partition_by=line).label("newest"),
        func.max(p.last).over(partition_by=line).label("last"),
        func.row_number().over(partition_by=line, order_by=newest_person).label("nth"),
    ).subquery()
    b = by_line.c
    order = (_rank(b.kind), b.newest.desc(), b.last.desc())
    place = func.dense_rank().over(partition_by=b.key, order_by=order).label("place")
    ranked = select(by_line, place).subquery()
    r = ranked.c
    shown = (r.place <= r.lines, r.nth <= activity_phrases.NAMED)
    return select(ranked).where(*shown).order_by(r.key, r.place, r.nth)


def _rank(kind: ColumnElement[str]) -> ColumnElement[int]:
    known = {phrases.kind: place for place, phrases in enumerate(activity_phrases.PHRASES)}
    return case(known, value=kind, else_=len(known))

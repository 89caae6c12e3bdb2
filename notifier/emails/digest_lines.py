"""The lines of a digest: what happened in each recipient's window, grouped by thing, most important first."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, case, cast, func, literal, select
from sqlalchemy.orm import Session

from notifier.database.expressions import as_text, table_of
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
    # Rows of plain columns: the session would wrap each of them.
    connection = session.connection()
    dialect = connection.dialect.name
    by_kind, by_line = _statements(dialect)
    given = {"b_wanted": as_text(dialect, map(_row, wanted))}
    for key, kind, is_old, count in connection.execute(by_kind, given):
        if is_old:
            found[key].older += count
        else:
            found[key].counts[kind] = count
    for key, place, actor, *line in connection.execute(by_line, given):
        lines = found[key].lines
        if place > len(lines):
            lines.append(DigestLine(*line))
        lines[-1].names.append(actor)
    return found


def _row(one: DigestRequest) -> dict[str, int | datetime]:
    return {name: getattr(one, name) for name in ("key", "user_id", "since", "listed", "until", "lines")}


@cache
def _statements(dialect: str) -> tuple[Select[Any], Select[Any]]:
    """Build the statements: by kind, and by line."""
    moments = dict.fromkeys(("since", "listed", "until"), UtcDateTime())
    table = table_of(dialect, "b_wanted", key=BigInteger(), user_id=BigId, **moments, lines=BigInteger())
    return _by_kind(table), _by_line(table)


def _mine(table: FromClause, since: str) -> tuple[ColumnElement[bool], ...]:
    w = table.c
    return _A.user_id == w.user_id, _A.occurred_at >= w[since], _A.occurred_at < w.until


def _by_kind(table: FromClause) -> Select[Any]:
    """Build (key, kind, whether it is before `listed`, count)."""
    is_old = case((_A.occurred_at < table.c.listed, 1), else_=0).label("is_old")
    mine = _mine(table, "since")
    return select(table.c.key, _A.kind, is_old, func.count()).where(*mine).group_by(table.c.key, _A.kind, is_old)


def _by_line(table: FromClause) -> Select[Any]:
    """Build (key, place from 1, actor, and the values of DigestLine) of each person that a line may name.

    The lines are in order, and of each the newest person comes first.
    """
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
    named = (r.key, r.place, r.actor, r.kind, r.title, cast(r.times, BigInteger), r.people, r.newest)
    return select(*named).where(*shown).order_by(r.key, r.place, r.nth)


def _rank(kind: ColumnElement[str]) -> ColumnElement[int]:
    known = {phrases.kind: place for place, phrases in enumerate(activity_phrases.PHRASES)}
    return case(known, value=kind, else_=len(known))

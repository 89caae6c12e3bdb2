"""Answers of the audience rule: counts, judgements, samples, and the people of a run."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from notifier import clock
from notifier.audience.occasions import CampaignOccasion
from notifier.audience.rule import AudienceRule, People
from notifier.audience.zones import needs_zones
from notifier.models import User

#: Users in one statement of `judge`.
CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Counts:
    """How many people an occasion reaches, and how many are excluded, by the code of the reason."""

    chosen: int
    excluded: dict[str, int]
    #: Those chosen whose own time zone is invalid.
    fallbacks: int
    #: The reason for people, for each code of the rule.
    words: dict[str, str]
    #: Those chosen whose address is not confirmed.
    unconfirmed: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The rule's answer about one person. `code` is None if they get the email."""

    code: str | None
    #: Completes "gets nothing, because ..."; empty if they get the email.
    words: str
    #: When it is due: not before now, nor in quiet hours.
    due: datetime
    #: The values that decided, by names for people.
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A person that the rule chose or excluded."""

    user_id: int
    recipient: str
    code: str | None
    due: datetime
    dedupe_key: str


def counts(session: Session, occasion: CampaignOccasion, *, now: datetime | None = None) -> Counts:
    """Ask the rule about all users. It reads them all, which takes seconds for a million."""
    rule = rule_for(session, occasion, now=now)
    people = rule.select(User.verified_at.is_(None).label("unconfirmed")).subquery()
    off, unconfirmed = func.count().filter(people.c.fallback != ""), func.count().filter(people.c.unconfirmed)
    query = select(people.c.code, func.count(), off, unconfirmed).group_by(people.c.code)
    found = {code: tuple(numbers) for code, *numbers in session.execute(query)}
    chosen, fallbacks, unconfirmed_chosen = found.pop(None, (0, 0, 0))
    words = {each.code: each.words for each in rule.exclusions}
    return Counts(chosen, {code: number for code, (number, *_) in found.items()}, fallbacks, words, unconfirmed_chosen)


def judge(
    session: Session,
    occasion: CampaignOccasion,
    user_ids: Collection[int],
    *,
    lasting_only: bool = False,
    zones: Collection[str] | None = None,
    now: datetime | None = None,
) -> dict[int, Judgement]:
    """Ask the rule about these people. Users who do not exist are missing from the answer.

    Args:
        lasting_only: For people who have a row already. The answers have no values.
        zones: The time zone names of these people, if known; otherwise a query finds them.
    """
    answers: dict[int, Judgement] = {}
    for ids in _chunks(user_ids):
        among = User.id.in_(ids)
        rule = rule_for(session, occasion, among, zones=zones, lasting_only=lasting_only, now=now)
        answers |= _lasting(session, rule, among) if lasting_only else _explained(session, rule, among)
    return answers


def sample(
    session: Session,
    occasion: CampaignOccasion,
    *,
    code: str | None = None,
    limit: int = 10,
    now: datetime | None = None,
) -> list[Person]:
    """Return the first people with this code; None for those who get the email."""
    people = rule_for(session, occasion, now=now).select().subquery()
    query = select(people.c.user_id, people.c.recipient, people.c.code, people.c.due, people.c.dedupe_key)
    query = query.where(people.c.code.is_(None) if code is None else people.c.code == code)
    return [Person(*row) for row in session.execute(query.order_by(people.c.user_id).limit(limit))]


def chosen(
    session: Session, occasion: CampaignOccasion, among: ColumnElement[bool], *, now: datetime | None = None
) -> People:
    """Return the statement about these users that an expansion inserts from: see `AudienceRule.select`."""
    return rule_for(session, occasion, among, now=now).select().where(among)


def rule_for(
    session: Session,
    occasion: CampaignOccasion,
    among: ColumnElement[bool] | None = None,
    *,
    zones: Collection[str] | None = None,
    lasting_only: bool = False,
    now: datetime | None = None,
) -> AudienceRule:
    """Return the rule with the time zones of these users, or of all if `among` is None."""
    if zones is None and needs_zones(occasion):
        query = select(User.timezone).distinct()
        zones = session.scalars(query if among is None else query.where(among)).all()
    return AudienceRule(occasion, zones or (), now or clock.now(), lasting_only=lasting_only)


def _chunks(user_ids: Collection[int]) -> Iterable[list[int]]:
    ids = list(user_ids)
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _lasting(session: Session, rule: AudienceRule, among: ColumnElement[bool]) -> dict[int, Judgement]:
    """Judge with few columns and no values, because this runs between a claim and its email."""
    words = {each.code: each.words for each in rule.exclusions}
    found = session.execute(rule.brief().where(among))
    return {pk: Judgement(code, words.get(code or "", ""), due) for pk, code, due in found}


def _explained(session: Session, rule: AudienceRule, among: ColumnElement[bool]) -> dict[int, Judgement]:
    names = [(each.code, name) for each in rule.exclusions for name in each.values]
    extra: list[ColumnElement[Any]] = [value.label(f"v{index}") for index, value in enumerate(_values(rule))]
    words = {each.code: each.words for each in rule.exclusions}
    answers = {}
    for row in session.execute(rule.select(*extra).where(among)):
        found = [row[-len(names) + index] for index in range(len(names))]
        mine = {name: value for (code, name), value in zip(names, found, strict=True) if row.code in {code, None}}
        answers[row.user_id] = Judgement(row.code, words.get(row.code, ""), row.due, mine)
    return answers


def _values(rule: AudienceRule) -> Iterable[SQLColumnExpression[Any]]:
    return (value for each in rule.exclusions for value in each.values.values())

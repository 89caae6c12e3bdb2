"""Everyone in a few groups, by what the rule says of them: the numbers and the examples of a plan."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import false, func, select
from sqlalchemy.orm import Session

from notifier import audience
from notifier.audience import CampaignOccasion, joined_and_left
from notifier.audience.answers import rule_for
from notifier.explain.plan_values import Has, LeftOut, SamplePerson
from notifier.models import Notification, User

#: People shown for each reason.
SHOWN = 5


class Group(NamedTuple):
    """People of whom the rule says the same. They come in SHOWN groups, so that each can give an example."""

    code: str | None
    part: int
    people: int
    keys: int
    fallbacks: int
    unconfirmed: int
    first: datetime
    last: datetime
    user_id: int
    joined: int
    left: int


class People:
    """All accounts at one occasion."""

    def __init__(self, groups: list[Group], words: Mapping[str, str]) -> None:
        """`words` are the reasons of the codes, for people."""
        self._groups = groups
        self._words = words

    @cached_property
    def chosen(self) -> list[Group]:
        """Those who get the email."""
        return [group for group in self._groups if group.code is None]

    @property
    def count(self) -> int:
        """How many get the email."""
        return sum(group.people for group in self.chosen)

    @property
    def keys(self) -> int:
        """The sum of the keys of those who get the email."""
        return sum(int(group.keys) for group in self.chosen)

    @property
    def fallbacks(self) -> int:
        """How many of the chosen have no time zone that is of use."""
        return sum(group.fallbacks for group in self.chosen)

    @property
    def unconfirmed(self) -> int:
        """How many of the chosen have not confirmed their address."""
        return sum(group.unconfirmed for group in self.chosen)

    @property
    def first_and_last(self) -> tuple[datetime | None, datetime | None]:
        """When the first and the last email is due; None if there is none."""
        first = min((group.first for group in self.chosen), default=None)
        return first, max((group.last for group in self.chosen), default=None)

    @property
    def joined_and_left(self) -> tuple[int, int]:
        """How many rows tell that their person joined or left since the moment that was asked about."""
        return sum(group.joined for group in self._groups), sum(group.left for group in self._groups)

    @property
    def some_have_it(self) -> bool:
        """Whether people are left out because the email is in the ledger already."""
        return any(group.code == audience.ALREADY for group in self._groups)

    def examples(
        self, session: Session, occasion: CampaignOccasion, now: datetime
    ) -> dict[str | None, list[SamplePerson]]:
        """Some people for each code, with what they were judged by."""
        firsts: dict[str | None, list[int]] = defaultdict(list)
        for group in self._groups:
            firsts[group.code].append(group.user_id)
        chosen = {pk: code for code, ids in firsts.items() for pk in sorted(ids)[:SHOWN]}
        people = session.execute(select(User.id, User.email).where(User.id.in_(chosen)))
        addresses = {row.id: row.email for row in people}
        judged = audience.judge(session, occasion, list(chosen), now=now)
        named: dict[str | None, list[SamplePerson]] = defaultdict(list)
        for pk, code in chosen.items():
            # To those who get it every value applies, which says nothing.
            named[code].append(SamplePerson(pk, addresses[pk], judged[pk].values if code else {}))
        return named

    def left_out(self, examples: Mapping[str | None, list[SamplePerson]]) -> list[LeftOut]:
        """Return the reasons to be left out with their numbers, the largest first."""
        numbers: dict[str, int] = defaultdict(int)
        for group in self._groups:
            if group.code is not None:
                numbers[group.code] += group.people
        found = [LeftOut(code, self._words[code], number, examples.get(code, [])) for code, number in numbers.items()]
        return sorted(found, key=lambda each: (-each.count, each.code))


def people_at(session: Session, occasion: CampaignOccasion, now: datetime, since: datetime | None) -> People:
    """Return everyone. One look at the users gives all numbers; `since` asks who joined and left since that moment."""
    rule = rule_for(session, occasion, now=now)
    joined = false() if since is None else joined_and_left.joined(rule, since)
    left = false() if since is None else joined_and_left.left(rule, since)
    part, unconfirmed = (User.id % SHOWN).label("part"), User.verified_at.is_(None).label("unconfirmed")
    person = rule.select(part, unconfirmed, joined.label("joined"), left.label("left")).subquery().c
    query = select(
        person.code,
        person.part,
        func.count(),
        func.sum(person.user_id),
        func.count().filter(person.fallback != ""),
        func.count().filter(person.unconfirmed),
        func.min(person.due),
        func.max(person.due),
        func.min(person.user_id),
        func.count().filter(person.code.is_(None), person.joined),
        func.count().filter(person.code.is_not(None), person.left),
    ).group_by(person.code, person.part)
    groups = [Group(*row) for row in session.execute(query)]
    return People(groups, {each.code: each.words for each in rule.exclusions})


def versions_of(
    session: Session, occasion: CampaignOccasion, number: Mapping[int | None, int], now: datetime
) -> list[Has]:
    """Which version those have who are left out because the email is in the ledger already."""
    people = rule_for(session, occasion, now=now).select().subquery()
    row = Notification
    query = (
        select(row.content_id, row.status, func.count())
        .join(people, people.c.dedupe_key == row.dedupe_key)
        .where(people.c.code == audience.ALREADY)
        .group_by(row.content_id, row.status)
    )
    found = [Has(number.get(content_id, 0), status, count) for content_id, status, count in session.execute(query)]
    return sorted(found, key=lambda each: (each.version, each.status))

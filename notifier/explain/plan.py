"""The plan: what a run would do, by the rule of the run, in a transaction that cannot write."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from notifier import audience, clock
from notifier.audience import CampaignOccasion, Kinds
from notifier.audience.answers import rule_for
from notifier.campaigns.content_versions import numbers
from notifier.campaigns.lookup import Moment, Which, campaign_named, moment_of, occasion_at, unreadable
from notifier.campaigns.runs import USELESS, deadline_of
from notifier.campaigns.slots import schedule_of, step_after
from notifier.campaigns.throughput import throughput
from notifier.database.transaction import reading
from notifier.explain.plan_token import BOXES, Fingerprint, box_of, config_of
from notifier.explain.plan_values import RATE_IGNORED, Has, LeftOut, Plan, Rendered, SamplePerson
from notifier.ledger import Claimed, Recipient
from notifier.models import Campaign, CampaignState, Notification, User
from notifier.scheduling import Schedule, ScheduleError, local_time

#: People shown for each reason.
SHOWN = 5

#: Renders a row that is not in the ledger yet. Raises ValueError with words where it cannot.
Render = Callable[[Session, Claimed], Rendered]


class _Group(NamedTuple):
    """People whom the rule tells the same and who share a box of the fingerprint."""

    code: str | None
    box: int
    people: int
    fallbacks: int
    unconfirmed: int
    first: datetime
    last: datetime
    user_id: int


class Planner:
    """Owns its transactions; each sees one moment, and can write nothing."""

    def __init__(
        self,
        session: Callable[[], Session],
        kinds: Kinds,
        *,
        version_of: Callable[[str], str],
        render: Render,
        limit: float | None = None,
        rates: bool = True,
    ) -> None:
        """`version_of` gives the version of a kind's templates; `limit` is that of all mail, in mails a second.

        `rates`: those of campaigns apply, because there is a Redis in which workers count together.
        """
        self._session = session
        self._kinds = kinds
        self._version_of = version_of
        self._render = render
        self._limit = limit
        self.rates = rates

    def plan(self, name: str, which: Which = "next", *, slot: datetime | None = None, details: bool = True) -> Plan:
        """The plan of this campaign for a slot: that of `which`, unless `slot` says one.

        Without `details` it names nobody and renders nothing. Reads all users once: seconds for a million.
        Raises CampaignError for a campaign that does not exist or cannot be read.
        """
        with reading(self._session) as session:
            now = clock.now()
            campaign = campaign_named(session, name)
            moment = moment_of(campaign, which, now, self._kinds) if slot is None else Moment(slot, at_once=False)
            occasion = occasion_at(campaign, moment.slot, self._kinds, moment.trigger)
            return self._made(session, campaign, moment, occasion, now, details=details)

    def _made(
        self,
        session: Session,
        campaign: Campaign,
        moment: Moment,
        occasion: CampaignOccasion,
        now: datetime,
        *,
        details: bool,
    ) -> Plan:
        schedule = self._schedule(campaign)
        groups, words = _grouped(session, occasion, max(now, moment.begins_at or now))
        chosen = [group for group in groups if group.code is None]
        boxes = [sum(group.people for group in chosen if group.box == box) for box in range(BOXES)]
        count = sum(boxes)
        rate = campaign.rate if self.rates else None
        speed = throughput(session, now, campaign_id=campaign.id, campaign_limit=rate, limit=self._limit)
        unconfirmed = sum(group.unconfirmed for group in chosen)
        first = min((group.first for group in chosen), default=None)
        last = max((group.last for group in chosen), default=None)
        notes = _notes(campaign, occasion, moment, self._kinds, now)
        if campaign.rate and not self.rates:
            notes.append(RATE_IGNORED)
        if unconfirmed and (warning := audience.warning_of(occasion.kind_of, occasion.audience)):
            notes.append(f"{unconfirmed:,} of {count:,} recipients are not confirmed. {warning}")
        sample = self._sample(session, occasion, chosen, now, notes) if details else None
        named = _named(session, occasion, groups, now) if details else {}
        number = numbers(session, campaign)
        told = details and any(group.code == audience.ALREADY for group in groups)
        return Plan(
            campaign=campaign.name,
            version=campaign.version,
            slot=moment.slot,
            at_once=moment.at_once,
            when=_when(schedule, occasion, moment, first, last),
            timing="" if moment.at_once else occasion.kind_of.timing(occasion, step_after(schedule, moment.slot)),
            count=count,
            unconfirmed=unconfirmed,
            people=named.get(None, []),
            left_out=_left_out(groups, words, named),
            zone_fallbacks=sum(group.fallbacks for group in chosen),
            first=first,
            last=last,
            throughput=speed,
            seconds=speed.seconds(count),
            sample=sample,
            fingerprint=Fingerprint(self._config(campaign, moment), boxes),
            notes=notes,
            content=number.get(campaign.content_id, 0),
            edition=campaign.edition,
            has=_has(session, occasion, number, now) if told else [],
        )

    def _schedule(self, campaign: Campaign) -> Schedule:
        try:
            return schedule_of(campaign, self._kinds)
        except ScheduleError as error:
            raise unreadable(campaign, error) from None

    def _config(self, campaign: Campaign, moment: Moment) -> str:
        slot = "now" if moment.at_once else moment.slot.isoformat()
        content = (campaign.content_id, campaign.edition)
        rows = (campaign.id, campaign.version, campaign.kind, campaign.settings, campaign.audience)
        return config_of(*rows, *content, self._version_of(campaign.kind), slot)

    def _sample(
        self, session: Session, occasion: CampaignOccasion, chosen: list[_Group], now: datetime, notes: list[str]
    ) -> Rendered | None:
        if not chosen:
            return None
        row = as_claimed(session, occasion, min(group.user_id for group in chosen), now)
        try:
            return self._render(session, row)
        except ValueError as error:
            notes.append(f"There is no sample. {error}")
            return None


def _grouped(session: Session, occasion: CampaignOccasion, now: datetime) -> tuple[list[_Group], dict[str, str]]:
    """Everybody in few groups, and the words of the codes. One look at the users gives all numbers."""
    rule = rule_for(session, occasion, now=now)
    people = rule.select(box_of(User.id).label("box"), User.verified_at.is_(None).label("unconfirmed")).subquery()
    person = people.c
    query = select(
        person.code,
        person.box,
        func.count(),
        func.count().filter(person.fallback != ""),
        func.count().filter(person.unconfirmed),
        func.min(person.due),
        func.max(person.due),
        func.min(person.user_id),
    ).group_by(person.code, person.box)
    return [_Group(*row) for row in session.execute(query)], {each.code: each.words for each in rule.exclusions}


def _has(session: Session, occasion: CampaignOccasion, number: Mapping[int | None, int], now: datetime) -> list[Has]:
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


def _named(
    session: Session, occasion: CampaignOccasion, groups: Iterable[_Group], now: datetime
) -> dict[str | None, list[SamplePerson]]:
    """Some people for each code, with what they were judged by."""
    firsts: dict[str | None, list[int]] = defaultdict(list)
    for group in groups:
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


def _left_out(
    groups: Iterable[_Group], words: dict[str, str], named: dict[str | None, list[SamplePerson]]
) -> list[LeftOut]:
    numbers: dict[str, int] = defaultdict(int)
    for group in groups:
        if group.code is not None:
            numbers[group.code] += group.people
    found = [LeftOut(code, words[code], number, named.get(code, [])) for code, number in numbers.items()]
    return sorted(found, key=lambda each: (-each.count, each.code))


def as_claimed(session: Session, occasion: CampaignOccasion, user_id: int, now: datetime) -> Claimed:
    """The row that this person would get, as a worker would have it."""
    among = User.id == user_id
    row = session.execute(audience.chosen(session, occasion, among, now=now)).one()
    user = session.get_one(User, user_id)
    name = user.display_name if user.verified_at else ""
    recipient = Recipient(
        user.id, user.identity_key, name, user.locale, user.timezone, user.verified_at, user.link_nonce
    )
    return Claimed(
        id=0,
        claim=0,
        kind=occasion.kind,
        recipient=row.recipient,
        dedupe_key=row.dedupe_key,
        params=row.params,
        on_unknown=occasion.on_unknown,
        attempts=0,
        unknowns=0,
        deadline=row.deadline,
        created_at=now,
        campaign_id=occasion.campaign_id,
        run_id=None,
        user=recipient,
        content_id=occasion.content_id,
    )


def _when(
    schedule: Schedule, occasion: CampaignOccasion, moment: Moment, first: datetime | None, last: datetime | None
) -> str:
    """Return when it goes, if that is not simply the slot: by the real zones of the recipients, if there are any."""
    if moment.at_once:
        return "now, to everyone at once" if occasion.recipient_local else "now"
    if not occasion.by_their_clocks:
        return ""
    return local_time(schedule, moment.slot, first, last)


def _notes(campaign: Campaign, occasion: CampaignOccasion, moment: Moment, kinds: Kinds, now: datetime) -> list[str]:
    notes = []
    if campaign.state != CampaignState.active:
        why = f": {campaign.paused_reason}" if campaign.paused_reason else ""
        notes.append(f"The campaign is {campaign.state}{why}. Nothing goes while it is.")
    deadline = deadline_of(campaign, moment.slot, kinds, moment.trigger)
    if deadline is not None and deadline <= now:
        notes.append(f"Nothing would go: {USELESS} (since {deadline:%Y-%m-%d %H:%M} UTC).")
    ready = occasion.kind_of.ready_at(occasion)
    if ready is not None and ready > max(now, moment.begins_at or now):
        notes.append(
            f"It is about what happens until {ready:%Y-%m-%d %H:%M} UTC. This run is earlier: it leaves out people to "
            "whom nothing has happened yet."
        )
    return notes

"""The plan: what a run would do, by the rule of the run, in a transaction that cannot write."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from notifier import audience, clock
from notifier.audience import CampaignOccasion, Kinds
from notifier.campaigns.content_versions import numbers
from notifier.campaigns.lookup import Moment, Which, campaign_named, moment_of, occasion_at, unreadable
from notifier.campaigns.runs import USELESS, deadline_of
from notifier.campaigns.slots import schedule_of, step_after
from notifier.campaigns.throughput import Throughput, throughput
from notifier.database.snapshot import reading
from notifier.explain import plan_token
from notifier.explain.plan_people import People, people_at, versions_of
from notifier.explain.plan_token import Basis, Drift, Planned
from notifier.explain.plan_values import RATE_IGNORED, Plan, Rendered
from notifier.ledger import Claimed, Recipient
from notifier.models import Campaign, CampaignState, User
from notifier.scheduling import Schedule, ScheduleError, local_time
from notifier.security.tokens import Signer

#: Renders a row that is not in the ledger yet. Raises ValueError with words where it cannot.
Render = Callable[[Session, Claimed], Rendered]


class Planner:
    """Owns its transactions; each sees one moment, and can write nothing."""

    def __init__(
        self,
        session: Callable[[], Session],
        kinds: Kinds,
        *,
        version_of: Callable[[str], str],
        render: Render,
        signer: Signer,
        limit: float | None = None,
        rates: bool = True,
    ) -> None:
        """`version_of` gives the version of a kind's templates; `limit`: of all email, per second.

        `rates`: whether rates of campaigns apply, which need a Redis where all workers count together.
        """
        self._session = session
        self._kinds = kinds
        self._version_of = version_of
        self._render = render
        self._signer = signer
        self._limit = limit
        self.rates = rates

    def confirm(self, token: str, name: str, which: Which, *, exact: bool = False) -> tuple[Planned, Plan]:
        """Return what this token says and the plan as it is now, without details, if they are the same.

        They may differ in a few people (see plan_token.check), unless `exact`. Raise PlanChanged if they differ in more
        or the token has expired; CampaignError as `plan` does, and for anything that is no token.
        """
        before = plan_token.read(self._signer, token)
        fresh = self.plan(name, which, details=False, since=before.at)
        drift = Drift.between(before, fresh.planned, joined=fresh.joined, left=fresh.left)
        plan_token.check(before, fresh.planned, drift, exact=exact)
        return before, fresh

    def plan(
        self,
        name: str,
        which: Which = "next",
        *,
        slot: datetime | None = None,
        details: bool = True,
        since: datetime | None = None,
    ) -> Plan:
        """Return the plan of this campaign for a slot: that of `which`, unless `slot` says one.

        Without `details` it names no person and renders nothing. With `since` it counts who joined and left since that
        moment. Reads all users once: seconds for a million. Raise CampaignError for a campaign that does not exist or
        cannot be read.
        """
        with reading(self._session) as session:
            now = clock.now()
            campaign = campaign_named(session, name)
            moment = moment_of(campaign, which, now, self._kinds) if slot is None else Moment(slot, at_once=False)
            occasion = occasion_at(campaign, moment.slot, self._kinds, moment.trigger)
            return self._made(session, campaign, moment, occasion, now, details=details, since=since)

    def _made(
        self,
        session: Session,
        campaign: Campaign,
        moment: Moment,
        occasion: CampaignOccasion,
        now: datetime,
        details: bool,
        since: datetime | None,
    ) -> Plan:
        people = people_at(session, occasion, max(now, moment.begins_at or now), since)
        planned = Planned(self._basis(campaign, moment), now, people.count, people.keys)
        (first, last), (joined, left) = people.first_and_last, people.joined_and_left
        speed = self._throughput(session, campaign, now)
        notes = _notes(campaign, occasion, moment, self._kinds, now) + self._warnings(campaign, occasion, people)
        sample = self._sample(session, occasion, people, now, notes) if details else None
        examples = people.examples(session, occasion, now) if details else {}
        when, timing = self._times(campaign, occasion, moment, first, last)
        number = numbers(session, campaign)
        return Plan(
            campaign=campaign.name,
            version=campaign.version,
            slot=moment.slot,
            at_once=moment.at_once,
            when=when,
            timing=timing,
            count=people.count,
            unconfirmed=people.unconfirmed,
            people=examples.get(None, []),
            left_out=people.left_out(examples),
            zone_fallbacks=people.fallbacks,
            first=first,
            last=last,
            throughput=speed,
            seconds=speed.seconds(people.count),
            sample=sample,
            planned=planned,
            token=plan_token.issue(self._signer, planned),
            notes=notes,
            content=number.get(campaign.content_id, 0),
            edition=campaign.edition,
            has=versions_of(session, occasion, number, now) if details and people.some_have_it else [],
            joined=joined,
            left=left,
        )

    def _throughput(self, session: Session, campaign: Campaign, now: datetime) -> Throughput:
        rate = campaign.rate if self.rates else None
        return throughput(session, now, campaign_id=campaign.id, campaign_limit=rate, limit=self._limit)

    def _times(
        self,
        campaign: Campaign,
        occasion: CampaignOccasion,
        moment: Moment,
        first: datetime | None,
        last: datetime | None,
    ) -> tuple[str, str]:
        """Return when it goes, if the slot alone does not say so, and what its kind adds to that."""
        try:
            schedule = schedule_of(campaign, self._kinds)
        except ScheduleError as error:
            raise unreadable(campaign, error) from None
        timing = "" if moment.at_once else occasion.kind_of.timing(occasion, step_after(schedule, moment.slot))
        return _when(schedule, occasion, moment, first, last), timing

    def _warnings(self, campaign: Campaign, occasion: CampaignOccasion, people: People) -> list[str]:
        warnings = [RATE_IGNORED] if campaign.rate and not self.rates else []
        if people.unconfirmed and (warning := audience.warning_of(occasion.kind_of, occasion.audience)):
            warnings.append(f"{people.unconfirmed:,} of {people.count:,} recipients are not confirmed. {warning}")
        return warnings

    def _basis(self, campaign: Campaign, moment: Moment) -> Basis:
        return Basis.of(
            {
                "campaign": campaign.id,
                "settings": [campaign.version, campaign.kind, campaign.settings, campaign.audience],
                "content": [campaign.content_id, campaign.edition],
                "templates": self._version_of(campaign.kind),
                "time": "now" if moment.at_once else moment.slot.isoformat(),
            }
        )

    def _sample(
        self, session: Session, occasion: CampaignOccasion, people: People, now: datetime, notes: list[str]
    ) -> Rendered | None:
        if not people.chosen:
            return None
        row = as_claimed(session, occasion, min(group.user_id for group in people.chosen), now)
        try:
            return self._render(session, row)
        except ValueError as error:
            notes.append(f"There is no sample. {error}")
            return None


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

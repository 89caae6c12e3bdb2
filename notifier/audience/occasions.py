"""One campaign at one slot, with everything checked that people wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.audience.settings import Audience, lines_of
from notifier.emails.campaign_kind import CampaignKind, Occasion, Reaches
from notifier.emails.kind import EmailKind
from notifier.models import Campaign, CampaignRun, Trigger
from notifier.scheduling.periods import Fallback, zone_of

M = TypeVar("M", bound=BaseModel)

#: The registry of kinds, by name.
Kinds = Mapping[str, EmailKind]


class AudienceError(ValueError):
    """What a campaign says about its audience or kind cannot be; one line for each mistake."""


class UnknownKind(AudienceError):
    """The registry has no such kind of campaign mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOccasion(Occasion):
    """An occasion with the campaign's own policies."""

    #: Whose `zone` is: the campaign's, or UTC where its name is of no use.
    zone_is: Fallback
    kind_of: CampaignKind
    audience: Audience
    #: The reader's own zone counts: for when it goes (`by_their_clocks`), and for what it is about.
    recipient_local: bool
    #: HH:MM on the reader's clock; between them nothing is sent.
    quiet_from: str | None
    quiet_to: str | None
    #: After this time since the slot a mail is of no use; None: as the kind says.
    lifetime: timedelta | None
    on_unknown: str
    capped: bool
    #: What its mails say (ContentVersion); None: the files of its kind.
    content_id: int | None = None

    @property
    def reaches(self) -> Reaches:
        """Which accounts it goes to."""
        return reached(self.kind_of, self.audience)

    @property
    def life(self) -> timedelta:
        """How long after the slot a mail is of use."""
        return self.kind_of.lifetime_of(self) if self.lifetime is None else self.lifetime


#: For people.
ACCOUNTS: Mapping[Reaches, str] = {
    Reaches.confirmed: "confirmed accounts only",
    Reaches.unconfirmed: "accounts that are not confirmed",
    Reaches.both: "confirmed accounts and accounts that are not confirmed",
}

#: What an operator reads who chooses more than the kind reaches by itself.
UNCONFIRMED_WARNING = (
    "It goes to addresses that were never confirmed. Their owners may never have signed up: such emails reach "
    "strangers, bounce, and are reported as spam. Send them only what is needed to confirm the account."
)


def reached(kind: CampaignKind, audience: Audience) -> Reaches:
    """Return which accounts a campaign of this kind goes to: as the kind says, unless the audience chooses."""
    if kind.reaches is Reaches.unconfirmed or audience.verified is None:
        return kind.reaches
    if audience.verified == "any":
        return Reaches.both
    return Reaches.confirmed if audience.verified else Reaches.unconfirmed


def warning_of(kind: CampaignKind, audience: Audience) -> str:
    """Return the warning about unconfirmed accounts, empty if the campaign reaches no more of them than its kind."""
    widened = kind.reaches is Reaches.confirmed and reached(kind, audience) is not Reaches.confirmed
    return UNCONFIRMED_WARNING if widened else ""


def campaign_kind(kinds: Kinds, name: str) -> CampaignKind:
    """The kind of campaign mail with this name. Raises UnknownKind."""
    kind = kinds.get(name)
    if not isinstance(kind, CampaignKind):
        known = ", ".join(sorted(key for key, value in kinds.items() if isinstance(value, CampaignKind)))
        raise UnknownKind(f"kind: there is no campaign mail of the kind {name!r}; there are {known}")
    return kind


def occasion_of(campaign: Campaign, slot: datetime, kinds: Kinds, trigger: str = Trigger.schedule) -> CampaignOccasion:
    """The occasion of this campaign at `slot`. Raises AudienceError where the campaign's row cannot be read.

    `trigger` is that of the run, a name of Trigger.
    """
    kind = campaign_kind(kinds, campaign.kind)
    zone, whose = zone_of(None, campaign.zone)
    return CampaignOccasion(
        campaign_id=campaign.id,
        name=campaign.name,
        kind=campaign.kind,
        slot=slot.astimezone(UTC),
        zone=zone,
        settings=settings_of(campaign, kind),
        since=campaign.created_at,
        by_their_clocks=campaign.recipient_local and trigger not in (Trigger.now, Trigger.prompt),
        prompt=trigger == Trigger.prompt,
        # A campaign without a slot ahead is not asked for prompt emails.
        prompts_elsewhere=trigger != Trigger.prompt and bool(campaign.prompted_at and campaign.next_slot),
        zone_is=whose,
        kind_of=kind,
        audience=_read(Audience, campaign.audience, "audience"),
        recipient_local=campaign.recipient_local,
        quiet_from=campaign.quiet_from,
        quiet_to=campaign.quiet_to,
        lifetime=None if campaign.lifetime is None else timedelta(seconds=campaign.lifetime),
        on_unknown=campaign.on_unknown,
        capped=campaign.capped,
        content_id=campaign.content_id,
        edition=campaign.edition,
    )


def occasion_of_run(campaign: Campaign, run: CampaignRun, kinds: Kinds) -> CampaignOccasion:
    """Return the occasion of this run: with the content and edition that it began with, whatever was saved since.

    Raises AudienceError if the campaign's row cannot be read.
    """
    occasion = occasion_of(campaign, run.slot, kinds, run.trigger)
    return occasion if run.edition is None else replace(occasion, content_id=run.content_id, edition=run.edition)


def occasions_of(session: Session, run_ids: set[int], kinds: Kinds) -> dict[int, tuple[CampaignRun, CampaignOccasion]]:
    """The runs with these keys and their occasions, in one query. A run that is gone is left out."""
    query = select(CampaignRun, Campaign).join(Campaign, Campaign.id == CampaignRun.campaign_id)
    found = session.execute(query.where(CampaignRun.id.in_(run_ids)))
    return {run.id: (run, occasion_of_run(campaign, run, kinds)) for run, campaign in found}


def settings_of(campaign: Campaign, kind: CampaignKind) -> Any:
    """What the campaign says to its kind, an instance of its Settings. Raises AudienceError."""
    return _read(kind.Settings, campaign.settings, "settings")


def _read(model: type[M], values: Any, name: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise AudienceError("\n".join(lines_of(error, name))) from None

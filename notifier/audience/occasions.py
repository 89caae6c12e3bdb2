"""One campaign at one slot, with its settings and audience validated."""

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
    """A campaign's audience or settings are invalid. The text has one line per mistake."""


class UnknownKind(AudienceError):
    """The registry has no such kind of campaign email."""

    @classmethod
    def of(cls, name: str, kinds: Kinds) -> "UnknownKind":
        """Name the kinds that there are."""
        known = ", ".join(sorted(key for key, value in kinds.items() if isinstance(value, CampaignKind)))
        return cls(f"kind: there is no kind of campaign email {name!r}; available: {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOccasion(Occasion):
    """An occasion with the campaign's own policies."""

    #: Whose zone `zone` is: the campaign's, or UTC if the campaign's is invalid.
    zone_is: Fallback
    kind_of: CampaignKind
    audience: Audience
    #: Whether the recipient's own time zone counts: for when it is sent (`by_their_clocks`), and for its period.
    recipient_local: bool
    #: HH:MM in the recipient's time zone; between them nothing is sent.
    quiet_from: str | None
    quiet_to: str | None
    #: Time from the slot after which an email is of no use. None: as the kind says.
    lifetime: timedelta | None
    on_unknown: str
    capped: bool
    #: The version of its content (ContentVersion). None: the default texts of its kind.
    content_id: int | None = None

    @property
    def reaches(self) -> Reaches:
        """The accounts that it goes to."""
        return reached(self.kind_of, self.audience)

    @property
    def life(self) -> timedelta:
        """The time from the slot for which an email is of use."""
        return self.kind_of.lifetime_of(self) if self.lifetime is None else self.lifetime


#: For people.
ACCOUNTS: Mapping[Reaches, str] = {
    Reaches.confirmed: "confirmed accounts only",
    Reaches.unconfirmed: "accounts that are not confirmed",
    Reaches.both: "confirmed accounts and accounts that are not confirmed",
}

#: Warning for an operator who chooses more accounts than the kind reaches by default.
UNCONFIRMED_WARNING = (
    "It goes to addresses that were never confirmed. Their owners may never have signed up: such emails reach "
    "strangers, bounce, and are reported as spam. Send them only what is needed to confirm the account."
)


def reached(kind: CampaignKind, audience: Audience) -> Reaches:
    """Return the accounts that a campaign of this kind goes to: as the kind says, unless the audience chooses."""
    if kind.reaches is Reaches.unconfirmed or audience.verified is None:
        return kind.reaches
    if audience.verified == "any":
        return Reaches.both
    return Reaches.confirmed if audience.verified else Reaches.unconfirmed


def warning_of(kind: CampaignKind, audience: Audience) -> str:
    """Return the warning about unconfirmed accounts; empty if the campaign reaches no more of them than its kind."""
    widened = kind.reaches is Reaches.confirmed and reached(kind, audience) is not Reaches.confirmed
    return UNCONFIRMED_WARNING if widened else ""


def campaign_kind(kinds: Kinds, name: str) -> CampaignKind:
    """Return the kind of campaign email with this name. Raise UnknownKind."""
    kind = kinds.get(name)
    if not isinstance(kind, CampaignKind):
        raise UnknownKind.of(name, kinds)
    return kind


def occasion_of(campaign: Campaign, slot: datetime, kinds: Kinds, trigger: str = Trigger.schedule) -> CampaignOccasion:
    """Return the occasion of this campaign at `slot`. Raise AudienceError if the campaign's row cannot be read.

    `trigger`: the run's, a name of Trigger.
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
        # A campaign without a slot ahead gets no prompt runs.
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
    """Return the occasion of this run, with the content and edition that it began with, even if newer ones were saved.

    Raise AudienceError if the campaign's row cannot be read.
    """
    occasion = occasion_of(campaign, run.slot, kinds, run.trigger)
    return occasion if run.edition is None else replace(occasion, content_id=run.content_id, edition=run.edition)


def occasions_of(session: Session, run_ids: set[int], kinds: Kinds) -> dict[int, tuple[CampaignRun, CampaignOccasion]]:
    """Return the runs with these keys and their occasions, by one query. Deleted runs are left out."""
    query = select(CampaignRun, Campaign).join(Campaign, Campaign.id == CampaignRun.campaign_id)
    found = session.execute(query.where(CampaignRun.id.in_(run_ids)))
    return {run.id: (run, occasion_of_run(campaign, run, kinds)) for run, campaign in found}


def settings_of(campaign: Campaign, kind: CampaignKind) -> Any:
    """Return the campaign's settings for its kind, an instance of `kind.Settings`. Raise AudienceError."""
    return _read(kind.Settings, campaign.settings, "settings")


def _read(model: type[M], values: Any, name: str) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise AudienceError("\n".join(lines_of(error, name))) from None

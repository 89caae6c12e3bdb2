"""Campaigns, plans and runs in answers."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from sqlalchemy.orm import Session

from notifier import clock
from notifier.api.links import Names
from notifier.api.shapes import Answer, ShownMoment
from notifier.campaigns.progress import progress
from notifier.campaigns.slots import slot_name
from notifier.explain.audit import Report
from notifier.explain.plan_values import Plan
from notifier.models import Campaign, CampaignRun, CampaignState, RunState, Trigger
from notifier.services import services

#: The time that a run is for, as a plan and a run name it.
MomentName = Literal["now", "newest", "at-local-hour", "next"]


class RunBrief(Answer):
    """A run of a campaign."""

    id: str
    slot: Annotated[ShownMoment, Field(description="the scheduled time that it is for")]
    slot_name: Annotated[str, Field(description="the same, for people")]
    trigger: Trigger
    state: RunState
    reason: Annotated[str | None, Field(description="why it is in this state")]

    @staticmethod
    def facts(found: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a run of `campaigns.overview`."""
        return found | {"id": str(found["id"]), "slot_name": found["for"]}


class CampaignAnswer(Answer):
    """A campaign, with its newest run."""

    names: ClassVar = Names("/campaigns/{name}", "name")

    name: str
    title: str
    kind: str
    state: CampaignState
    schedule: Annotated[str, Field(description="for people")]
    next_slot: Annotated[ShownMoment | None, Field(description="the scheduled time of the next run")]
    next: Annotated[str, Field(description="when it is sent, for people; empty: an operator has to start it")]
    last_run: RunBrief | None

    @classmethod
    def of(cls, found: dict[str, Any]) -> "CampaignAnswer":
        """Return a campaign of `campaigns.overview`."""
        last = found["last_run"]
        return cls.model_validate(found | {"last_run": last and RunBrief.facts(last)})


class CampaignDetail(Answer):
    """A campaign, with its settings and its newest runs."""

    names: ClassVar = Names("/campaigns/{name}", "name")

    name: str
    title: str
    kind: str
    state: CampaignState
    paused_reason: str | None
    schedule: Annotated[str, Field(description="for people")]
    zone: str
    recipient_local: Annotated[bool, Field(description="whether it is sent by the clocks of the recipients")]
    next_slot: ShownMoment | None
    next: str
    audience: dict[str, Any]
    settings: dict[str, Any]
    content: Annotated[int, Field(description="the version of its content; 0: the original one")]
    edition: int
    rate: Annotated[float | None, Field(description="emails per second at most; null: no limit of its own")]
    version: Annotated[int, Field(description="it grows with each change of the campaign")]
    created_at: ShownMoment
    updated_at: ShownMoment
    runs: Annotated[list[RunBrief], Field(description="the newest first")]

    @classmethod
    def of(cls, found: dict[str, Any]) -> "CampaignDetail":
        """Return the campaign of `campaigns.details`."""
        return cls.model_validate(found["campaign"] | {"runs": [RunBrief.facts(run) for run in found["runs"]]})


class LeftOutAnswer(Answer):
    """A reason for which people do not get it."""

    code: str
    reason: Annotated[str, Field(description="for people")]
    count: int


class PlanAnswer(Answer):
    """What a run would do. It names no person."""

    names: ClassVar = Names("/campaigns/{name}", "campaign", {"run_campaign": ("plan", "moment")})

    plan: Annotated[str, Field(description="its token, which starts the run; it works for 24 hours")]
    moment: MomentName
    campaign: str
    slot: ShownMoment
    when: Annotated[str, Field(description="when it is sent, for people; empty: at `slot`")]
    timing: Annotated[str, Field(description="what its kind adds to that, for people")]
    count: Annotated[int, Field(description="people who get it")]
    unconfirmed: Annotated[int, Field(description="those of them whose address is not confirmed")]
    excluded: list[LeftOutAnswer]
    first: Annotated[ShownMoment | None, Field(description="when the first email is due")]
    last: ShownMoment | None
    seconds: Annotated[float | None, Field(description="how long sending takes; null: not known")]
    content: int
    edition: int
    notes: Annotated[list[str], Field(description="what to know before the run starts")]

    @classmethod
    def of(cls, found: Plan, moment: str) -> "PlanAnswer":
        """Return this plan, for the time that `moment` names."""
        names = ("campaign", "slot", "when", "timing", "count", "unconfirmed", "first", "last", "seconds", "content",
                 "edition", "notes")  # fmt: skip
        facts = {name: getattr(found, name) for name in names}
        excluded = [{"code": each.code, "reason": each.words, "count": each.count} for each in found.left_out]
        return cls.model_validate(facts | {"plan": found.token, "moment": moment, "excluded": excluded})


class RunAnswer(RunBrief):
    """A run, and how far it is."""

    names: ClassVar = Names("/runs/{id}", "id")

    campaign: str
    planned: Annotated[int, Field(description="emails that it has queued so far")]
    emails: Annotated[dict[str, int], Field(description="by status")]
    excluded: Annotated[dict[str, int], Field(description="people who do not get it, by the code of the reason")]
    percent: Annotated[int, Field(description="of its emails, those that came to rest")]
    rate: Annotated[float, Field(description="emails per second, lately")]
    seconds_left: Annotated[float | None, Field(description="null: not known, or nothing is left")]
    paused_providers: Annotated[dict[str, str], Field(description="providers to which its emails wait, and why")]
    created_at: ShownMoment
    finished_at: ShownMoment | None

    @classmethod
    def of(cls, session: Session, run: CampaignRun, now: datetime | None = None) -> "RunAnswer":
        """Return this run."""
        campaign, parts = session.get_one(Campaign, run.campaign_id), services()
        rates = parts.limits is not None
        far = progress(session, run, now or clock.now(), limit=parts.settings.mail_rate, rates=rates)
        names = ("slot", "trigger", "state", "reason", "planned", "excluded", "paused_providers", "created_at",
                 "finished_at")  # fmt: skip
        return cls.model_validate(
            {name: getattr(run, name) for name in names}
            | {
                "id": str(run.id),
                "slot_name": slot_name(campaign, run.slot, run.trigger),
                "campaign": campaign.name,
                "emails": far.counts,
                "percent": far.percent,
                "rate": far.rate,
                "seconds_left": far.left,
            }
        )


class AuditAnswer(Answer):
    """Whether the emails of a run add up."""

    ok: bool
    planned: int
    emails: Annotated[dict[str, int], Field(description="rows of the ledger, by status")]
    waiting: Annotated[int, Field(description="those that did not come to rest")]
    difference: Annotated[int, Field(description="rows that are missing; negative: too many")]
    twice: Annotated[int, Field(description="recipients with the same email twice")]
    restored: Annotated[bool, Field(description="whether the database was restored, and may not know what was sent")]

    @classmethod
    def of(cls, report: Report) -> "AuditAnswer":
        """Return the audit of one run."""
        (run,) = report.runs
        names = ("planned", "emails", "waiting", "difference")
        facts = {name: getattr(run, name) for name in names}
        return cls.model_validate(facts | {"ok": report.ok, "twice": report.twice, "restored": report.restored})

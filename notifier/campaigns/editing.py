"""Create and edit campaigns: everything is checked before anything is stored."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.audience import Audience, AudienceError, Kinds, lines_of
from notifier.audience.occasions import campaign_kind
from notifier.campaigns.broken_texts import broken_texts
from notifier.campaigns.content_versions import has_content
from notifier.campaigns.errors import Changed, Invalid
from notifier.campaigns.runs import Planned, add_runs, changed
from notifier.campaigns.slots import ready_at, schedule_of
from notifier.emails.campaign_kind import Reaches
from notifier.models import Campaign, CampaignState, Misfire, OnUnknown, RunState
from notifier.scheduling import periods
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.schedule import Firing, Schedule, check

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")

#: The fields that decide when a campaign is due.
SCHEDULE = ("cron", "every", "once_at", "zone", "recipient_local", "start_at", "end_at")


def _slug(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError("write lower-case letters, digits and single hyphens, beginning with a letter")
    return name


def _hours(text: str) -> str:
    periods.hours(text)
    return text


class Draft(BaseModel):
    """The fields that people may write, named as the columns."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=64), AfterValidator(_slug)]
    title: str = Field("", max_length=200)
    kind: str
    cron: str | None = None
    every: int | None = None
    once_at: AwareDatetime | None = None
    zone: str = "UTC"
    recipient_local: bool = False
    start_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    misfire: Misfire = Misfire.run_late
    #: Seconds.
    misfire_within: int | None = Field(None, ge=1)
    coalesce: bool = True
    audience: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    rate: float | None = Field(None, gt=0)
    on_unknown: OnUnknown = OnUnknown.never
    #: Seconds.
    lifetime: int | None = Field(None, ge=60)
    quiet_from: Annotated[str, AfterValidator(_hours)] | None = None
    quiet_to: Annotated[str, AfterValidator(_hours)] | None = None
    capped: bool = True


FIELDS = frozenset(Draft.model_fields)


def create(
    session: Session,
    values: Mapping[str, Any],
    kinds: Kinds,
    *,
    now: datetime,
    state: CampaignState = CampaignState.active,
    paused_reason: str | None = None,
) -> Campaign:
    """Add a campaign; its first slot is after `now`. The caller commits. Raise Invalid."""
    columns = _checked(values, kinds, now)
    campaign = Campaign(**columns, state=state.value, paused_reason=paused_reason, created_at=now, updated_at=now)
    _wait_for(campaign, _next(schedule_of(campaign, kinds), columns, now))
    try:
        with session.begin_nested():
            session.add(campaign)
    except IntegrityError:
        raise Invalid([("name", f"there is a campaign {columns['name']!r} already")]) from None
    return campaign


def edit(
    session: Session, name: str, values: Mapping[str, Any], kinds: Kinds, *, version: int | None, now: datetime
) -> Campaign:
    """Change the fields in `values` from the next tick on. The caller commits.

    Texts of emails are not fields: they are content and have versions (`content_versions.save`). `version` is the one
    that the operator saw; None: any. Raise Changed if another operator was first, or Invalid.
    """
    campaign = session.scalars(
        select(Campaign).where(Campaign.name == name).execution_options(populate_existing=True)
    ).one_or_none()
    if campaign is None:
        raise Invalid([("name", f"there is no campaign {name!r}")])
    seen = campaign.version if version is None else version
    columns = _checked(written(campaign) | dict(values), kinds, now, created_at=campaign.created_at)
    _keep_content(campaign, columns, kinds)
    edited = Campaign(**columns, id=campaign.id, created_at=campaign.created_at)
    if any(columns[field] != getattr(campaign, field) for field in SCHEDULE) or _is_ready_at_another_time(
        campaign, edited, kinds
    ):
        _keep_overdue(session, campaign, kinds, now)
        following = _next(schedule_of(edited, kinds), columns, now)
        columns |= {"next_slot": following and following.slot, "next_run_at": following and following.run_at}
    ours = (Campaign.id == campaign.id, Campaign.version == seen)
    columns |= {"version": seen + 1, "updated_at": now}
    if changed(session, update(Campaign).where(*ours).values(**columns)) != 1:
        session.refresh(campaign)
        raise Changed(
            f"{name} was changed by another operator meanwhile: you saw version {seen}, now it is {campaign.version} "
            f"of {campaign.updated_at:%Y-%m-%d %H:%M} UTC. Look at it again, then change it."
        )
    session.refresh(campaign)
    return campaign


def _keep_content(campaign: Campaign, columns: Mapping[str, Any], kinds: Kinds) -> None:
    """Raise Invalid for settings that would change texts without making a version of the content."""
    kind = campaign_kind(kinds, columns["kind"])
    before, after = campaign.settings, columns["settings"]
    changed_ = [name for name in sorted(kind.text_settings) if before.get(name) != after.get(name)]
    if changed_ and campaign.kind == kind.name and has_content(campaign, kind):
        raise Invalid([(f"settings.{name}", "is content, which has versions: edit the content") for name in changed_])


def draft(values: Mapping[str, Any], kinds: Kinds, *, now: datetime, like: Campaign | None = None) -> Campaign:
    """Return the campaign that these values describe, or that they make of `like`. It is never stored.

    Pages count and show by it. Raise Invalid.
    """
    created_at = now if like is None else like.created_at
    columns = _checked(values, kinds, now, created_at=created_at)
    return Campaign(**columns, id=0 if like is None else like.id, created_at=created_at)


def written(campaign: Campaign) -> dict[str, Any]:
    """Return its fields by the names that `create` and `edit` take."""
    return {field: getattr(campaign, field) for field in FIELDS}


def _checked(
    values: Mapping[str, Any], kinds: Kinds, now: datetime, *, created_at: datetime | None = None
) -> dict[str, Any]:
    """Return the columns. Raise Invalid with every mistake."""
    try:
        draft = Draft.model_validate(dict(values))
    except ValidationError as error:
        found = [_problem(line) for line in lines_of(error)]
        told = {field.partition(".")[0] for field, _ in found}
        # Report all mistakes at once: one mistake does not hide the others.
        others = [*broken_texts(values), *_kind_problems(values, kinds)]
        found += [each for each in others if each[0].partition(".")[0] not in told]
        raise Invalid(found) from None
    problems = [*broken_texts(values), *_kind_problems(draft.model_dump(), kinds), *_policy_problems(draft)]
    columns = draft.model_dump(mode="python")
    try:
        schedule = check(**{field: columns[field] for field in SCHEDULE}, anchor=created_at or now)
        columns["cron"] = schedule.cron
    except ScheduleError as error:
        problems.append((error.field, str(error)))
    if problems:
        raise Invalid(problems)
    return columns | {
        "title": draft.title or draft.name,
        "misfire": draft.misfire.value,
        "on_unknown": draft.on_unknown.value,
        "audience": Audience.model_validate(draft.audience).model_dump(mode="json", exclude_defaults=True),
        "settings": campaign_kind(kinds, draft.kind)
        .Settings.model_validate(draft.settings)
        .model_dump(mode="json", exclude_unset=True),
    }


def _kind_problems(values: Mapping[str, Any], kinds: Kinds) -> list[tuple[str, str]]:
    problems = []
    try:
        kind = campaign_kind(kinds, str(values.get("kind")))
    except AudienceError as error:
        return [_problem(str(error))]
    for field, model in (("audience", Audience), ("settings", kind.Settings)):
        try:
            model.model_validate(values.get(field) or {})
        except ValidationError as error:
            problems += [_problem(line) for line in lines_of(error, field)]
    chosen = (values.get("audience") or {}).get("verified")
    if kind.reaches is Reaches.unconfirmed and chosen in (True, "any"):
        words = f"{kind.name} only goes to accounts that are not confirmed, so leave this out"
        problems.append(("audience.verified", words))
    return problems


def _policy_problems(draft: Draft) -> list[tuple[str, str]]:
    problems = []
    if (draft.misfire is Misfire.within) is not (draft.misfire_within is not None):
        problems.append(("misfire_within", "is needed with the policy 'within', and with that one only"))
    if (draft.quiet_from is None) is not (draft.quiet_to is None):
        problems.append(("quiet_to", "quiet hours need both, quiet_from and quiet_to"))
    return problems


def _problem(line: str) -> tuple[str, str]:
    field, _, words = line.partition(": ")
    return field, words


def _next(schedule: Schedule, columns: Mapping[str, Any], now: datetime) -> Firing | None:
    """Return the first slot on which a tick can still act in time."""
    following = next((firing for firing in schedule.firings(now) if firing.run_at > now), None)
    if following is None and (columns["cron"] or columns["every"] or columns["once_at"]):
        field = "once_at" if columns["once_at"] else "end_at"
        raise Invalid([(field, "nothing is due any more: all of it is past")])
    return following


def _wait_for(campaign: Campaign, following: Firing | None) -> None:
    campaign.next_slot = following.slot if following else None
    campaign.next_run_at = following.run_at if following else None


def _is_ready_at_another_time(campaign: Campaign, edited: Campaign, kinds: Kinds) -> bool:
    """Return whether the edit changes when the next slot may be expanded."""
    slot, before, after = campaign.next_slot, ready_at(campaign, kinds), ready_at(edited, kinds)
    return slot is not None and (before and before(slot)) != (after and after(slot))


def _keep_overdue(session: Session, campaign: Campaign, kinds: Kinds, now: datetime) -> None:
    """Record a slot that is due, and that no tick saw before the schedule changed, as a missed run."""
    if campaign.next_slot and campaign.next_run_at and campaign.next_run_at <= now:
        missed = Planned(campaign.next_slot, RunState.missed, "the schedule was changed before it ran")
        add_runs(session, campaign, [missed], kinds, now)

"""Create and edit campaigns: everything is checked before anything is stored."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.audience import Audience, Kinds, UnknownKind, lines_of
from notifier.campaigns.content_versions import has_content
from notifier.campaigns.errors import Changed, Invalid
from notifier.campaigns.lookup import free_name
from notifier.campaigns.placeholders import placeholders
from notifier.campaigns.runs import keep_overdue
from notifier.campaigns.slots import ready_alike, schedule_of
from notifier.campaigns.unshowable import unshowable
from notifier.emails.campaign_kind import CampaignKind, Reaches
from notifier.models import Campaign, CampaignState, Misfire, OnUnknown
from notifier.scheduling import periods
from notifier.scheduling import schedule as schedules
from notifier.scheduling.errors import ScheduleError
from notifier.scheduling.schedule import Schedule

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


@dataclass(frozen=True, slots=True)
class Checked:
    """A campaign as it would be stored: all of it can be."""

    kind: CampaignKind
    #: By the names of the columns.
    columns: Mapping[str, Any]
    #: None: it is the one that is stored.
    schedule: Schedule | None
    #: What it was checked as a change of; None: it is new.
    like: Campaign | None

    def draft(self, now: datetime) -> Campaign:
        """Return the campaign that it would be: for counting and looking, never stored."""
        pk, created_at = (0, now) if self.like is None else (self.like.id, self.like.created_at)
        return Campaign(**self.columns, id=pk, created_at=created_at)


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
    return add(session, check(values, kinds, now=now), kinds, now=now, state=state, paused_reason=paused_reason)


def add(
    session: Session,
    checked: Checked,
    kinds: Kinds,
    *,
    now: datetime,
    state: CampaignState = CampaignState.active,
    paused_reason: str | None = None,
) -> Campaign:
    """Add what was checked, as `create` does."""
    columns = checked.columns
    campaign = Campaign(**columns, state=state.value, paused_reason=paused_reason, created_at=now, updated_at=now)
    following = _next(campaign, checked, kinds, now)
    campaign.next_slot, campaign.next_run_at = following or (None, None)
    try:
        with session.begin_nested():
            session.add(campaign)
    except IntegrityError:
        free = free_name(session, columns["name"])
        raise Invalid([("name", f"there is a campaign {columns['name']!r} already; {free!r} is free")]) from None
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
    checked = check(written(campaign) | dict(values), kinds, now=now, like=campaign)
    return change(session, campaign, checked, kinds, version=version, now=now)


def change(
    session: Session, campaign: Campaign, checked: Checked, kinds: Kinds, *, version: int | None, now: datetime
) -> Campaign:
    """Store what was checked as a change of this campaign, as `edit` does."""
    seen = campaign.version if version is None else version
    columns = dict(checked.columns)
    _keep_content(campaign, checked)
    later = _waits(checked.kind) and not ready_alike(campaign, checked.draft(now), kinds)
    if checked.schedule is not None or later:
        if campaign.next_run_at and campaign.next_run_at <= now:
            keep_overdue(session, campaign, kinds, now)
        columns["next_slot"], columns["next_run_at"] = _next(checked.draft(now), checked, kinds, now) or (None, None)
    columns |= {"version": seen + 1, "updated_at": now}
    ours = (Campaign.id == campaign.id, Campaign.version == seen)
    statement = update(Campaign).where(*ours).values(**columns).execution_options(synchronize_session=False)
    missed = cast("CursorResult[Any]", session.execute(statement)).rowcount != 1
    session.refresh(campaign)
    if missed:
        raise Changed(
            f"{campaign.name} was changed by another operator meanwhile: you saw version {seen}, now it is "
            f"{campaign.version} of {campaign.updated_at:%Y-%m-%d %H:%M} UTC. Look at it again, then change it."
        )
    return campaign


def _keep_content(campaign: Campaign, checked: Checked) -> None:
    """Raise Invalid for settings that would change texts without making a version of the content."""
    kind, before, after = checked.kind, campaign.settings, checked.columns["settings"]
    changed_ = [name for name in sorted(kind.text_settings) if before.get(name) != after.get(name)]
    if changed_ and campaign.kind == kind.name and has_content(campaign, kind):
        raise Invalid([(f"settings.{name}", "is content, which has versions: edit the content") for name in changed_])


def written(campaign: Campaign) -> dict[str, Any]:
    """Return its fields by the names that `create` and `edit` take."""
    return {field: getattr(campaign, field) for field in FIELDS}


def check(values: Mapping[str, Any], kinds: Kinds, *, now: datetime, like: Campaign | None = None) -> Checked:
    """Check these values for a new campaign, or as a change of `like`. Raise Invalid with everything that is wrong.

    A part of `like` (its schedule, audience, settings) that stays as it is was checked when it was stored.
    """
    before = {} if like is None or like.kind != values.get("kind") else written(like)
    new = {name: value for name, value in values.items() if name not in before or before[name] != value}
    draft, problems = None, []
    try:
        draft = Draft.model_validate(dict(values))
        problems += _policy_problems(draft)
    except ValidationError as error:
        problems += [_problem(line) for line in lines_of(error)]
    if not all(_is_plain(name) and _is_plain(value) for name, value in new.items()):
        problems += unshowable(new)
    told = {field.partition(".")[0] for field, _ in problems}
    kind, parts, found = _parts(values, new, before, kinds)
    columns = dict(values) if draft is None else draft.model_dump(mode="python") | parts
    schedule = None
    if (not before or new.keys() & set(SCHEDULE)) and not told & set(SCHEDULE):
        try:
            schedule = _schedule(columns, anchor=now if like is None else like.created_at)
        except ScheduleError as error:
            found.append((error.field, str(error)))
    # Report all mistakes at once: one mistake does not hide the others.
    problems += [each for each in found if each[0].partition(".")[0] not in told]
    if problems or draft is None or kind is None:
        raise Invalid(problems)
    plain: dict[str, Any] = {
        "title": draft.title or draft.name, "misfire": draft.misfire.value, "on_unknown": draft.on_unknown.value
    }  # fmt: skip
    if schedule is not None:
        plain["cron"] = schedule.cron
    return Checked(kind, columns | plain, schedule, like)


def _is_plain(value: object) -> bool:
    """Return whether it is a number, a moment or printable ASCII: nothing in these is unshowable."""
    if isinstance(value, str):
        return value.isascii() and value.isprintable()
    return not isinstance(value, Mapping | list | tuple)


def _schedule(columns: Mapping[str, Any], anchor: datetime) -> Schedule:
    return schedules.check(**{field: columns[field] for field in SCHEDULE if field in columns}, anchor=anchor)


def _parts(
    values: Mapping[str, Any], new: Mapping[str, Any], before: Mapping[str, Any], kinds: Kinds
) -> tuple[CampaignKind | None, dict[str, Any], list[tuple[str, str]]]:
    """Return the kind, the columns that its models make of audience and settings, and what is wrong with them."""
    kind = kinds.get(str(values.get("kind")))
    if not isinstance(kind, CampaignKind):
        return None, {}, [_problem(str(UnknownKind.of(str(values.get("kind")), kinds)))]
    columns: dict[str, Any] = {}
    problems = []
    # People leave out what is as usual: of the audience what says nothing, of the settings what they did not write.
    parts: tuple[tuple[str, type[BaseModel], dict[str, Any]], ...] = (
        ("audience", Audience, {"exclude_defaults": True}), ("settings", kind.Settings, {"exclude_unset": True}),
    )  # fmt: skip
    for field, model, how in parts:
        if field in before and field not in new:
            columns[field] = before[field]
            continue
        try:
            columns[field] = model.model_validate(values.get(field) or {}).model_dump(mode="json", **how)
        except ValidationError as error:
            problems += [_problem(line) for line in lines_of(error, field)]
    if isinstance(texts := new.get("settings"), Mapping):
        problems += placeholders(texts, kind.text_settings, before.get("settings") or {})
    chosen = (new.get("audience") or {}).get("verified")
    if kind.reaches is Reaches.unconfirmed and chosen in (True, "any"):
        words = f"{kind.name} only goes to accounts that are not confirmed, so leave this out"
        problems.append(("audience.verified", words))
    return kind, columns, problems


def _policy_problems(draft: Draft) -> list[tuple[str, str]]:
    problems = []
    if (draft.misfire is Misfire.within) is not (draft.misfire_within is not None):
        problems.append(("misfire_within", "is needed with the policy 'within', and with that one only"))
    if (draft.quiet_from is None) is not (draft.quiet_to is None):
        problems.append(("quiet_to", "Quiet from and quiet until belong together: fill in both or neither."))
    return problems


def _problem(line: str) -> tuple[str, str]:
    field, _, words = line.partition(": ")
    return field, words


def _next(campaign: Campaign, checked: Checked, kinds: Kinds, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the first slot on which a tick can still act in time, and when it acts. Raise Invalid if all are past."""
    schedule = checked.schedule
    if schedule is None or _waits(checked.kind):
        schedule = schedule_of(campaign, kinds)
    following = next((firing for firing in schedule.firings(now) if firing.run_at > now), None)
    if following is not None:
        return following.slot, following.run_at
    if not schedule.is_manual:
        raise Invalid([("once_at" if schedule.once_at else "end_at", "nothing is due any more: all of it is past")])
    return None


def _waits(kind: CampaignKind) -> bool:
    """Return whether its emails are about something that must have happened: no other kind is asked about slots."""
    return type(kind).ready_at is not CampaignKind.ready_at

"""Versions of a campaign's content: they only ever grow, one of them counts, and each belongs to an edition."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier.audience import AudienceError, Kinds
from notifier.audience.occasions import campaign_kind, settings_of
from notifier.campaigns.errors import CampaignError, Changed, Invalid
from notifier.campaigns.placeholders import placeholders
from notifier.campaigns.runs import changed
from notifier.content import Checked, Content
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import offered
from notifier.models import Campaign, ContentVersion, Operator
from notifier.operators import audit_log
from notifier.operators.audit_log import COMMAND_LINE, Actor

#: Newest versions shown in a list.
SHOWN = 200


class ContentChange(enum.StrEnum):
    """The meaning of new content for people who have the version before it."""

    #: The same email, corrected: they get nothing more.
    correction = "correction"
    #: Another email: the next edition, which the whole audience gets.
    new_message = "new_message"


@dataclass(frozen=True, slots=True)
class Version:
    """One version, for people."""

    id: int
    number: int
    edition: int
    #: The address of an operator, empty if they were deleted; else the name in the audit log.
    author: str
    note: str
    created_at: datetime


def kind_of(campaign: Campaign, kinds: Kinds) -> CampaignKind:
    """Return the campaign's kind. Raise CampaignError if this version of the program has no such kind."""
    try:
        return campaign_kind(kinds, campaign.kind)
    except AudienceError as error:
        raise CampaignError(str(error)) from None


def begin_with(campaign: Campaign, kinds: Kinds) -> Content:
    """Return the content that a campaign has until it is edited. Raise CampaignError if its row cannot be read."""
    kind = kind_of(campaign, kinds)
    try:
        return kind.content(settings_of(campaign, kind))
    except AudienceError as error:
        raise CampaignError(f"{campaign.name} cannot be read: {error}") from None


def written(row: ContentVersion) -> Content:
    """Return the content of a version."""
    return Content(row.subject, row.heading, row.body, row.language)


def version(session: Session, campaign: Campaign, number: int) -> ContentVersion | None:
    """Return the version with this number; None if there is none."""
    mine = (ContentVersion.campaign_id == campaign.id, ContentVersion.number == number)
    return session.scalars(select(ContentVersion).where(*mine)).one_or_none()


def current(session: Session, campaign: Campaign) -> ContentVersion | None:
    """Return the version that counts. None: the default texts of its kind."""
    return session.get(ContentVersion, campaign.content_id) if campaign.content_id else None


def now_said(session: Session, campaign: Campaign, kinds: Kinds) -> Content:
    """Return the content that counts. Raise CampaignError if the campaign's row cannot be read."""
    row = current(session, campaign)
    return begin_with(campaign, kinds) if row is None else written(row)


def numbers(session: Session, campaign: Campaign) -> dict[int | None, int]:
    """Return the numbers of its versions by key. The key None, its original content, has the number 0."""
    mine = select(ContentVersion.id, ContentVersion.number).where(ContentVersion.campaign_id == campaign.id)
    found: dict[int | None, int] = {None: 0}
    for pk, number in session.execute(mine):
        found[pk] = number
    return found


def versions(session: Session, campaign: Campaign) -> list[Version]:
    """Return its versions, newest first: who wrote each, when and why."""
    mine = _versions().where(ContentVersion.campaign_id == campaign.id)
    return [Version(*row) for row in session.execute(mine.order_by(ContentVersion.number.desc()).limit(SHOWN))]


def counting(session: Session) -> dict[int, Version]:
    """Return the version that counts, by the key of its campaign, for campaigns whose content was edited."""
    used = _versions().join(Campaign, Campaign.content_id == ContentVersion.id).add_columns(Campaign.id)
    return {campaign_id: Version(*rest) for *rest, campaign_id in session.execute(used)}


def _versions() -> Select[int, int, int, str, str, datetime]:
    w = ContentVersion
    author = case((w.author_id.is_(None), w.author), else_=func.coalesce(Operator.email, ""))
    columns = (w.id, w.number, w.edition, author, w.note, w.created_at)
    return select(*columns).outerjoin(Operator, Operator.id == w.author_id)


def check(content: Content, kind: CampaignKind) -> Checked:
    """Check content against what this kind of email offers. Raise ContentError with the line."""
    checked = Checked(content, offered(kind), has_data=kind.has_data)
    checked.check_length()
    return checked


def has_content(campaign: Campaign, kind: CampaignKind) -> bool:
    """Return whether there is content to edit: a version, or readable texts in its settings."""
    if campaign.content_id is not None:
        return True
    try:
        settings_of(campaign, kind)
    except AudienceError:
        return False
    return True


def rewritten(session: Session, campaign: Campaign, changes: Mapping[str, Any], kinds: Kinds) -> Content:
    """Return the content that counts with these plain texts put into it. Raise Invalid or CampaignError."""
    kind = kind_of(campaign, kinds)
    if problems := placeholders(changes, kind.text_settings, {}):
        raise Invalid(problems)
    try:
        return kind.rewritten(now_said(session, campaign, kinds), changes)
    except CampaignError:
        raise
    except ValueError as error:
        field, _, words = str(error).partition(": ")
        raise Invalid([(f"settings.{field}", words)]) from None


def save(
    session: Session,
    campaign: Campaign,
    content: Content,
    kinds: Kinds,
    *,
    seen: int,
    by: Actor,
    note: str,
    now: datetime,
    change: ContentChange = ContentChange.correction,
) -> ContentVersion:
    """Add a version; it counts from the next run on. The caller commits.

    `seen`: the key of the version that the operator edited, 0 for the default texts. Raise ContentError, CampaignError
    for a new message of a kind without editions, or Changed if another operator saved first; then the caller rolls
    back.
    """
    kind = kind_of(campaign, kinds)
    check(content, kind)
    edition = _edition(campaign, kind, change)
    before = current(session, campaign)
    number = session.scalar(
        select(func.coalesce(func.max(ContentVersion.number), 0) + 1).where(ContentVersion.campaign_id == campaign.id)
    )
    row = ContentVersion(
        campaign_id=campaign.id, number=number, subject=content.subject, heading=content.heading, body=content.body,
        language=content.language, edition=edition, author_id=by.operator_id, author=by.name, note=note,
        created_at=now,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise _somebody(session, campaign) from None
    _count(session, campaign, row.id, edition, seen=seen)
    _record(session, by, "content.saved", campaign, before, row, note, change)
    return row


def drop(
    session: Session,
    campaign: Campaign,
    kinds: Kinds,
    *,
    seen: int,
    by: Actor,
    change: ContentChange = ContentChange.correction,
) -> None:
    """Let the default texts of its kind count again, and keep the versions. The caller commits. Raise as `save`."""
    edition = _edition(campaign, kind_of(campaign, kinds), change)
    before = current(session, campaign)
    _count(session, campaign, None, edition, seen=seen)
    _record(session, by, "content.dropped", campaign, before, None, "", change)


def _edition(campaign: Campaign, kind: CampaignKind, change: ContentChange) -> int:
    if change is ContentChange.correction:
        return campaign.edition
    if not kind.editions:
        raise CampaignError(
            f"{campaign.name} has no editions: each period or step is an email of its own. Save it as a correction."
        )
    return campaign.edition + 1


def _count(session: Session, campaign: Campaign, content_id: int | None, edition: int, *, seen: int) -> None:
    ours = (
        Campaign.id == campaign.id,
        func.coalesce(Campaign.content_id, 0) == seen,
        Campaign.edition == campaign.edition,
    )
    if changed(session, update(Campaign).where(*ours).values(content_id=content_id, edition=edition)) != 1:
        raise _somebody(session, campaign)
    session.refresh(campaign, ["content_id", "edition"])


def _somebody(session: Session, campaign: Campaign) -> Changed:
    session.refresh(campaign, ["content_id", "edition"])
    row = current(session, campaign)
    if row is None:
        return Changed("Another operator restored the default text meanwhile.")
    saved = Version(*session.execute(_versions().where(ContentVersion.id == row.id)).one())
    author = "A command" if saved.author == COMMAND_LINE.name else saved.author or "Another operator"
    return Changed(f"{author} saved version {row.number} meanwhile, at {row.created_at:%H:%M} UTC.")


def _record(
    session: Session,
    by: Actor,
    action: str,
    campaign: Campaign,
    before: ContentVersion | None,
    after: ContentVersion | None,
    note: str,
    change: ContentChange,
) -> None:
    def plain(row: ContentVersion | None) -> dict[str, object]:
        if row is None:
            return {"version": "the default text"}
        return {
            "version": row.number,
            "subject": row.subject,
            "heading": row.heading,
            "body": row.body,
            "language": row.language,
        }

    values = plain(after) | {"change": change.value, "edition": campaign.edition} | ({"note": note} if note else {})
    audit_log.record(
        session, by, action, object_type="campaign", object_id=campaign.id, before=plain(before), after=values
    )

"""What the mails of a campaign say: versions that only ever grow, and which of them counts."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier import audit_log
from notifier.audience import AudienceError, Kinds
from notifier.audience.occasions import campaign_kind, settings_of
from notifier.audit_log import Actor
from notifier.campaigns.errors import CampaignError, Changed
from notifier.campaigns.runs import changed
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.wording import offered
from notifier.models import Campaign, CampaignWords, Operator
from notifier.words import Checked, Words

#: The newest versions, in a list.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Version:
    """One version, for people."""

    id: int
    number: int
    #: Empty where the operator is gone, or nobody signed in wrote it.
    author: str
    note: str
    created_at: datetime


def kind_of(campaign: Campaign, kinds: Kinds) -> CampaignKind:
    """Its kind. Raises CampaignError where this version of the program has no such kind."""
    try:
        return campaign_kind(kinds, campaign.kind)
    except AudienceError as error:
        raise CampaignError(str(error)) from None


def begin_with(campaign: Campaign, kinds: Kinds) -> Words:
    """What its mails say while nobody has edited them. Raises CampaignError where its row cannot be read."""
    kind = kind_of(campaign, kinds)
    try:
        return kind.words(settings_of(campaign, kind))
    except AudienceError as error:
        raise CampaignError(f"{campaign.name} cannot be read: {error}") from None


def written(row: CampaignWords) -> Words:
    """The words of a version."""
    return Words(row.subject, row.heading, row.body)


def version(session: Session, campaign: Campaign, number: int) -> CampaignWords | None:
    """The version with this number."""
    mine = (CampaignWords.campaign_id == campaign.id, CampaignWords.number == number)
    return session.scalars(select(CampaignWords).where(*mine)).one_or_none()


def current(session: Session, campaign: Campaign) -> CampaignWords | None:
    """The version that counts. None: the files of its kind."""
    return session.get(CampaignWords, campaign.words_id) if campaign.words_id else None


def versions(session: Session, campaign: Campaign) -> list[Version]:
    """Its versions, newest first: who wrote each, when and why."""
    mine = _versions().where(CampaignWords.campaign_id == campaign.id)
    return [Version(*row) for row in session.execute(mine.order_by(CampaignWords.number.desc()).limit(SHOWN))]


def counting(session: Session) -> dict[int, Version]:
    """The version that counts, by the key of its campaign, where somebody has edited words."""
    used = _versions().join(Campaign, Campaign.words_id == CampaignWords.id).add_columns(Campaign.id)
    return {campaign_id: Version(*rest) for *rest, campaign_id in session.execute(used)}


def _versions() -> Select[int, int, str, str, datetime]:
    w = CampaignWords
    author = func.coalesce(Operator.email, "")
    return select(w.id, w.number, author, w.note, w.created_at).outerjoin(Operator, Operator.id == w.author_id)


def check(words: Words, kind: CampaignKind) -> Checked:
    """Hold words against what this kind of mail offers. Raises WordsError with the line."""
    return Checked(words, offered(kind), content=kind.content)


def save(
    session: Session, campaign: Campaign, words: Words, kinds: Kinds, *, seen: int, by: Actor, note: str, now: datetime
) -> CampaignWords:
    """Add a version; it counts from the next run on. The caller commits.

    `seen`: the key of the version that the person began with, 0 for the files. Raises WordsError, and Changed where
    somebody else was first: then the caller rolls back.
    """
    check(words, kind_of(campaign, kinds))
    before = current(session, campaign)
    number = session.scalar(
        select(func.coalesce(func.max(CampaignWords.number), 0) + 1).where(CampaignWords.campaign_id == campaign.id)
    )
    row = CampaignWords(
        campaign_id=campaign.id, number=number, subject=words.subject, heading=words.heading, body=words.body,
        author_id=by.operator_id, note=note, created_at=now,
    )  # fmt: skip
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        raise _somebody(session, campaign) from None
    _count(session, campaign, row.id, seen=seen)
    _record(session, by, "words.saved", campaign, before, row, note)
    return row


def drop(session: Session, campaign: Campaign, *, seen: int, by: Actor) -> None:
    """Let the files of its kind count again. The versions stay. The caller commits. Raises Changed."""
    before = current(session, campaign)
    _count(session, campaign, None, seen=seen)
    _record(session, by, "words.dropped", campaign, before, None, "")


def _count(session: Session, campaign: Campaign, words_id: int | None, *, seen: int) -> None:
    ours = (Campaign.id == campaign.id, func.coalesce(Campaign.words_id, 0) == seen)
    if changed(session, update(Campaign).where(*ours).values(words_id=words_id)) != 1:
        raise _somebody(session, campaign)
    session.refresh(campaign, ["words_id"])


def _somebody(session: Session, campaign: Campaign) -> Changed:
    session.refresh(campaign, ["words_id"])
    row = current(session, campaign)
    if row is None:
        return Changed("Somebody let the files of the mail count again meanwhile.")
    author = session.scalar(select(Operator.email).where(Operator.id == row.author_id)) or "Somebody"
    return Changed(f"{author} saved version {row.number} meanwhile, at {row.created_at:%H:%M} UTC.")


def _record(
    session: Session,
    by: Actor,
    action: str,
    campaign: Campaign,
    before: CampaignWords | None,
    after: CampaignWords | None,
    note: str,
) -> None:
    def plain(row: CampaignWords | None) -> dict[str, object]:
        if row is None:
            return {"version": "the files of the mail"}
        return {"version": row.number, "subject": row.subject, "heading": row.heading, "body": row.body}

    values = plain(after) | ({"note": note} if note else {})
    audit_log.record(
        session, by, action, object_type="campaign", object_id=campaign.id, before=plain(before), after=values
    )

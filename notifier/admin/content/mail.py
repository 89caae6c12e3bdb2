"""The emails that the content pages show and send."""

from dataclasses import replace

from flask import current_app
from sqlalchemy import select

from notifier import clock
from notifier.admin.kit import arguments, traces
from notifier.admin.kit.page import found
from notifier.campaigns import content_versions
from notifier.campaigns.content_held import Held, held
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.lookup import moment_of, occasion_at
from notifier.content import Content, language_of
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import EXAMPLES, Example
from notifier.explain.plan import as_claimed
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.message import Message
from notifier.models import Campaign, ContentVersion, User
from notifier.rendering.previews import PreviewError
from notifier.services import services


def kind_of(campaign: Campaign) -> CampaignKind:
    """Return the campaign's kind; answer with an explanation if there is none."""
    try:
        return content_versions.kind_of(campaign, services().kinds)
    except CampaignError as error:
        raise arguments.BadArgument(str(error)) from None


def counting(campaign: Campaign) -> Content:
    """Return the content that counts."""
    row = content_versions.current(db.session(), campaign)
    return files_of(campaign) if row is None else content_versions.written(row)


def files_of(campaign: Campaign) -> Content:
    """Return the content that a campaign has until it is edited; answer with an explanation if it cannot be read."""
    try:
        return content_versions.begin_with(campaign, services().kinds)
    except CampaignError as error:
        raise arguments.BadArgument(f"{error} Edit the campaign first.") from None


def holdings(campaign: Campaign) -> Held:
    """Return the versions that its emails have."""
    return held(db.session(), campaign, services().kinds)


def suggested(campaign: Campaign, content: Content) -> Content:
    """Add the campaign's language to content that names none, if the campaign is for one language only."""
    locales: list[str] = list((campaign.audience or {}).get("locales") or [])
    if content.language or len(locales) != 1:
        return content
    found = language_of("\n".join((content.subject, content.heading, content.body)), locales)
    return replace(content, language=found) if found == locales[0] else content


def version(campaign: Campaign, number: int) -> Content:
    """Return a version by its number, 0 for the default text; answer 404 if there is none."""
    if number == 0:
        return files_of(campaign)
    row: ContentVersion = found(content_versions.version(db.session(), campaign, number))
    return content_versions.written(row)


def message_of(campaign: Campaign, content: Content, person: str, example: Example = EXAMPLES[0]) -> Message:
    """Return the email as this person would get it; without a person, as this example would."""
    kind, session = kind_of(campaign), db.session()
    if not person:
        return services().drafts.example(kind, content, example)
    try:
        key = parse_address(person, **current_app.config["ADDRESSES"]).identity_key
    except AddressError as error:
        raise PreviewError(str(error)) from None
    user_id = session.scalar(select(User.id).where(User.identity_key == key))
    if user_id is None:
        raise PreviewError("No account has this address. Check it for typos.")
    traces.shown("preview", 1, pk=user_id, person=traces.about(key))
    now = clock.now()
    occasion = occasion_at(campaign, moment_of(campaign, "next", now, services().kinds).slot, services().kinds)
    return services().drafts.of(session, kind, as_claimed(session, occasion, user_id, now), content)

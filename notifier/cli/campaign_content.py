"""The commands' part for the content of a campaign: new versions, and their effect on waiting emails."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click
from flask import Flask

from notifier import clock
from notifier.audience import Kinds
from notifier.campaigns import content_versions
from notifier.campaigns.content_held import Held, held, named
from notifier.campaigns.content_versions import ContentChange
from notifier.campaigns.errors import CampaignError
from notifier.cli.showing import say
from notifier.content import Content, ContentError
from notifier.extensions import db
from notifier.models import Campaign, ContentVersion
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of

_CHANGE = {
    "--correction": (
        ContentChange.correction,
        "A correction of the same email: people who have it get nothing more. The default.",
    ),
    "--new-message": (
        ContentChange.new_message,
        "A new email: everyone gets it, including people who have the previous one.",
    ),
}


def content_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a command that changes content."""
    for name, (change, words) in _CHANGE.items():
        command = click.option(name, "change", flag_value=change.value, help=words)(command)
    command = click.option(
        "--language", help="Language of the content, such as en or he. Empty: detected from its letters."
    )(command)
    command = click.option("--note", default="", help="What changed and why, for colleagues.")(command)
    return move_option(command)


def move_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option that decides about waiting emails."""
    words = "Give the new version to waiting emails whose sending has not begun. By default, they keep theirs."
    return click.option("--move/--keep", "move", default=None, help=words)(command)


def edited(campaign: Campaign, texts: dict[str, Any], language: str | None, kinds: Kinds) -> Content | None:
    """Return the content with these settings in it, or None if it has them already."""
    session = db.session()
    before = content_versions.now_said(session, campaign, kinds)
    content = content_versions.rewritten(session, campaign, texts, kinds) if texts else before
    if language is not None:
        content = replace(content, language=language.strip())
    return None if content == before else content


def save(app: Flask, campaign: Campaign, content: Content, change: str | None, note: str) -> ContentVersion:
    """Add a version; on a terminal ask first what it is. The caller commits."""
    session, kinds = db.session(), services_of(app).kinds
    kind = content_versions.kind_of(campaign, kinds)
    if change is None and kind.editions and sys.stdin.isatty():
        tell(held(session, campaign, kinds), saving=True)
        choices = click.Choice(["correction", "new-message"])
        change = click.prompt("Is it a correction or a new message?", type=choices, default="correction")
    try:
        services_of(app).drafts.check(kind, content)
        return content_versions.save(
            session, campaign, content, kinds, seen=campaign.content_id or 0, by=COMMAND_LINE, note=note[:300],
            now=clock.now(), change=ContentChange((change or ContentChange.correction.value).replace("-", "_")),
        )  # fmt: skip
    except ContentError as error:
        raise CampaignError(str(error)) from None


def told(app: Flask, campaign: Campaign, row: ContentVersion, move: bool | None) -> None:
    """Describe the version that was saved, and move waiting emails if that was asked for. Call it after the commit."""
    found = held(db.session(), campaign, services_of(app).kinds)
    db.session.rollback()
    what = f"edition {row.edition}" if row.edition > 1 else "the first edition"
    say(f"{campaign.name} uses {named(row.number)}, of {what}, from the next run on.")
    tell(found)
    settle(app, campaign, found, move)


def settle(app: Flask, campaign: Campaign, found: Held, move: bool | None) -> None:
    """Move waiting emails if an option or the answer to a question says so; otherwise say how to do it."""
    if not found.is_behind:
        return
    if move is None and sys.stdin.isatty():
        move = click.confirm(f"Give waiting emails {named(found.current)}?", default=False)
    if move:
        moved = services_of(app).moving.move(found.runs, by=COMMAND_LINE)
        say(f"Moved to {named(found.current)}: {moved:,}.")
    elif move is None:
        say(f"They keep their version. To move them: notifier campaign move {campaign.name}")


def tell(found: Held, *, saving: bool = False) -> None:
    """Show the groups of waiting emails."""
    for sentence in found.sentences(saving=saving):
        say(f"  {sentence}")


def texts_named(pairs: Sequence[tuple[str, str, Any]], names: frozenset[str]) -> dict[str, Any]:
    """Return the settings among (field, key, value) that are content; None: take it away."""
    found: dict[str, Any] = {}
    for field, key, value in pairs:
        if field == "settings" and key in names:
            found[key] = value
        elif field == "settings" and not key and isinstance(value, dict):
            found |= {name: value[name] for name in value.keys() & names}
    return found

"""`notifier campaign show | create | edit | load`: campaigns as rows that operators edit."""

import tomllib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask

from notifier import audience, clock
from notifier.audience import Kinds
from notifier.campaigns import control
from notifier.campaigns.content_versions import has_content, kind_of
from notifier.campaigns.default_campaigns import DEFAULTS, load
from notifier.campaigns.editing import FIELDS, create, edit
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.overview import details, emails_in_words
from notifier.campaigns.slots import when
from notifier.cli import campaign_content
from notifier.cli.context import with_app
from notifier.cli.options import as_json_option
from notifier.cli.showing import say, show, tell
from notifier.database.transaction import read_only
from notifier.explain.plan_values import RATE_IGNORED
from notifier.extensions import db
from notifier.models import Campaign
from notifier.services import services_of

CHANGEABLE = FIELDS - {"name"}

P = ParamSpec("P")
R = TypeVar("R")


def plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Show the refusals of campaigns as they are: they are written for people."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except CampaignError as error:
            db.session.rollback()
            raise click.ClickException(str(error)) from None

    return wrapped


def which_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add the options that choose the scheduled time of a manual run."""
    options = (
        click.option("--now", "which", flag_value="now", help="Now, to everyone at once."),
        click.option(
            "--at-local-hour",
            "which",
            flag_value="at-local-hour",
            help="At the campaign's hour in each recipient's time zone, on the first day that allows it.",
        ),
        click.option("--newest", "which", flag_value="newest", help="For the newest scheduled time."),
    )
    for option in reversed(options):
        command = option(command)
    return command


set_option = click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="FIELD=VALUE",
    help="VALUE as TOML: --set cron='\"0 9 * * *\"' --set audience.verified=true. Empty: remove it. Repeatable.",
)


@click.command("show")
@click.argument("name")
@as_json_option
@with_app
@plainly
def show_(app: Flask, name: str, as_json: bool) -> None:
    """Show one campaign with its newest runs."""
    read_only()
    found = details(db.session(), control.find(db.session(), name), services_of(app).kinds)
    db.session.rollback()
    if as_json:
        tell(found, default=str)
        return
    show(("", ""), [(field, _shown(value)) for field, value in found["campaign"].items()])
    runs = [
        (
            str(row["id"]), row["for"], row["state"], str(row["planned"]), emails_in_words(row["emails"]),
            _shown(row["excluded"]), row["reason"],
        )
        for row in found["runs"]
    ]  # fmt: skip
    show(("run", "slot", "state", "planned", "emails", "excluded", "reason"), runs, title="runs, newest first")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    return "" if value is None else str(value)


@click.command("create")
@click.argument("name")
@click.option("--kind", required=True)
@set_option
@with_app
@plainly
def create_(app: Flask, name: str, kind: str, pairs: tuple[str, ...]) -> None:
    """Create the campaign NAME."""
    values = {"name": name, "kind": kind, **_merged({}, [_read(pair) for pair in pairs])}
    made = create(db.session(), values, services_of(app).kinds, now=clock.now())
    db.session.commit()
    say(f"{name} is {made.state}. {_when(app, made)}")
    _warn(app, made)


@click.command("edit")
@click.argument("name")
@set_option
@click.option("--version", type=int, help="The version that you edit; refuse if it is no longer the newest.")
@campaign_content.content_options
@with_app
@plainly
def edit_(
    app: Flask, name: str, pairs: tuple[str, ...], version: int | None, language: str | None,
    change: str | None, note: str, move: bool | None,
) -> None:  # fmt: skip
    """Change the campaign NAME, effective within 30 seconds. Changed texts become a new version of its content."""
    if not pairs and language is None:
        raise click.UsageError("Say what to change: --set FIELD=VALUE")
    found, kinds = control.find(db.session(), name), services_of(app).kinds
    read = [_read(pair) for pair in pairs]
    texts = _texts(found, read, kinds)
    values = _but(found, _merged({"audience": dict(found.audience), "settings": dict(found.settings)}, read), texts)
    row = None
    if texts or language is not None:
        words = campaign_content.edited(found, texts, language, kinds)
        row = None if words is None else campaign_content.save(app, found, words, change, note)
        if words is None:
            say(f"{name} has this content already: there is no new version.")
    if len(texts) < len(read):
        changed = edit(db.session(), name, values, kinds, version=version, now=clock.now())
        say(f"{name} is at version {changed.version}. {_when(app, changed)}")
        _warn(app, changed)
    db.session.commit()
    if row is not None:
        campaign_content.told(app, found, row, move)


def _texts(found: Campaign, read: list[tuple[str, str, Any]], kinds: Kinds) -> dict[str, Any]:
    """Return those changes that are content, if the campaign has content that can be edited."""
    kind = kind_of(found, kinds)
    return campaign_content.texts_named(read, kind.text_settings) if has_content(found, kind) else {}


def _but(found: Campaign, values: dict[str, Any], texts: dict[str, Any]) -> dict[str, Any]:
    """Return the values without these texts: the settings keep those that the campaign was created with."""
    settings = {name: value for name, value in (values.get("settings") or {}).items() if name not in texts}
    kept = {name: found.settings[name] for name in texts if name in found.settings}
    return values | {"settings": settings | kept}


def _warn(app: Flask, found: Campaign) -> None:
    kind = kind_of(found, services_of(app).kinds)
    if warning := audience.warning_of(kind, audience.Audience.model_validate(found.audience)):
        say(f"Warning: {warning}", err=True)
    if found.rate and services_of(app).limits is None:
        say(f"Warning: {RATE_IGNORED}", err=True)


def _when(app: Flask, found: Campaign) -> str:
    if found.next_slot is None:
        return "It has no upcoming run."
    return f"Next: {when(found, found.next_slot, services_of(app).kinds)}."


def _read(pair: str) -> tuple[str, str, Any]:
    """Return the field, the key in it (or an empty string) and the value that `--set` names."""
    path, equals, text = pair.partition("=")
    field, _, key = path.strip().partition(".")
    if not equals or field not in CHANGEABLE:
        raise click.UsageError(f"--set {pair}: write FIELD=VALUE; fields are {', '.join(sorted(CHANGEABLE))}")
    return field, key, _value(text)


def _merged(values: dict[str, Any], read: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """Return the fields that `--set` names; audience and settings one key at a time."""
    for field, key, value in read:
        if not key:
            values[field] = value
        elif value is None:
            values.setdefault(field, {}).pop(key, None)
        else:
            values.setdefault(field, {})[key] = value
    return values


def _value(text: str) -> Any:
    """Return the value as TOML, or the text as it is, so that quotes may be left out. Return None for an empty text."""
    if not text.strip():
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


@click.command("load")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=DEFAULTS)
@with_app
@plainly
def load_(app: Flask, path: Path) -> None:
    """Add the default campaigns that are missing. Existing ones are never overwritten."""
    loaded = load(db.session(), services_of(app).kinds, now=clock.now(), path=path)
    db.session.commit()
    say(f"Added: {', '.join(loaded.added) or 'none'}. Kept: {', '.join(loaded.kept) or 'none'}.")

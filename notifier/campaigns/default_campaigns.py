"""Load default campaigns from a file: add those that are missing and overwrite none."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.audience import Kinds
from notifier.campaigns.editing import create
from notifier.campaigns.errors import Invalid
from notifier.models import Campaign, CampaignState

DEFAULTS = Path(__file__).with_name("defaults.toml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The names of the campaigns that a load added, and of those that existed."""

    added: list[str]
    kept: list[str]


def load(
    session: Session, kinds: Kinds, *, now: datetime, path: Path = DEFAULTS, paused_reason: str | None = None
) -> Loaded:
    """Add the campaigns of this TOML file that are missing. `paused_reason`: create them all paused.

    The caller commits. Raise Invalid, with the campaign's name before each line, if the file is invalid.
    """
    there = set(session.scalars(select(Campaign.name)))
    loaded = Loaded([], [])
    for name, values in _read(path).items():
        if name in there:
            loaded.kept.append(name)
            continue
        reason = values.pop("paused", None) or paused_reason
        state = CampaignState.active if reason is None else CampaignState.paused
        try:
            create(session, {"name": name, **values}, kinds, now=now, state=state, paused_reason=reason)
        except Invalid as error:
            raise Invalid([(f"{name}.{field}", words) for field, words in error.problems]) from None
        loaded.added.append(name)
    return loaded


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        read = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Invalid([("", f"{path.name} cannot be read: {error}")]) from None
    wrong = [name for name, values in read.items() if not isinstance(values, dict)]
    if wrong:
        raise Invalid([(name, "each campaign is a table: [its-name]") for name in wrong])
    return read

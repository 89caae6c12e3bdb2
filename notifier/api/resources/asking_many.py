"""Ask for many emails, item by item, with a handful of statements."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from notifier.api.problems import Problem
from notifier.api.requests import Caller
from notifier.api.resources.asking import (
    Content,
    ask_for,
    checked,
    id_of,
    is_postgres,
    reason_against,
    refusal,
    wanted_of,
)
from notifier.api.resources.email_shapes import EmailItem
from notifier.entries import people, standing
from notifier.entries.sending import Asked
from notifier.models import Notification
from notifier.services import services


def ask_for_many(session: Session, caller: Caller, items: Mapping[int, EmailItem]) -> dict[int, Notification | Problem]:
    """Return the row of each email, or what is wrong with it, by its place. The caller commits.

    Postgres stores those to people who are here by one statement. The others, and all on SQLite, are asked for one by
    one: people who come along, keys of other requests that are still running, and keys that were used before with other
    content.
    """
    told = _at_once(session, caller, items) if is_postgres(session) else {}
    # In one order, so that two batches with the same keys rarely wait for each other.
    for index, item in sorted(items.items(), key=lambda each: each[1].key):
        if index in told:
            continue
        try:
            told[index] = ask_for(session, caller, item.key, item)
        except Problem as problem:
            told[index] = problem
    return told


def _at_once(session: Session, caller: Caller, items: Mapping[int, EmailItem]) -> dict[int, Notification | Problem]:
    """Return what becomes of those for which one statement is enough."""
    told: dict[int, Notification | Problem] = {}
    right: dict[int, Content] = {}
    for index, item in items.items():
        if not isinstance(item.to, str):
            continue
        try:
            right[index] = checked(caller, item)
        except Problem as problem:
            told[index] = problem
    ids, kinds = {id_of(items[index]) for index in right}, {about.kind for about in right.values()}
    found = standing.find_many(people.connection_of(session), ids, kinds) if ids else {}
    asked: dict[int, Asked] = {}
    for index, about in right.items():
        item, their = items[index], found.get(id_of(items[index]))
        if their is not None and refusal(their.person) is None:
            why = reason_against(item, their, about.kind)
            asked[index] = Asked(wanted_of(caller, item.key, item, about), their.person.id, why)
    rows = services().sending.write_many(session, list(asked.values())) if asked else []
    return told | {index: row for index, row in zip(asked, rows, strict=True) if row is not None}

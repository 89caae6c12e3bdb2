"""Traces: an operator who sees people's addresses leaves an entry in the audit log, one per page, not per row.

A view calls `shown(...)`; the page's base class writes the entry once the page is rendered. The same operator, page and
filter leave another entry only after AGAIN_AFTER. If SQLite is busy or the database is unreachable for longer than the
wait, the trace is a log line instead, so that reading stays possible.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import structlog
from flask import current_app, g, request
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.admin.kit import login
from notifier.database.outages import is_outage
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import AuditEntry
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor
from notifier.services import services

log = structlog.get_logger(__name__)

ACTION = "addresses.shown"

#: Time between two entries for the same page with the same filter.
AGAIN_AFTER = timedelta(minutes=10)

#: Query arguments that an entry may hold. Free text is not among them.
FILTERS = frozenset(
    {
        "id",
        "status",
        "kind",
        "campaign",
        "run",
        "before",
        "after",
        "page_size",
        "version",
        "for",
        "host",
        "operator",
        "reason",
        "provider",
    }
)

#: Fields in which people type an address.
ADDRESS_FIELDS = ("email", "person", "address", "q")

_KEY = "_notifier_traces"


@dataclass(frozen=True, slots=True)
class _Trace:
    what: str
    key: str
    count: int
    about: About | None
    filter: dict[str, str]


def about(identity_key: str) -> About:
    """Return the name by which an entry refers to this address."""
    return About.address(identity_key, keys())


def keys() -> list[str]:
    """Return SECRET_KEYS."""
    settings = services().settings
    return settings.secret_keys


def shown(
    what: str,
    count: int,
    *,
    pk: int | None = None,
    person: About | None = None,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Note that this page shows `count` addresses: a list named `what`, or those of the object `pk`.

    `person`: the person whose address it is; by default, the one that was searched for. `facts`: what else the entry
    says, such as the numbers of the people of a list; never an address.
    """
    person = person or searched()
    if not count and person is None:
        return
    filters = searched_by() | dict(facts)
    key = str(pk) if pk is not None else _digest(filters, person)
    g.setdefault(_KEY, []).append(_Trace(what, key, count, person, filters))


def searched() -> About | None:
    """Return the address typed into a field of this page; None if there is none, or it is invalid."""
    typed = next(filter(None, (request.values.get(name, "").strip() for name in ADDRESS_FIELDS)), "")
    identity_key = identity_of(typed)
    return None if identity_key is None else about(identity_key)


def identity_of(typed: str) -> str | None:
    """Return the identity key of typed text; None if it is no address."""
    try:
        return parse_address(typed, **current_app.config["ADDRESSES"]).identity_key
    except AddressError:
        return None


def searched_by() -> dict[str, str]:
    """Return the filters of this page that an entry may hold."""
    return {name: value for name, value in request.args.items() if name in FILTERS and value}


def store() -> None:
    """Write what this request has shown into the audit log. The current transaction is rolled back."""
    traces: list[_Trace] = g.pop(_KEY, [])
    by, now = login.actor(), clock.now()
    for trace in traces:
        try:
            if not _is_known(db.session(), trace, by):
                with writing(db.session) as session:
                    audit_log.record(
                        session, by, ACTION, object_type=trace.what, object_id=trace.key, about=trace.about,
                        after={"addresses": trace.count} | trace.filter,
                    )  # fmt: skip
        except (DBAPIError, PoolTimeoutError) as error:
            if not is_outage(error):
                raise
            log.warning(
                "audit.trace_not_stored", operator=by.name, page=trace.what, key=trace.key, at=now.isoformat(),
                addresses=trace.count, person=trace.about and trace.about.digest, filter=trace.filter,
            )  # fmt: skip


def _is_known(session: Session, trace: _Trace, by: Actor) -> bool:
    """Return whether a recent entry says this already."""
    query = select(AuditEntry.id).where(
        AuditEntry.object_type == trace.what,
        AuditEntry.object_id == trace.key,
        AuditEntry.action == ACTION,
        AuditEntry.operator_id == by.operator_id,
        AuditEntry.actor == by.name,
        AuditEntry.at > clock.now() - AGAIN_AFTER,
    )
    return session.scalar(query.order_by(AuditEntry.id.desc()).limit(1)) is not None


def _digest(filters: dict[str, str], person: About | None) -> str:
    """Return 16 characters that identify a filter of a list."""
    text = json.dumps([sorted(filters.items()), person and person.digest])
    return hashlib.sha256(text.encode()).hexdigest()[:16]

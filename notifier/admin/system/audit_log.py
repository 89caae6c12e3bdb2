"""Audit log: who changed what, and who saw whose address. No page changes an entry.

The log names operators by key and addresses by digest. This page joins the present addresses of operators, and finds
all entries about an address by its digest.
"""

from collections.abc import Sequence
from typing import Any

from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier.admin.kit import arguments, hosts_operators, traces
from notifier.admin.kit.exports import stream
from notifier.admin.kit.listing import by_key, link
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.models import AuditEntry, Operator, Role
from notifier.operators import audit_log

_COLUMNS = {
    "id": AuditEntry.id,
    "when": AuditEntry.at,
    "who": AuditEntry.actor,
    "operator's address": Operator.email,
    "from": AuditEntry.ip,
    "what": AuditEntry.action,
    "object": AuditEntry.object_type,
    "object id": AuditEntry.object_id,
    "about": AuditEntry.person_digest,
    "before": AuditEntry.before,
    "after": AuditEntry.after,
}


class AuditLog(Page):
    """The list of entries; it is read-only."""

    title = "Audit log"
    section = "System"
    slug = "audit"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest entries that match the filters."""
        action, kind, pk = arguments.text("action", 64), arguments.text("object", 32), arguments.text("object_id", 64)
        who, name, address = arguments.key("operator"), arguments.text("who", 64), arguments.text("address")
        wrong = ""
        query = select(AuditEntry)
        for column, value in (
            (AuditEntry.action, action),
            (AuditEntry.object_type, kind),
            (AuditEntry.object_id, pk),
            (AuditEntry.operator_id, who),
            (AuditEntry.actor, name),
        ):
            if value:
                query = query.where(column == value)
        if address:
            identity_key = traces.identity_of(address)
            wrong = (
                ""
                if identity_key
                else "This is not an email address. Enter the full address, such as name@example.com."
            )
            query = query.where(audit_log.is_about(identity_key or "", traces.keys()))
        listing = by_key(query, AuditEntry.id)
        page: str = self.render(
            "admin/audit_log.html",
            listing=listing,
            action=action,
            kind=kind,
            pk=pk,
            who=who,
            name=name,
            address=address,
            wrong=wrong,
            addresses=audit_log.addresses_of(db.session(), listing.rows),
            actions=audit_log.actions(db.session()),
            # None: the names of an embedding application's operators are typed.
            operators=None if hosts_operators.decide() else _operators(),
            export=link(before=None, after=None).replace("/audit/", "/audit/export.csv", 1),
        )
        return page

    @show("/export.csv", Role.admin)
    def export(self) -> ResponseReturnValue:
        """Export all entries."""
        query = select(AuditEntry).outerjoin(Operator, Operator.id == AuditEntry.operator_id)
        return stream("audit", query, AuditEntry.id, _COLUMNS, newest_first=True)


def _operators() -> Sequence[Any]:
    """Return key and address of each operator, as options of a field."""
    return db.session.execute(select(Operator.id, Operator.email).order_by(Operator.email)).all()

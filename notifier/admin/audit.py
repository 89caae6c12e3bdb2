"""Audit log: who changed what. Nothing here, or anywhere, changes an entry."""

from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier.admin import arguments
from notifier.admin.exports import stream
from notifier.admin.guard import Page, show
from notifier.admin.listing import by_key, link
from notifier.extensions import db
from notifier.models import AuditEntry, Operator, Role

_COLUMNS = {
    "id": AuditEntry.id,
    "when": AuditEntry.at,
    "who": AuditEntry.actor,
    "from": AuditEntry.ip,
    "what": AuditEntry.action,
    "object": AuditEntry.object_type,
    "object id": AuditEntry.object_id,
    "before": AuditEntry.before,
    "after": AuditEntry.after,
}


class AuditLog(Page):
    """Read-only."""

    title = "Audit log"
    section = "System"
    slug = "audit"

    @show()
    def index(self) -> ResponseReturnValue:
        """The newest that the filters leave."""
        action, kind, pk = arguments.text("action", 64), arguments.text("object", 32), arguments.text("object_id", 64)
        who = arguments.key("operator")
        query = select(AuditEntry)
        for column, value in (
            (AuditEntry.action, action),
            (AuditEntry.object_type, kind),
            (AuditEntry.object_id, pk),
            (AuditEntry.operator_id, who),
        ):
            if value:
                query = query.where(column == value)
        page: str = self.render(
            "admin/audit.html",
            listing=by_key(query, AuditEntry.id),
            action=action,
            kind=kind,
            pk=pk,
            who=who,
            # Distinct by the index: there are few, whatever the number of entries.
            actions=db.session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)).all(),
            operators=db.session.execute(select(Operator.id, Operator.email).order_by(Operator.email)).all(),
            export=link(before=None, after=None).replace("/audit/", "/audit/export.csv", 1),
        )
        return page

    @show("/export.csv", Role.admin)
    def export(self) -> ResponseReturnValue:
        """All of it."""
        return stream("audit", select(AuditEntry), AuditEntry.id, _COLUMNS, newest_first=True)

"""Notifications: any email of the ledger, found by exact filters and explained in full."""

from flask import Response, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import clock, ledger
from notifier.accounts.erasure import ERASED
from notifier.admin.kit import arguments, came_back, login, traces
from notifier.admin.kit.exports import stream
from notifier.admin.kit.listing import link
from notifier.admin.kit.page import Page, act, get, show
from notifier.admin.people.listed import beside
from notifier.admin.people.search import REASONS, Search
from notifier.bounces.reasons import SENTENCES, Reason
from notifier.consent import suppressions
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.mail.addresses import identity_of
from notifier.models import Attempt, Campaign, ContentVersion, Notification, Role, Status
from notifier.observability.by_provider import NAMES
from notifier.operators import audit_log
from notifier.operators.audit_log import About
from notifier.reasons import ReasonCode
from notifier.rendering.previews import Preview, PreviewError
from notifier.services import services

#: Policy of an email that is looked at: its own styles and embedded images. No script runs, no form is sent, nothing is
#: fetched.
MAIL_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)

_COLUMNS = {
    "id": Notification.id,
    "kind": Notification.kind,
    "recipient": Notification.recipient,
    "status": Notification.status,
    "reason": Notification.reason,
    "attempts": Notification.attempts,
    "owed": Notification.created_at,
    "sent": Notification.sent_at,
    "code": Notification.last_code,
    "text": Notification.last_text,
    "campaign": Notification.campaign_id,
    "run": Notification.run_id,
}

#: Decisions about an uncertain email, and the status that the row gets.
DECISIONS = {"again": Status.pending, "sent": Status.sent}


class Notifications(Page):
    """The ledger, for people."""

    title = "Notifications"
    section = "Find"
    slug = "notifications"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest emails that match the filters."""
        search = Search.from_address()
        if search.pk is not None and request.args.get("id"):
            get(Notification, search.pk)
            return redirect(url_for(".detail", pk=search.pk))
        listing = search.listing()
        traces.shown("notifications", len(listing.rows))
        page: str = self.render(
            "admin/notifications.html",
            search=search,
            listing=listing,
            statuses=[str(status) for status in Status],
            **beside(listing.rows),
            kinds=sorted(KINDS),
            reasons=[(reason, SENTENCES[Reason(reason)].removesuffix(".")) for reason in REASONS],
            providers=[(name, came_back.provider(name)) for name in NAMES],
            campaigns=db.session.execute(select(Campaign.id, Campaign.title).order_by(Campaign.title)).all(),
            export=link(before=None, after=None).replace("/notifications/", "/notifications/export.csv", 1),
        )
        return page

    @show("/export.csv", Role.editor)
    def export(self) -> ResponseReturnValue:
        """Export all emails that match the filters."""
        return stream("notifications", Search.from_address().query(), Notification.id, _COLUMNS, newest_first=True)

    @show("/<key:pk>/")
    def detail(self, pk: int) -> ResponseReturnValue:
        """Show one email: what happened to it, why, and what it looks like."""
        row: Notification = get(Notification, pk)
        attempts = db.session.scalars(
            select(Attempt).where(Attempt.notification_id == pk).order_by(Attempt.id).limit(200)
        ).all()
        campaign = db.session.get(Campaign, row.campaign_id) if row.campaign_id else None
        preview, trouble = _preview(row)
        _trace(row)
        page: str = self.render(
            "admin/notification.html",
            row=row,
            attempts=attempts,
            campaign=campaign,
            preview=preview,
            trouble=trouble,
            content=_content_version(row),
            is_exact=preview is not None and preview.template_version == row.template_version,
            came_back=came_back.of_email(pk),
            entries=audit_log.count_about(db.session(), "notification", pk),
            suppression=None
            if row.recipient == ERASED
            else suppressions.find(db.session(), identity_of(row.recipient)),
        )
        return page

    @show("/<key:pk>/mail")
    def mail(self, pk: int) -> ResponseReturnValue:
        """Return the email alone, for the frame."""
        row: Notification = get(Notification, pk)
        _trace(row)
        preview, trouble = _preview(row)
        answer = Response(preview.html if preview else f"<p>{trouble}</p>", mimetype="text/html")
        answer.headers["Content-Security-Policy"] = MAIL_CSP
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
        return answer

    @show("/<key:pk>/decide/<decision>", Role.editor)
    def ask(self, pk: int, decision: str) -> ResponseReturnValue:
        """Explain the decision and ask for confirmation."""
        row = get(Notification, pk)
        if decision not in DECISIONS or row.status != Status.unknown:
            flash("This email no longer needs a decision.", "warning")
            return redirect(url_for(".detail", pk=pk))
        _trace(row)
        page: str = self.render("admin/decide.html", row=row, decision=decision)
        return page

    @act("/<key:pk>/decide/<decision>", Role.editor)
    def decide(self, pk: int, decision: str) -> ResponseReturnValue:
        """Send an uncertain email again, or mark it as sent. If two operators decide, the first one counts."""
        row: Notification = get(Notification, pk)
        to = DECISIONS.get(decision)
        if to is None:
            raise arguments.BadArgument("There is no such decision.")
        by = login.actor()
        code = ReasonCode.decided_resend if to is Status.pending else ReasonCode.decided_sent
        moved = ledger.move(db.session(), pk, Status.unknown, to, now=clock.now(), code=code, operator=by.shown)
        if moved:
            audit_log.record(
                db.session(), by, "notification.decided", object_type="notification", object_id=pk,
                about=_about(row), before={"status": str(Status.unknown)}, after={"status": str(to)},
            )  # fmt: skip
        db.session.commit()
        said = "Decided. " + ("It is sent again within seconds." if to is Status.pending else "It is marked as sent.")
        flash(said if moved else "Another operator decided about this email first.",
              "success" if moved else "warning")  # fmt: skip
        return redirect(url_for(".detail", pk=pk), 303)


def _about(row: Notification) -> About | None:
    return None if row.recipient == ERASED else traces.about(identity_of(row.recipient))


def _trace(row: Notification) -> None:
    person = _about(row)
    traces.shown("notification", int(person is not None), pk=row.id, person=person)


def _preview(row: Notification) -> tuple[Preview | None, str]:
    """Return the email of this row, rebuilt from what is stored; or why it cannot be."""
    if row.recipient == ERASED:
        return None, "The person was erased, so their address and the data of this email are gone."
    try:
        return services().previews.of(db.session(), row.id), ""
    except PreviewError as error:
        return None, str(error)


def _content_version(row: Notification) -> str:
    """Return the version of its content, for people; empty for the template files of its kind."""
    found = db.session.get(ContentVersion, row.content_id) if row.content_id else None
    return "" if found is None else f"version {found.number} of its content"

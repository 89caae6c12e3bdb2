"""Unassigned: what came back and names no email of ours for certain. An operator names the email, or dismisses it."""

from datetime import UTC, datetime, timedelta

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select, text

from notifier import clock
from notifier.accounts.erasure import ERASED
from notifier.admin.kit import arguments, came_back, login, traces
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, act, get, show
from notifier.extensions import db
from notifier.feedback import tray
from notifier.mail.addresses import identity_of
from notifier.mail.message_ids import MAX_KEY, read
from notifier.models import IN_TRAY, Effect, Feedback, Notification, Role
from notifier.operators import audit_log
from notifier.operators.audit_log import About
from notifier.services import services

#: Emails to the claimed recipient that are offered.
OFFERED = 5
#: Days after which events may be dismissed together; 0: all.
AGES = (0, 1, 7, 14)

_TOO_LATE = "Another operator decided about this event first, or it is too old."


class Unassigned(Page):
    """The operators' tray. Nothing in it acts before a person decides."""

    title = "Unassigned"
    section = "Find"
    slug = "unassigned"

    def badge(self) -> str:
        """Return how many events wait, for the menu; empty if none does."""
        return came_back.waiting()

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the events that wait, newest first."""
        listing = by_key(select(Feedback).where(text(IN_TRAY)), Feedback.id)
        traces.shown("unassigned", sum(bool(row.recipient) for row in listing.rows))
        page: str = self.render("admin/unassigned.html", listing=listing, waiting=came_back.waiting())
        return page

    @show("/<key:pk>/assign", Role.editor)
    def ask_assign(self, pk: int) -> ResponseReturnValue:
        """Look for the email that the event is about, and show it before anything follows."""
        row: Feedback = get(Feedback, pk)
        if row.effect != Effect.waiting:
            flash(_TOO_LATE, "warning")
            return redirect(url_for(".index"))
        typed = arguments.text("which", 500)
        found, wrong = _find(typed)
        offered = tray.candidates(db.session(), identity_of(row.recipient), limit=OFFERED) if row.recipient else []
        _trace(row, found, *offered)
        page: str = self.render(
            "admin/unassigned_assign.html",
            row=row,
            typed=typed,
            wrong=wrong,
            found=found,
            doubts=_doubts(row, found) if found else [],
            foreseen=tray.foresee(db.session(), row, found.id) if found else None,
            offered=[] if found else offered,
        )
        return page

    @act("/<key:pk>/assign", Role.editor)
    def assign(self, pk: int) -> ResponseReturnValue:
        """Let the event take effect on the email that was shown. If two operators decide, the first one counts."""
        get(Feedback, pk)
        email, wrong = _find(arguments.field("email_no", 20))
        if email is None:
            raise arguments.BadArgument(wrong or "The form doesn't say which email it is. Open the page again.")
        about = None if email.recipient == ERASED else traces.about(identity_of(email.recipient))
        effect = tray.assign(db.session(), services().intake, pk, email.id)
        if effect is None:
            return _too_late()
        audit_log.record(
            db.session(), login.actor(), "feedback.assigned", object_type="feedback", object_id=pk, about=about,
            before={"effect": Effect.waiting.value}, after={"effect": effect.value, "notification": email.id},
        )  # fmt: skip
        db.session.commit()
        flash(f"Assigned to email #{email.id}. Its page shows what followed.", "success")
        return redirect(url_for("admin_notifications.detail", pk=email.id), 303)

    @show("/<key:pk>/dismiss", Role.editor)
    def ask_dismiss(self, pk: int) -> ResponseReturnValue:
        """Ask for confirmation."""
        row: Feedback = get(Feedback, pk)
        if row.effect != Effect.waiting:
            flash(_TOO_LATE, "warning")
            return redirect(url_for(".index"))
        _trace(row)
        page: str = self.render("admin/unassigned_dismiss.html", row=row)
        return page

    @act("/<key:pk>/dismiss", Role.editor)
    def dismiss(self, pk: int) -> ResponseReturnValue:
        """Let the event have no effect. This cannot be undone."""
        row: Feedback = get(Feedback, pk)
        about = _person(row)
        if not tray.dismiss(db.session(), pk):
            return _too_late()
        audit_log.record(
            db.session(), login.actor(), "feedback.dismissed", object_type="feedback", object_id=pk, about=about,
            before={"effect": Effect.waiting.value}, after={"effect": Effect.none.value},
        )  # fmt: skip
        db.session.commit()
        flash("Dismissed. Nothing follows from this event.", "success")
        return redirect(url_for(".index"), 303)

    @show("/dismiss-older", Role.editor)
    def ask_dismiss_older(self) -> ResponseReturnValue:
        """Show how many events are older than the chosen age."""
        days = arguments.number("days", AGES[2], AGES)
        before = clock.now() - timedelta(days=days)
        older = tray.count(db.session(), limit=MAX_KEY, before=before)
        page: str = self.render("admin/unassigned_older.html", days=days, ages=AGES, before=before, older=older)
        return page

    @act("/dismiss-older", Role.editor)
    def dismiss_older(self) -> ResponseReturnValue:
        """Dismiss the events that were counted; those that came since stay."""
        before = _moment(arguments.field("before", 40))
        if before is None:
            raise arguments.BadArgument("The form doesn't say which events to dismiss. Open the page again.")
        dismissed = tray.dismiss_older(db.session(), before)
        if dismissed:
            audit_log.record(
                db.session(), login.actor(), "feedback.dismissed_older", object_type="feedback",
                object_id="", after={"events": dismissed, "before": before.isoformat()},
            )  # fmt: skip
        db.session.commit()
        said = f"Dismissed: {dismissed:,} {'event' if dismissed == 1 else 'events'}."
        flash(said if dismissed else "Another operator decided first: none is left.",
              "success" if dismissed else "warning")  # fmt: skip
        return redirect(url_for(".index"), 303)


def _find(typed: str) -> tuple[Notification | None, str]:
    """Return the email with this number or Message-ID, or what is wrong with it."""
    if not typed:
        return None, ""
    named = read(typed)
    number = typed.removeprefix("#")
    if named is None and not (number.isascii() and number.isdecimal() and int(number) <= MAX_KEY):
        return None, "Enter the number of an email, such as 4711, or its Message-ID."
    email = db.session.get(Notification, named.pk if named else int(number))
    if email is None:
        return None, "There is no such email. Check the number."
    if named is not None and (stored := read(email.message_id or "")) is not None and stored.mac != named.mac:
        return None, f"Email #{email.id} has another Message-ID: this one was not made by us, or was changed."
    if email.status not in tray.MAY_HAVE_LEFT:
        return None, f"Email #{email.id} has not been sent ({email.status}), so nothing can have come back."
    return email, ""


def _doubts(row: Feedback, email: Notification) -> list[str]:
    """Return what speaks against this email, as sentences."""
    doubts = []
    if row.recipient and identity_of(row.recipient) != identity_of(email.recipient):
        doubts.append("The event names another address than this email's recipient.")
    if email.sent_at is not None and row.received_at < email.sent_at:
        doubts.append("The event came before this email was sent.")
    return doubts


def _too_late() -> ResponseReturnValue:
    db.session.rollback()
    flash(_TOO_LATE, "warning")
    return redirect(url_for(".index"), 303)


def _person(row: Feedback) -> About | None:
    key = traces.identity_of(row.recipient or "")
    return None if key is None else traces.about(key)


def _trace(row: Feedback, *emails: Notification | None) -> None:
    addresses = {each for each in (row.recipient, *(email.recipient for email in emails if email)) if each}
    traces.shown("unassigned", len(addresses - {ERASED}), pk=row.id, person=_person(row))


def _moment(typed: str) -> datetime | None:
    try:
        return datetime.fromisoformat(typed).astimezone(UTC)
    except ValueError:
        return None

"""Whether an operator can correct an address and send its verification email again, and how that is done."""

from sqlalchemy import select

from notifier import clock
from notifier.accounts.signup import COOL_DOWN
from notifier.consent import suppressions
from notifier.entries import correcting
from notifier.extensions import db
from notifier.models import Notification, User
from notifier.services import services


def may_correct() -> bool:
    """Return whether addresses are corrected here: those of an application that embeds ours are its own."""
    return not services().is_embedded


def cannot_verify(user: User) -> str:
    """Return why no verification email can be sent to this person; empty if one can."""
    if user.verified_at is not None:
        return "This address is confirmed already."
    if not user.identity_key:
        return "This person has no address that an email can be sent to."
    if user.external_id is not None and not user.confirms_here:
        return "The application confirms this address itself, so a link of ours would not count."
    if suppressions.find(db.session(), user.identity_key) is not None:
        return "This address is suppressed. Remove the suppression first."
    return ""


def send_verification(user: User) -> Notification | None:
    """Queue the email as the sign-up form, or the application of this person, would. The caller commits.

    Return None if one to the present address was queued within COOL_DOWN, or waits already.
    """
    mine = (Notification.user_id == user.id, Notification.kind == "verification", Notification.recipient == user.email)
    last = db.session.scalar(select(Notification.created_at).where(*mine).order_by(Notification.id.desc()).limit(1))
    if last is not None and clock.now() - last < COOL_DOWN:
        return None
    if user.external_id is None:
        return services().accounts.resend_to(db.session(), user)
    return correcting.send_verification(db.session(), user, sending=services().sending)

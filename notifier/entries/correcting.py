"""An operator corrects the address of a person, who cannot: they get no email at the one that is stored.

The rules are those of an address that an application replaces (`changed_addresses`): the new one must be confirmed, and
the old one, if it was confirmed, is told.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import suppressions
from notifier.emails import KINDS, AddressChanged
from notifier.entries import changed_addresses
from notifier.entries.fields import OURS, UserFields
from notifier.entries.sending import Sending, Wanted
from notifier.mail.addresses import Address, abuse_key
from notifier.models import DETACHED, Notification, Status, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor
from notifier.reasons import ReasonCode

_NOTICE: Final = AddressChanged()
_VERIFICATION: Final = KINDS["verification"]
_VERIFICATIONS: Final = ("verification", "verification_reminder")


class CorrectionRefused(ValueError):
    """The address stays as it is; the message says why, for people."""


def correct(
    session: Session,
    user: User,
    address: Address,
    *,
    sending: Sending,
    keys: Sequence[str],
    by: Actor,
    note: str,
    allow_local: bool,
) -> None:
    """Give a person another address. The caller commits.

    Verification emails that wait for the old address are cancelled, because their links are void. Other emails that
    wait still go there.

    Args:
        session: The session.
        user: The person, who is not erased.
        address: The new address.
        sending: Writes the email to the old address.
        keys: SECRET_KEYS.
        by: The operator.
        note: Why, for the audit log.
        allow_local: Whether addresses of this machine or network are usable.

    Raise CorrectionRefused.
    """
    session.refresh(user, with_for_update=True)
    if user.email == address.envelope:
        raise CorrectionRefused("This is the address that is stored already.")
    former, was_confirmed = user.identity_key, user.verified_at is not None
    if former == address.identity_key:
        # Another spelling of the same mailbox stays confirmed.
        user.email = address.envelope
    else:
        _replace(session, user, address, sending=sending, allow_local=allow_local)
        suppressions.reveal(session, address.identity_key, keys)
        _cancel_links(session, user.id)
    audit_log.record(
        session, by, audit_log.CORRECTED, object_type="person", object_id=user.id,
        about=About.address(former, keys) if former else None,
        before={"confirmed": was_confirmed}, after={"confirmed": user.verified_at is not None, "note": note},
    )  # fmt: skip
    session.flush()


def _replace(session: Session, user: User, address: Address, *, sending: Sending, allow_local: bool) -> None:
    if user.external_id is None:
        _of_sign_up(session, user, address)
    else:
        _of_application(session, user, address, sending=sending, allow_local=allow_local)


def _of_sign_up(session: Session, user: User, address: Address) -> None:
    taken = session.scalar(select(User.id).where(User.signed_up_as(address.identity_key)))
    if taken is not None:
        raise CorrectionRefused(f"Another account has this address: person #{taken}.")
    now = clock.now()
    if user.verified_at is not None:
        key = f"address_changed:{user.id}:{secrets.token_urlsafe(16)}"
        # Before the address is replaced: the row is to the one that the account has now.
        ledger.add(
            session, kind=_NOTICE.name, user=user, dedupe_key=key, now=now, grace=timedelta(0),
            deadline=now + _NOTICE.lifetime,
        )  # fmt: skip
        session.flush()
    user.email, user.identity_key, user.abuse_key = address.envelope, address.identity_key, abuse_key(address)
    user.verified_at, user.address_changed_at = None, now
    session.flush()


def _of_application(session: Session, user: User, address: Address, *, sending: Sending, allow_local: bool) -> None:
    if user.external_id is not None and user.external_id.startswith(DETACHED):
        raise CorrectionRefused("The application has deleted this person, so no email will be sent to them.")
    fields = UserFields(
        id=user.external_id,
        email=address.envelope,
        name=user.display_name,
        # Whether links of ours confirm addresses stays as the application said.
        verified_at=OURS if user.confirms_here else None,
        locale=user.locale,
        timezone=user.timezone,
        attributes=user.attributes,
    )
    changed_addresses.write(session, [fields], sending=sending, allow_local=allow_local)
    session.refresh(user)


def _cancel_links(session: Session, user_id: int) -> None:
    """Cancel verification emails that wait: a link is void as soon as the account has another address."""
    waiting = select(Notification.id).where(
        Notification.user_id == user_id,
        Notification.kind.in_(_VERIFICATIONS),
        Notification.status == Status.pending,
    )
    for pk in session.scalars(waiting).all():
        ledger.move(session, pk, Status.pending, Status.cancelled, now=clock.now(), code=ReasonCode.address_corrected)


def send_verification(session: Session, user: User, *, sending: Sending) -> Notification:
    """Queue the verification email of a person of an application, as that application would. The caller commits."""
    wanted = Wanted(_VERIFICATION, str(user.external_id), None, None, None, None, None)
    return sending.write(session, wanted, lambda: None)

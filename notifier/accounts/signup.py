"""Accounts: register, send the link again, verify.

Nothing here tells a caller whether an address was known, so no page can: only the owner of the mailbox learns it, from
the email.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.accounts.signup_limits import SendTime, SignupLimits
from notifier.consent import suppressions
from notifier.database.expressions import number_of
from notifier.emails import KINDS, TOKEN_LIFE, EmailKind
from notifier.mail.addresses import Address, identity_of
from notifier.models import Notification, SignupEmail, Status, User
from notifier.models.user import SIGNED_UP_HERE
from notifier.reasons import ReasonCode
from notifier.security.tokens import BadToken, ExpiredToken, Signer

log = structlog.get_logger(__name__)

#: Time in which one address gets at most one of these emails, for requests from any network.
COOL_DOWN = timedelta(minutes=2)

_KINDS = ("verification", "account_exists")

#: Built once: a sign-up waits for it.
_FIND: Final = select(User).where(User.signed_up_as(bindparam("identity_key")))


@dataclass(frozen=True, slots=True)
class Applicant:
    """The validated input of a sign-up form."""

    address: Address
    display_name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    #: Their network: an IPv4 /24 or IPv6 /48.
    network: str = ""


class LinkState(enum.Enum):
    """The state of a verification link."""

    valid = enum.auto()
    done = enum.auto()
    expired = enum.auto()
    invalid = enum.auto()


class Accounts:
    """The use cases of an account. They flush; the caller commits."""

    def __init__(
        self,
        signer: Signer,
        *,
        grace: timedelta,
        limits: SignupLimits | None,
        erased_keys: Sequence[str] = (),
        confirm_for_host: Callable[[str, str, str], bool] | None = None,
    ) -> None:
        """Sign and limit.

        Args:
            grace: Time that the outbox has before the sweep enqueues a row.
            limits: None if sign-ups have no limits.
            erased_keys: SECRET_KEYS, by which the suppression of an erased address is found.
            confirm_for_host: Confirms a person of the embedding application (external id, identity key, nonce), in a
                transaction of that application. Returns False if there is no such person any more. None: nothing
                embeds this one.
        """
        self._signer = signer
        self._erased_keys = erased_keys
        self._grace = grace
        self._limits = limits
        self._confirm_for_host = confirm_for_host

    def register(self, session: Session, applicant: Applicant) -> None:
        """Create the account if there is none, and queue the email that fits its state."""
        new = self._create(session, applicant)
        user = new or self._find(session, applicant.address.identity_key)
        if user is None:
            raise LookupError("the account was deleted while its address signed up again")
        if new is None and user.verified_at is None:
            # The first sign-up may have been a stranger's, so the last input counts.
            user.display_name, user.locale, user.timezone = applicant.display_name, applicant.locale, applicant.timezone
        self._owe(session, user, applicant.network, is_new=new is not None)

    def resend(self, session: Session, address: Address, network: str = "") -> None:
        """Queue the email again, within the limits of this network. An unknown address changes nothing."""
        user = self._find(session, address.identity_key)
        if user is not None:
            self._owe(session, user, network)

    def resend_to(self, session: Session, user: User) -> Notification | None:
        """Queue the verification email of this account again, as an operator asks for it.

        Return its row: pending, or skipped if the limits of the mailbox refuse it; None if such an email to the present
        address was queued within COOL_DOWN, or waits already. The caller has checked that the account is not verified.
        """
        return self._owe(session, user, "")

    def is_slowed(self, session: Session, address: Address, network: str) -> bool:
        """Return whether a first email to this address, requested from this network, would wait because many bounced.

        The answer depends on the address's domain and on the network, never on whether there is an account.
        """
        if self._limits is None:
            return False
        return self._limits.is_slowed(session, address.envelope, network, clock.now())

    def examine(self, session: Session, token: str) -> LinkState:
        """Return what this link would do, without changes: scanners follow links, too."""
        return self._read(session, token)[0]

    def verify(self, session: Session, token: str) -> LinkState:
        """Confirm the address. A second call changes nothing.

        For a person of an embedding application it ends this transaction: the other one confirms, in its own.
        """
        state, user = self._read(session, token)
        if state is LinkState.valid and user is not None:
            if user.external_id is not None and self._confirm_for_host is not None:
                theirs = (user.external_id, user.identity_key, user.link_nonce)
                session.rollback()
                return LinkState.done if self._confirm_for_host(*theirs) else LinkState.invalid
            user.verified_at = clock.now()
            session.flush()
            return LinkState.done
        return state

    def _read(self, session: Session, token: str) -> tuple[LinkState, User | None]:
        try:
            claim = self._signer.read_verification(token, TOKEN_LIFE)
        except ExpiredToken:
            return LinkState.expired, None
        except BadToken:
            return LinkState.invalid, None
        user = session.get(User, claim.user_id)
        if user is None or not claim.matches(user.link_nonce, user.identity_key):
            return LinkState.invalid, None
        return (LinkState.done if user.verified_at else LinkState.valid), user

    def _find(self, session: Session, identity_key: str) -> User | None:
        return session.scalars(_FIND, {"identity_key": identity_key}).one_or_none()

    def _create(self, session: Session, applicant: Applicant) -> User | None:
        """Return the new account; None if this address has one."""
        address = applicant.address
        values = {
            "email": address.envelope,
            "identity_key": address.identity_key,
            "display_name": applicant.display_name,
            "locale": applicant.locale,
            "timezone": applicant.timezone,
            "created_at": clock.now(),
        }
        insert = (postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert)(User)
        once = insert.on_conflict_do_nothing(index_elements=[User.identity_key], index_where=text(SIGNED_UP_HERE))
        return session.scalars(once.returning(User), values).one_or_none()

    def _owe(self, session: Session, user: User, network: str, *, is_new: bool = False) -> Notification | None:
        now = clock.now()
        if is_new:
            suppressions.of_new_account(session, user.identity_key, self._erased_keys, now)
        else:
            suppressions.end(session, user.identity_key, now)
        kind = KINDS["account_exists" if user.verified_at else "verification"]
        last = None if is_new else self._last(session, user)
        if self._limits is None:
            return self._add(session, user, kind, last, SendTime(now, SignupEmail()), now, is_new=is_new)
        # Always called: the response time must not tell which addresses have just had an email.
        turn = self._limits.turn(session, user.email, network, first=kind.first_email, now=now)
        # An email to an address that was corrected since counts for neither rule.
        counts = last if last is not None and identity_of(last.recipient) == user.identity_key else None
        waits = counts is not None and counts.status == Status.pending and counts.next_attempt_at > now
        if counts is not None and not waits and now - counts.created_at < COOL_DOWN:
            return None
        if counts is not None and waits and not self._overtakes(session, counts, turn, now):
            return None
        row = self._add(session, user, kind, last, turn, now, is_new=is_new)
        if row is not None and turn.due is not None:
            self._limits.record(session, turn, row.id)
        return row

    def _overtakes(self, session: Session, last: Notification, turn: SendTime, now: datetime) -> bool:
        """Cancel the waiting email, which another person may have caused, if this one would be sent before it."""
        if turn.due is None or turn.due >= last.next_attempt_at:
            return False
        return ledger.move(session, last.id, Status.pending, Status.cancelled, now=now, code=ReasonCode.superseded)

    def _add(
        self,
        session: Session,
        user: User,
        kind: EmailKind,
        last: Notification | None,
        turn: SendTime,
        now: datetime,
        *,
        is_new: bool,
    ) -> Notification | None:
        """Queue the email at its turn, or store why it is not sent. Return None if another request was faster."""
        # Named after the email before it, so of two requests at once one makes the row.
        after = f"signup:{user.id}:{'after' if turn.due else 'refused'}:{last.id if last else 0}"
        if is_new:
            # No other request knows an account that this transaction made.
            row = self._row(session, user, kind, after, turn, now)
            session.flush()
            return row
        try:
            with session.begin_nested():
                return self._row(session, user, kind, after, turn, now)
        except IntegrityError:
            return None

    def _row(
        self, session: Session, user: User, kind: EmailKind, dedupe_key: str, turn: SendTime, now: datetime
    ) -> Notification:
        if turn.due is None:
            assert turn.code is not None
            log.warning("signup.refused", reason=turn.code.value)
            return ledger.add_skipped(
                session, kind=kind.name, user=user, dedupe_key=dedupe_key, now=now, code=turn.code, limit=turn.limit
            )
        later = turn.due > now
        return ledger.add(
            session,
            kind=kind.name,
            user=user,
            dedupe_key=dedupe_key,
            now=now,
            grace=self._grace,
            deadline=turn.due + kind.lifetime,
            params={"send_at": number_of(turn.due)} if later else None,
            due=turn.due if later else None,
            waits=turn.waits,
        )

    def _last(self, session: Session, user: User) -> Notification | None:
        """Return the last of these emails to this user that was queued; refused ones do not count."""
        query = select(Notification).where(Notification.user_id == user.id, Notification.kind.in_(_KINDS))
        owed = query.where(~Notification.dedupe_key.contains(":refused:"))
        return session.scalars(owed.order_by(Notification.id.desc()).limit(1)).first()

"""Accounts: register, send the link again, verify.

Nothing here tells a caller whether an address was known, so no door can: the mailbox's owner learns it
from the mail.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from notifier import clock, ledger, suppressions
from notifier.addresses import Address
from notifier.emails import KINDS, TOKEN_LIFE
from notifier.models import Notification, User
from notifier.tokens import BadToken, ExpiredToken, Signer

#: One address gets one of these mails in so long ...
COOL_DOWN = timedelta(minutes=2)
#: ... and so many of them in a day, whoever asks and from wherever.
PER_DAY = 5

_KINDS = ("verification", "account_exists")


@dataclass(frozen=True, slots=True)
class Applicant:
    """What a signup form was told, checked."""

    address: Address
    display_name: str = ""
    locale: str = "en"
    timezone: str = "UTC"


class Verification(enum.Enum):
    """What a verification link is worth."""

    valid = enum.auto()
    done = enum.auto()
    expired = enum.auto()
    invalid = enum.auto()


class Accounts:
    """The use cases of an account. They flush; the door commits."""

    def __init__(
        self, signer: Signer, *, grace: timedelta, limited: bool = True, erased_keys: Sequence[str] = ()
    ) -> None:
        """`grace`: how long the outbox has before the sweep rings; `limited`: the per-address limits hold.

        `erased_keys`: SECRET_KEYS, by which the suppression of an erased address is found again.
        """
        self._signer = signer
        self._erased_keys = erased_keys
        self._grace = grace
        self._limited = limited

    def register(self, session: Session, applicant: Applicant) -> None:
        """Make the account if there is none, and owe the mail that its state asks for."""
        user = self._find(session, applicant.address.identity_key)
        if user is None:
            user = self._create(session, applicant)
        self._owe(session, user)

    def resend(self, session: Session, address: Address) -> None:
        """Owe the mail again, within the limits. An unknown address changes nothing."""
        user = self._find(session, address.identity_key)
        if user is not None:
            self._owe(session, user)

    def examine(self, session: Session, token: str) -> Verification:
        """What this link would do. Changes nothing: scanners follow links too."""
        return self._read(session, token)[0]

    def verify(self, session: Session, token: str) -> Verification:
        """Confirm the address. Twice is as good as once."""
        state, user = self._read(session, token)
        if state is Verification.valid and user is not None:
            user.verified_at = clock.now()
            session.flush()
            return Verification.done
        return state

    def _read(self, session: Session, token: str) -> tuple[Verification, User | None]:
        try:
            claim = self._signer.read_verification(token, TOKEN_LIFE)
        except ExpiredToken:
            return Verification.expired, None
        except BadToken:
            return Verification.invalid, None
        user = session.get(User, claim.user_id)
        if user is None or not claim.matches(user.link_nonce, user.identity_key):
            return Verification.invalid, None
        return (Verification.done if user.verified_at else Verification.valid), user

    def _find(self, session: Session, identity_key: str) -> User | None:
        return session.scalars(select(User).where(User.identity_key == identity_key)).one_or_none()

    def _create(self, session: Session, applicant: Applicant) -> User:
        address = applicant.address
        user = User(
            email=address.envelope,
            identity_key=address.identity_key,
            display_name=applicant.display_name,
            locale=applicant.locale,
            timezone=applicant.timezone,
            created_at=clock.now(),
        )
        try:
            with session.begin_nested():
                session.add(user)
        except IntegrityError:
            # Somebody signed up with the same address a moment ago: theirs is the account.
            return session.scalars(select(User).where(User.identity_key == address.identity_key)).one()
        suppressions.reveal(session, address.identity_key, self._erased_keys)
        return user

    def _owe(self, session: Session, user: User) -> None:
        now = clock.now()
        last_id, last_at, today = self._recent(session, user, now)
        if self._limited and (today >= PER_DAY or (last_at is not None and now - last_at < COOL_DOWN)):
            return
        kind = KINDS["account_exists" if user.verified_at else "verification"]
        try:
            with session.begin_nested():
                ledger.owe(
                    session,
                    kind=kind.name,
                    user=user,
                    # Named after the mail before it: of two requests at once, one makes the row.
                    dedupe_key=f"signup:{user.id}:after:{last_id}",
                    now=now,
                    grace=self._grace,
                    deadline=now + kind.lifetime,
                )
        except IntegrityError:
            return

    def _recent(self, session: Session, user: User, now: datetime) -> tuple[int, datetime | None, int]:
        """The last of these mails to this user (key 0 where there is none), and how many in a day."""
        mine = (Notification.user_id == user.id, Notification.kind.in_(_KINDS))
        last = session.execute(
            select(Notification.id, Notification.created_at).where(*mine).order_by(Notification.id.desc()).limit(1)
        ).one_or_none()
        today = session.scalar(select(func.count()).where(*mine, Notification.created_at > now - timedelta(days=1)))
        return (last.id if last else 0), (last.created_at if last else None), today or 0

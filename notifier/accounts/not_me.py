"""The answer "This wasn't me": the owner of a mailbox ends an account that another person made with their address.

It is for accounts that never confirmed. The account is deleted with its reminders, and the address gets no email for
some weeks, even after another sign-up. A person of an application that embeds us is kept. The person with the link owns
the mailbox, so the same link undoes this at any time.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from notifier import clock
from notifier.accounts import erasure
from notifier.consent import suppressions
from notifier.models import Suppression, SuppressionReason, User, new_nonce
from notifier.operators.audit_log import Actor
from notifier.security.tokens import BadToken, Signer, VerificationClaim

#: The actor in the audit log.
RECIPIENT = Actor("the recipient")


class NotMeState(enum.Enum):
    """What a link stands for."""

    #: An account that never confirmed: it can be ended.
    unconfirmed = enum.auto()
    #: The account was confirmed by its owner, so this link cannot end it.
    confirmed = enum.auto()
    #: The link was used: no email goes to the address.
    stopped = enum.auto()
    #: Not known.
    unknown = enum.auto()


@dataclass(frozen=True, slots=True)
class NotMeLink:
    """What a link stands for, and until when the address gets no email."""

    state: NotMeState
    until: datetime | None = None
    #: Whether the account is another application's, which keeps it.
    keeps_account: bool = False


class NotMe:
    """The use case behind the link. It flushes; the caller commits."""

    def __init__(self, signer: Signer, keys: Sequence[str], *, days: int) -> None:
        """Stop emails for `days`. `keys`: SECRET_KEYS, by which an erased address is recognised."""
        self._signer = signer
        self._keys = list(keys)
        self._stop = timedelta(days=days)

    def examine(self, session: Session, token: str) -> NotMeLink:
        """Return what this link would do, without changes: scanners follow links, too."""
        return self._read(session, token)[0]

    def end_account(self, session: Session, token: str) -> NotMeLink:
        """End the account and stop emails to its address. A second call changes nothing.

        Raise ErasureError, with a message for people, while an email to them is being sent.
        """
        found, user, claim = self._read(session, token)
        if found.state is not NotMeState.unconfirmed or user is None or claim is None:
            return found
        until = clock.now() + self._stop
        suppressions.end(session, user.identity_key, clock.now())
        suppressions.add(
            session,
            user.identity_key,
            reason=SuppressionReason.not_me,
            source="recipient",
            evidence="",
            until=until,
            link=claim.fingerprint,
        )
        if user.external_id is None:
            erasure.erase(session, user, keys=self._keys, by=RECIPIENT)
        else:
            # The account is not ours to end, and its person may correct the address. Their links end.
            user.link_nonce = new_nonce()
            session.flush()
        return NotMeLink(NotMeState.stopped, until, found.keeps_account)

    def take_back(self, session: Session, token: str) -> bool:
        """Let the address get email again. Return False if it was not stopped."""
        suppression = self._stopped_by(session, self._claim(token))
        if suppression is None:
            return False
        suppressions.lift(session, suppression)
        return True

    def _read(self, session: Session, token: str) -> tuple[NotMeLink, User | None, VerificationClaim | None]:
        claim = self._claim(token)
        if claim is None:
            return NotMeLink(NotMeState.unknown), None, None
        user = session.get(User, claim.user_id)
        if user is not None and claim.matches(user.link_nonce, user.identity_key):
            state = NotMeState.confirmed if user.verified_at else NotMeState.unconfirmed
            return NotMeLink(state, keeps_account=user.external_id is not None), user, claim
        suppression = self._stopped_by(session, claim)
        if suppression is None:
            return NotMeLink(NotMeState.unknown), None, claim
        keeps = user is not None and user.external_id is not None
        return NotMeLink(NotMeState.stopped, suppression.until, keeps), None, claim

    def _claim(self, token: str) -> VerificationClaim | None:
        try:
            return self._signer.read_not_me(token)
        except BadToken:
            return None

    @staticmethod
    def _stopped_by(session: Session, claim: VerificationClaim | None) -> Suppression | None:
        found = None if claim is None else suppressions.of_link(session, claim.fingerprint)
        over = found is None or (found.until is not None and found.until <= clock.now())
        return None if over else found

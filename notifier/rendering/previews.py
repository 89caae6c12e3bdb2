"""A mail as it would be rendered now, to look at: no claim, nothing sent, and its links open nothing."""

import secrets
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.emails import Owed
from notifier.emails.campaign_kind import CampaignKind
from notifier.ledger import Claimed
from notifier.observability import logs
from notifier.rendering.compose import Composer
from notifier.security.links import Links
from notifier.security.tokens import Signer

log = structlog.get_logger(__name__)


class PreviewError(ValueError):
    """The mail cannot be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the reader would see."""

    subject: str
    text: str
    html: str
    template_version: str


class Previews:
    """Renders rows of the ledger for people who look."""

    def __init__(self, composer: Composer, base: str) -> None:
        """`base`: what links start with. They are signed with a key that nobody else has, so they open nothing."""
        self._composer = composer
        self._links = Links(base, Signer([secrets.token_hex(32)]))

    def of(self, session: Session, pk: int) -> Preview:
        """The mail of this row. Raises PreviewError."""
        rows = ledger.load(session, [pk])
        if not rows:
            raise PreviewError("There is no such mail.")
        (row,) = rows
        return self.planned(session, row)

    def planned(self, session: Session, row: Claimed) -> Preview:
        """The mail of a row that need not be in the ledger. Raises PreviewError."""
        if row.user is None:
            raise PreviewError("The account of this email was deleted, so the email cannot be rendered.")
        kind = self._composer.kinds.get(row.kind)
        if kind is None:
            raise PreviewError(f"This version knows no mail of the kind {row.kind}.")
        try:
            data = kind.load(session, [row]).get(row.id) if isinstance(kind, CampaignKind) else None
            self._composer.content_cache.fetch(session, [row])
            composed = self._composer.compose(Owed(row, row.user, self._links, data))
        except Exception as error:
            # A template or kind that fails is what somebody who looks wants to know.
            with logs.private(row.private):
                log.warning("preview.failed", notification=row.id, kind=row.kind, exc_info=error)
            raise PreviewError(
                f"The mail cannot be rendered: {type(error).__name__}. The log has the details."
            ) from error
        message = composed.message
        return Preview(message.subject, str(message.text), str(message.html or ""), composed.template_version)

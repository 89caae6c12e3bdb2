"""Render an email as it would be sent now, without claiming or sending it. Its links do not work."""

import secrets
from dataclasses import dataclass, replace

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
    """The email cannot be shown; the message says why."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The email as its recipient would see it."""

    subject: str
    text: str
    html: str
    template_version: str


class Previews:
    """Render rows of the ledger for operators."""

    def __init__(self, composer: Composer, links: Links) -> None:
        """Sign links like `links` with a random key, so that they do not work."""
        self._composer = composer
        self._links = replace(links, signer=Signer([secrets.token_hex(32)]))

    def of(self, session: Session, pk: int) -> Preview:
        """Render the email of this row. Raise PreviewError."""
        rows = ledger.load(session, [pk])
        if not rows:
            raise PreviewError("There is no such email.")
        (row,) = rows
        return self.planned(session, row)

    def planned(self, session: Session, row: Claimed) -> Preview:
        """Render the email of a row that need not be in the ledger. Raise PreviewError."""
        if row.user is None:
            raise PreviewError("The account of this email was deleted, so the email cannot be rendered.")
        kind = self._composer.kinds.get(row.kind)
        if kind is None:
            raise PreviewError(f"This version of notifier has no kind of email named {row.kind}.")
        if kind.secret:
            raise PreviewError("This email holds secrets of its recipient, such as a link, so it is not shown.")
        try:
            data = kind.load(session, [row]).get(row.id) if isinstance(kind, CampaignKind) else None
            self._composer.content_cache.fetch(session, [row])
            composed = self._composer.compose(Owed(row, row.user, self._links, data))
        except Exception as error:
            # An operator who opens the preview wants to see that a template or kind fails.
            with logs.private(row.private):
                log.warning("preview.failed", notification=row.id, kind=row.kind, exc_info=error)
            raise PreviewError(
                f"The email cannot be rendered: {type(error).__name__}. The log has the details."
            ) from error
        message = composed.message
        return Preview(message.subject, str(message.text), str(message.html or ""), composed.template_version)

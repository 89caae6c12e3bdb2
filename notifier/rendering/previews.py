"""Render an email as it would be sent now, without claiming or sending it. Its links do not work."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from notifier import ledger
from notifier.emails import EmailKind, Owed
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
        kind = self._composer.kinds.get(row.kind)
        if kind is None:
            raise PreviewError(f"This version of notifier has no kind of email named {row.kind}.")
        if kind.to_operators:
            raise PreviewError("This email went to an operator, who has no account to render it for.")
        if row.user is None:
            raise PreviewError("The account of this email was deleted, so the email cannot be rendered.")
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

    def subjects(self, session: Session, pks: Sequence[int]) -> dict[int, str]:
        """Return the subjects of these emails, by key, in few statements.

        Emails that hold secrets, that have no account any more, or that cannot be rendered, are left out.
        """
        rows = [row for row in ledger.load(session, pks) if row.user is not None and self._is_shown(row)]
        self._composer.content_cache.fetch(session, rows)
        found: dict[int, str] = {}
        rows.sort(key=lambda row: row.kind)
        for name, group in groupby(rows, key=lambda row: row.kind):
            mine = list(group)
            try:
                found |= self._of_kind(mine, self._loaded(session, name, mine))
            except SQLAlchemyError:
                raise
            except Exception as error:
                # A list stays readable if a template or a kind fails; the page of each email says why it does.
                log.warning("preview.subjects_failed", kind=name, error=type(error).__name__)
        return found

    def _is_shown(self, row: Claimed) -> bool:
        kind = self._composer.kinds.get(row.kind)
        return kind is not None and not kind.secret and not kind.to_operators

    def _loaded(self, session: Session, name: str, rows: Sequence[Claimed]) -> Mapping[int, Any]:
        kind: EmailKind = self._composer.kinds[name]
        return kind.load(session, rows) if isinstance(kind, CampaignKind) else {}

    def _of_kind(self, rows: Iterable[Claimed], data: Mapping[int, Any]) -> dict[int, str]:
        owed = (Owed(row, row.user, self._links, data.get(row.id)) for row in rows if row.user is not None)
        return {each.notification.id: self._composer.subject(each) for each in owed}

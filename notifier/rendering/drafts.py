"""Render content that is still being edited, for previews and for test emails to its author.

The ledger is not touched, and the links do not work. A draft is filled in exactly as the sender does it.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy.orm import Session

from notifier import clock
from notifier.content import Checked, Content, ContentError, Drawn, Filled, lay_out
from notifier.emails import EmailKind, Owed
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import EXAMPLES, Example, offered, values
from notifier.emails.kind import DATA
from notifier.ledger import Claimed, Recipient
from notifier.mail.message import Message, MessageError, build
from notifier.mail.return_path import without_id
from notifier.observability import logs
from notifier.rendering.compose import Composer
from notifier.rendering.previews import PreviewError
from notifier.security.links import Links
from notifier.security.tokens import Signer
from notifier.smtp.outcome import Outcome

log = structlog.get_logger(__name__)

#: Prefix of the subject of test emails.
TEST = "[Test]"

#: Content for an example of a kind that has no campaign, and whose settings are its content.
_EXAMPLE = Content("An example", "An example", "This is what your campaign says.")
_EXAMPLE_WITH_DATA = replace(_EXAMPLE, body=f"{_EXAMPLE.body}\n\n{{content}}")


class NoExample(ValueError):
    """The kind takes data, and has no example of them."""


class Drafts:
    """Render drafts, and send them as tests."""

    def __init__(self, composer: Composer, links: Links, hand_over: Callable[[Message], Outcome]) -> None:
        """Sign links like `links` with a random key, so that they do not work; send with `hand_over`."""
        self._composer = composer
        self._hand_over = hand_over
        self._links = replace(links, signer=Signer([secrets.token_hex(32)]))

    def example(self, kind: CampaignKind, content: Content, person: Example = EXAMPLES[0]) -> Message:
        """Build the email to an example person. Raise ContentError."""
        owed = self._owed(kind, person)
        known = self._composer.known(owed, kind.offers)
        (filled,) = _filled(kind, content, [values(owed, known)])
        return self._composer.draft(owed, known, filled, example=True)

    def specimen(self, kind: EmailKind, content: Content | None = None) -> Message:
        """Build an email of any kind to an example person, from `content` if that has a body, else from template files.

        Raise NoExample, ContentError, or any error of a template or kind.
        """
        if isinstance(kind, CampaignKind):
            content = content or _default(kind)
            if content.body:
                return self.example(kind, content)
            owed = self._owed(kind, EXAMPLES[0])
            return self._composer.example(owed, self._composer.known(owed, kind.offers))
        if kind.Data is not None and kind.example is None:
            raise NoExample(f"emails of the kind {kind.name} need data")
        owed = self._owed(kind, EXAMPLES[0], {DATA: kind.example} if kind.Data else {})
        return self._composer.example(owed, self._composer.known(owed))

    def check(self, kind: CampaignKind, content: Content) -> None:
        """Raise ContentError for content that cannot be rendered for one of EXAMPLES, and name that person."""
        people = [self._owed(kind, person) for person in EXAMPLES]
        contexts = [values(owed, self._composer.known(owed, kind.offers)) for owed in people]
        for person, drawn in zip(EXAMPLES, _drawn(kind, content, contexts), strict=True):
            try:
                lay_out(drawn, language=content.read_in, strict=True)
            except ContentError as error:
                if person is EXAMPLES[0]:
                    raise
                text = error.message.replace("for this person", f"for {person.label}")
                text = text if person.label in text else f"For {person.label}: {text}"
                raise ContentError(text, error.line, error.field) from None

    def _owed(self, kind: EmailKind, person: Example, params: Mapping[str, Any] | None = None) -> Owed:
        user = Recipient(0, person.email, person.name, person.locale, person.timezone, clock.now(), "nonce")
        row = Claimed(
            id=0, claim=0, kind=kind.name, recipient=person.email, dedupe_key="example", params=dict(params or {}),
            on_unknown="never", attempts=0, unknowns=0, deadline=None, created_at=clock.now(), campaign_id=None,
            run_id=None, user=user,
        )  # fmt: skip
        return Owed(row, user, self._links)

    def of(self, session: Session, kind: CampaignKind, row: Claimed, content: Content) -> Message:
        """Build the email of a row that need not be in the ledger. Raise ContentError or PreviewError."""
        if row.user is None:
            raise PreviewError("The account of this email was deleted, so the email cannot be rendered.")
        try:
            owed = Owed(row, row.user, self._links, kind.load(session, [row]).get(row.id))
            why_not = kind.unwanted(owed)
            if why_not is None:
                known = self._composer.known(owed)
                (filled,) = _filled(kind, content, [values(owed, known)])
                return self._composer.draft(owed, known, filled)
        except ContentError:
            raise
        except Exception as error:
            # An operator who opens the preview wants to see that the kind fails.
            with logs.private(row.private):
                log.warning("draft.failed", kind=kind.name, exc_info=error)
            raise PreviewError(
                f"The email cannot be rendered: {type(error).__name__}. The log has the details."
            ) from error
        raise PreviewError(f"This person would not get this email now: {why_not}. Choose another person.")

    def send(self, message: Message, address: str) -> Outcome:
        """Send the message to this address, marked as a test, without a ledger row. Return the SMTP outcome."""
        domain = message.message_id.rpartition("@")[2]
        marked = replace(
            message,
            recipient=address,
            recipient_name="",
            subject=f"{TEST} {message.subject}",
            message_id=f"<t{secrets.token_hex(12)}@{domain}",
            # What comes back of a test must not count for the email that it was made from.
            envelope_sender=without_id(message.envelope_sender),
            notifier_id="",
        )
        return self._hand_over(marked)


def _default(kind: CampaignKind) -> Content:
    """Return what a campaign of this kind begins with; an example if its settings have to say it."""
    try:
        return kind.content(kind.Settings())
    except ValidationError:
        return _EXAMPLE_WITH_DATA if kind.has_data else _EXAMPLE


def source_of(message: Message) -> str:
    """Return the source of the email as it would be sent, without a DKIM signature. Raise PreviewError."""
    try:
        return build(message).decode("utf-8", "replace").replace("\r\n", "\n")
    except MessageError as error:
        raise PreviewError(f"The email cannot be built: {error}.") from None


def _filled(kind: CampaignKind, content: Content, contexts: Sequence[Mapping[str, Any]]) -> list[Filled]:
    return [lay_out(drawn, language=content.read_in, strict=True) for drawn in _drawn(kind, content, contexts)]


def _drawn(kind: CampaignKind, content: Content, contexts: Sequence[Mapping[str, Any]]) -> list[Drawn]:
    checked = Checked(content, offered(kind), has_data=kind.has_data)
    return [checked.draw(context) for context in contexts]

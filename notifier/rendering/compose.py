"""Compose the Message of a notification from the kind's context, the templates and the headers."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from notifier import clock
from notifier.config.settings import Settings
from notifier.consent import preferences
from notifier.content import Filled, lay_out, subject_of
from notifier.emails import EmailKind, Owed
from notifier.emails.content_variables import reading, values
from notifier.emails.kind import DATA, SEALED
from notifier.ledger import Claimed
from notifier.mail import message_ids
from notifier.mail.message import Message, complaint_header, subscription_headers
from notifier.mail.message_ids import Ids
from notifier.mail.mime import as_given
from notifier.mail.return_path import ReturnPath
from notifier.rendering.content_cache import ContentCache
from notifier.rendering.render import Rendered, Renderer
from notifier.security.sealing import Sealer

#: Shown in examples in place of data that only a real person's email has.
PLACEHOLDER = "Here stands what differs from person to person. Choose a person to see theirs."


class DataDeleted(ValueError):
    """The email came to rest, and its secret data were deleted."""


class Composed(NamedTuple):
    """A message and the version of its templates."""

    message: Message
    template_version: str


class Composer:
    """Build messages without database or network."""

    def __init__(
        self,
        settings: Settings,
        renderer: Renderer,
        kinds: Mapping[str, EmailKind],
        content_cache: ContentCache | None = None,
    ) -> None:
        """Use `settings` for the sender, its return path and the keys that sign ids."""
        self._settings = settings
        self._renderer = renderer
        self._sealer = Sealer(settings.secret_keys)
        self.kinds = kinds
        self.content_cache = content_cache or ContentCache(kinds)
        self._sender_name, self._sender_address = settings.sender
        self._product = settings.product
        self._reply_to_name, self._reply_to = settings.reply_to or ("", "")
        self._sender_domain = settings.sender_domain
        self._return_path = ReturnPath(settings.bounce_address)
        self.ids = Ids(settings.secret_keys)
        self._complaints = complaint_header(settings.mail_cfbl_address)
        self._id_headers = settings.id_headers
        #: Gmail's SenderId: 5 to 15 characters, the same in all our emails.
        self._sender_id = hashlib.sha256(self._sender_domain.encode()).hexdigest()[:12]

    def message_id_of(self, pk: int, dedupe_key: str, id_key: str | None = None) -> str:
        """Return the Message-ID of the row with these values."""
        return message_ids.message_id(self.ids.make(pk, dedupe_key, id_key), self._sender_domain)

    def compose(self, owed: Owed) -> Composed:
        """Render the email. Raise ContentError, DataDeleted, SealError, or the error of a broken template."""
        row = owed.notification
        kind = self.kinds[row.kind]
        if kind.secret:
            owed = self._opened(owed)
        common = self._common(owed)
        known = common | kind.context(owed)
        content = self.content_cache.of(row)
        if content is None:
            rendered = self._renderer.render(kind.name, known)
            return self._finished(owed, rendered, rendered.template_version, common["unsubscribe_url"])
        filled = lay_out(content.draw(values(owed, known)), language=content.language)
        rendered = self._renderer.render_content(kind.name, filled, known)
        digest = hashlib.sha256(f"{rendered.template_version}{content.content.digest}".encode()).hexdigest()
        return self._finished(owed, rendered, f"w{row.content_id}-{digest[:8]}", common["unsubscribe_url"])

    def subject(self, owed: Owed) -> str:
        """Render the subject alone, of an email whose data are not secret. Raise what `compose` raises."""
        row = owed.notification
        known = self._common(owed) | self.kinds[row.kind].context(owed)
        content = self.content_cache.of(row)
        if content is None:
            return self._renderer.subject(row.kind, known)
        return subject_of(content.draw(values(owed, known)))

    def _opened(self, owed: Owed) -> Owed:
        row = owed.notification
        if SEALED not in row.params:
            raise DataDeleted("the secret data of this email were deleted")
        data = json.loads(self._sealer.open(row.params[SEALED]))
        return owed._replace(notification=row._replace(params={**row.params, DATA: data}))

    def known(self, owed: Owed, example: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the context for the templates of this email. `example` replaces the data of the kind."""
        own = self.kinds[owed.notification.kind].context(owed) if example is None else example
        return {**self._common(owed), **own}

    def draft(self, owed: Owed, known: Mapping[str, Any], filled: Filled, *, example: bool = False) -> Message:
        """Build an email with content that is not saved yet. `known` is from `known`; `example`: without a person."""
        placeholder = PLACEHOLDER if example else ""
        rendered = self._renderer.render_content(owed.notification.kind, filled, known, placeholder)
        return self._finished(owed, rendered, "draft", known["unsubscribe_url"]).message

    def example(self, owed: Owed, known: Mapping[str, Any]) -> Message:
        """Build an email of a row that need not exist from the template files. `known` is from `known`."""
        rendered = self._renderer.render(owed.notification.kind, known)
        return self._finished(owed, rendered, "example", known["unsubscribe_url"]).message

    def _finished(self, owed: Owed, rendered: Rendered, version: str, unsubscribe_url: str | None) -> Composed:
        row = owed.notification
        notifier_id = self.ids.make(row.id, row.dedupe_key, row.id_key)
        message = Message(
            sender_name=self._sender_name,
            sender_address=self._sender_address,
            recipient=row.recipient,
            recipient_name=owed.user.display_name,
            subject=rendered.subject,
            text=as_given(rendered, "text"),
            html=as_given(rendered, "html"),
            message_id=message_ids.message_id(notifier_id, self._sender_domain),
            date=clock.now(),
            reply_to=self._reply_to or None,
            reply_to_name=self._reply_to_name,
            envelope_sender=self._return_path.of(notifier_id),
            notifier_id=notifier_id,
            id_headers=self._id_headers,
            headers=self._headers(row, unsubscribe_url) + self._complaints,
        )
        return Composed(message, version)

    def _common(self, owed: Owed) -> dict[str, str | None]:
        kind = self.kinds[owed.notification.kind]
        unsubscribe_url, preferences_url = _consent_links(owed, kind.category)
        return {
            "product": self._product,
            "public_url": owed.links.front_page,
            "recipient_name": owed.user.display_name,
            "locale": owed.user.locale,
            **reading(kind.language),
            "postal_address": self._settings.postal_address,
            "category_reason": kind.because,
            "unsubscribe_url": unsubscribe_url,
            "preferences_url": preferences_url,
        }

    def _headers(self, row: Claimed, unsubscribe_url: str | None) -> tuple[tuple[str, str], ...]:
        """Return the headers of subscription emails; none if there is nothing to unsubscribe from."""
        if unsubscribe_url is None:
            return ()
        campaign = row.campaign_id or 0
        list_id = f"{row.kind.replace('_', '-')}-{campaign}.{self._sender_domain}"
        return subscription_headers(unsubscribe_url, list_id, f"{campaign}:{row.kind}:notifier:{self._sender_id}")


def _consent_links(owed: Owed, category: str) -> tuple[str, str] | tuple[None, None]:
    """Return the unsubscribe and preferences links, the same in every attempt; none if the category is always sent."""
    if category not in preferences.REFUSABLE:
        return None, None
    row, user = owed.notification, owed.user
    return owed.links.both(
        user_id=user.id,
        identity_key=user.identity_key,
        category=category,
        notification_id=row.id,
        issued_at=row.created_at,
    )

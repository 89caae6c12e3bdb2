"""security_message: an email that another library wrote, such as the link to a new password of Flask-Security."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from markupsafe import Markup, escape
from pydantic import BaseModel, ConfigDict

from notifier.emails.kind import Category, EmailKind, Owed

_BODY = re.compile(r"<body\b[^>]*>(.*?)(?:</body\s*>|\Z)", re.IGNORECASE | re.DOTALL)


class SecurityMessageData(BaseModel):
    """The finished texts. `html` is trusted, as the library's templates escaped what people typed."""

    # A mistake in it must not write a link into a log.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    subject: str
    text: str = ""
    html: str = ""


class SecurityMessage(EmailKind):
    """Texts that are finished already. They hold links and codes, so they are secret."""

    name: ClassVar[str] = "security_message"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(days=1)
    because: ClassVar[str] = "You're receiving this because of your account and its security."
    Data: ClassVar[type[BaseModel]] = SecurityMessageData
    example: ClassVar[Mapping[str, Any]] = {"subject": "Your new password", "text": "Follow this link to set it."}
    secret: ClassVar[bool] = True

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: it is always wanted."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `title`, `plain` and `content`; each body stands in for the other if that is missing.

        Of a complete page, `content` has what is in its body, because the layout is ours.
        """
        data: SecurityMessageData = self.data_of(owed)
        whole = _BODY.search(data.html)
        content = Markup(whole[1] if whole else data.html)
        lines = Markup("<br>\n").join(escape(line) for line in data.text.strip().splitlines())
        return {
            "title": data.subject,
            "plain": data.text.strip() or content.striptags(),
            "content": content if content.strip() else lines,
        }

"""Flask-Security-Too: every email that it sends becomes a row of notifier.

security = Security(app, datastore, mail_util_cls=MailUtil)
"""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from flask import Response, after_this_request, current_app, has_request_context
from flask_security import mail_util
from sqlalchemy.orm import object_session

from notifier import clock
from notifier.embedding import Notifier

log = structlog.get_logger(__name__)

#: Settings of Flask-Security: the template of an email, and how long its link or code is valid.
_VALIDITY: Final = {
    "EMAIL_TEMPLATE_PASSWORD_RESET": "RESET_PASSWORD_WITHIN",
    "EMAIL_TEMPLATE_CONFIRM": "CONFIRM_EMAIL_WITHIN",
    "EMAIL_TEMPLATE_PASSWORDLESS": "LOGIN_WITHIN",
    "CHANGE_EMAIL_EMAIL_TEMPLATE": "CHANGE_EMAIL_WITHIN",
    "TWO_FACTOR_EMAIL_TEMPLATE": "TWO_FACTOR_MAIL_VALIDITY",
    "US_EMAIL_TEMPLATE": "US_TOKEN_VALIDITY",
}


class MailUtil(mail_util.MailUtil):
    """Write Flask-Security's emails as rows of the kind `security_message`, in the session of the user's row.

    The sender is notifier's (MAIL_DEFAULT_SENDER), and the layout, too. Needs `init_app` with `mount=` or `celery=`,
    because the texts are sealed with notifier's SECRET_KEYS.
    """

    def send_mail(
        self,
        template: str,
        subject: str,
        recipient: str | tuple[str, str],
        sender: str | tuple[str, str],
        body: str | None,
        html: str | None,
        **context: Any,
    ) -> None:
        """Write the row. It is committed at the end of the request, unless that fails; outside of one, by the caller.

        Some views of Flask-Security commit nothing, such as the one that sends the link to a new password.

        An address without a user cannot have a row (a sign-up whose name is taken already): that email goes the way of
        Flask-Security itself, if Flask-Mail or Flask-Mailman is set up; otherwise it is logged as not sent.
        """
        user = context.get("user")
        address = recipient if isinstance(recipient, str) else recipient[1]
        if user is None:
            self._without_user(template, subject, recipient, sender, body, html, **context)
            return
        notifier: Notifier = current_app.extensions["notifier"]
        notifier.send(
            "security_message",
            to=user,
            data={"subject": str(subject), "text": body or "", "html": html or ""},
            until=_until(template),
            address=None if address == user.email else address,
        )
        if has_request_context():
            session = object_session(user)
            after_this_request(lambda response: _committed(session, response))

    def _without_user(self, template: str, *arguments: Any, **context: Any) -> None:
        if current_app.extensions.keys() & {"mail", "mailman"}:
            super().send_mail(template, *arguments, **context)
        else:
            log.warning("flask_security.not_sent", template=template, why="there is no user with this address")


def _committed(session: Any, response: Response) -> Response:
    """Commit, unless the request failed: what it wrote is rolled back then."""
    if session is not None and response.status_code < 500:
        session.commit()
    return response


def _until(template: str) -> datetime | None:
    """Return when the email is of no use any more; None: when the lifetime of its kind is over."""
    config = current_app.config
    for name, validity in _VALIDITY.items():
        if template == config.get(f"SECURITY_{name}"):
            return clock.now() + _span(config[f"SECURITY_{validity}"])
    return None


def _span(value: timedelta | str | float) -> timedelta:
    """Return a setting of Flask-Security as a span: before 5.9 some are texts such as "1 days"."""
    if isinstance(value, str):
        number, unit = value.split()
        return timedelta(**{unit: int(number)})
    return value if isinstance(value, timedelta) else timedelta(seconds=value)

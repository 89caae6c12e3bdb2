"""The providers that are configured, by name: each has a page under `/v1/inbound/<name>`."""

import base64
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from notifier.config.settings import ConfigError, Settings
from notifier.inbound import brevo, mailgun, mailjet, postmark, resend, sendgrid, ses
from notifier.inbound.fetching import Fetch, fetch
from notifier.inbound.provider import Provider
from notifier.inbound.sns import Sns

#: All that there are, in the order of the documentation.
NAMES = (ses.NAME, postmark.NAME, mailgun.NAME, sendgrid.NAME, brevo.NAME, mailjet.NAME, resend.NAME)


def configured(settings: Settings, get: Fetch = fetch) -> Mapping[str, Provider]:
    """Return the providers with a key, secret or topic in `settings`; `get` fetches certificates of AWS."""
    made: dict[str, Provider] = {
        ses.NAME: ses.Ses(Sns(settings.inbound_ses_topics, get)),
        postmark.NAME: postmark.Postmark(settings.inbound_postmark_secrets),
        mailgun.NAME: mailgun.Mailgun(settings.inbound_mailgun_keys),
        sendgrid.NAME: sendgrid.SendGrid([_public_key(each) for each in settings.inbound_sendgrid_keys]),
        brevo.NAME: brevo.Brevo(settings.inbound_brevo_secrets),
        mailjet.NAME: mailjet.Mailjet(settings.inbound_mailjet_secrets),
        resend.NAME: resend.Resend(settings.inbound_resend_secrets),
    }
    has_keys = {
        ses.NAME: settings.inbound_ses_topics, postmark.NAME: settings.inbound_postmark_secrets,
        mailgun.NAME: settings.inbound_mailgun_keys, sendgrid.NAME: settings.inbound_sendgrid_keys,
        brevo.NAME: settings.inbound_brevo_secrets, mailjet.NAME: settings.inbound_mailjet_secrets,
        resend.NAME: settings.inbound_resend_secrets,
    }  # fmt: skip
    return {name: each for name, each in made.items() if has_keys[name]}


def _public_key(written: str) -> EllipticCurvePublicKey:
    """Return a P-256 key, whose form the settings have checked. Raise ConfigError if its point is not on the curve."""
    try:
        key = load_der_public_key(base64.b64decode(written))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey):
        raise ConfigError("INBOUND_SENDGRID_KEYS: a key is damaged: copy it again from SendGrid")
    return key

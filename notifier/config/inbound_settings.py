"""Settings of what comes back: the webhooks of email providers that are open, and the mailbox that is read.

Each description is the last column of a table in docs/settings.md, which a test makes from this class.
"""

import base64
import re
import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from notifier.config.imap_url import IMAP_URL, checked_imap_url
from notifier.config.text import Must
from notifier.config.types import FilePath, split_list

#: The ARN of a topic: partition, service, region, account, name. Other partitions have other hosts for certificates.
_TOPIC = re.compile(r"arn:aws:sns:[a-z]{2}(?:-[a-z]{1,10}){1,3}-\d{1,2}:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_SECRET = re.compile(r"[!-~]{20,200}")
_KEY = re.compile(r"[!-~]{16,200}")
#: The whole of a P-256 key in DER begins like this and has 91 bytes (RFC 5480, section 2).
_P256 = re.compile(r"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE[A-Za-z0-9+/]{86}==")
_WHSEC = re.compile(r"whsec_([A-Za-z0-9+/]{32,86}={0,2})")


def _each(form: re.Pattern[str]) -> AfterValidator:
    """Return the check that every entry of a list has this form. The values may be secret, so no error quotes them."""

    def check(values: list[str]) -> list[str]:
        if not all(form.fullmatch(value) for value in values):
            raise ValueError
        return values

    return AfterValidator(check)


def _decodable(values: list[str]) -> list[str]:
    for value in values:
        # Its own error would quote the value.
        try:
            base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except ValueError:
            raise ValueError from None
    return values


def _authority(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificate in PEM form") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return path


Secrets = Annotated[
    list[str], NoDecode, Must("one secret or more of 20 to 200 characters, separated by commas, without spaces"),
    BeforeValidator(split_list), _each(_SECRET),
]  # fmt: skip


class InboundSettings(BaseModel):
    """What comes back. A webhook is closed until it has a value; several at once allow to replace one."""

    inbound_ses_topics: Annotated[
        list[str],
        NoDecode,
        Must("one ARN or more such as arn:aws:sns:eu-west-1:123456789012:bounces, separated by commas"),
        BeforeValidator(split_list),
        _each(_TOPIC),
    ] = Field(
        [],
        description="opens `/v1/inbound/ses` for messages of these SNS topics",
    )
    inbound_postmark_secrets: Secrets = Field(
        [],
        description="opens `/v1/inbound/postmark` for requests with one of these in the Authorization header",
    )
    inbound_mailgun_keys: Annotated[
        list[str],
        NoDecode,
        Must("one key or more of 16 to 200 characters, separated by commas, without spaces"),
        BeforeValidator(split_list),
        _each(_KEY),
    ] = Field(
        [],
        description="opens `/v1/inbound/mailgun`; the HTTP webhook signing key of the account",
    )
    inbound_sendgrid_keys: Annotated[
        list[str],
        NoDecode,
        Must("one verification key or more as SendGrid shows it (P-256, base64), separated by commas"),
        BeforeValidator(split_list),
        _each(_P256),
    ] = Field(
        [],
        description="opens `/v1/inbound/sendgrid`; the verification key of the signed event webhook",
    )
    inbound_brevo_secrets: Secrets = Field(
        [],
        description="opens `/v1/inbound/brevo` for requests with one of these in the Authorization header",
    )
    inbound_mailjet_secrets: Secrets = Field(
        [],
        description="opens `/v1/inbound/mailjet` for requests with one of these in the Authorization header",
    )
    inbound_resend_secrets: Annotated[
        list[str],
        NoDecode,
        Must("one signing secret or more of 24 to 64 bytes, as base64 after whsec_, separated by commas"),
        BeforeValidator(split_list),
        _each(_WHSEC),
        AfterValidator(_decodable),
    ] = Field(
        [],
        description="opens `/v1/inbound/resend`; the signing secret of the webhook",
    )

    inbound_imap_url: Annotated[str, Must(IMAP_URL), AfterValidator(checked_imap_url)] = Field(
        "",
        description="the mailbox that `notifier bounces read --imap` reads",
    )
    inbound_imap_password: str | None = Field(
        None,
        max_length=500,
        description="its password; a space or line break at its ends is refused instead of removed",
    )
    inbound_imap_ca_file: Annotated[FilePath | None, AfterValidator(_authority)] = Field(
        None,
        description="certificates of a private certificate authority for it, PEM",
    )

    @property
    def id_headers(self) -> tuple[str, ...]:
        """Return the names of the headers that carry the id of an email, besides `X-Notifier-Id`.

        These providers replace the Message-ID and repeat no other header than one of their own in a webhook. They sign
        nothing, so without the id in it their events would act on no email.
        """
        repeated = {
            "X-PM-Metadata-notifier-id": self.inbound_postmark_secrets,
            "X-Mailin-custom": self.inbound_brevo_secrets,
            "X-MJ-CustomID": self.inbound_mailjet_secrets,
        }
        return tuple(name for name, secrets in repeated.items() if secrets)

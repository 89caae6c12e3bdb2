"""The public forms: validate what people type before any other code sees it."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from flask import current_app
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, RadioField, StringField, SubmitField, ValidationError

from notifier.accounts.signup import Applicant
from notifier.consent.preferences import DIGEST
from notifier.consent.wording import Words
from notifier.mail.addresses import Address, AddressError, parse_address
from notifier.mail.header_text import HeaderTextError, display_name
from notifier.models import Frequency

#: At most 16 characters, like the column.
_LOCALE = re.compile(r"(?!.{17})[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
_ZONES = available_timezones()
#: No email contains a name before its owner confirmed. But others may see it next to what they do, so it must not
#: advertise.
_LINK = re.compile(
    r"://|\bwww\.|\w\.\w{2,}/|\.(app|biz|click|club|cn|co|com|dev|info|io|link|me|net|online|org|ru|shop|site|top|xyz)\b",
    re.IGNORECASE,
)


class AddressForm(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types
    """A form with one address. After validation `address` holds it."""

    email = StringField("Email address")
    address: Address

    def validate_email(self, field: StringField) -> None:
        """Validate the address, with a message that helps to correct it."""
        text = field.data or ""
        if not text.strip():
            raise ValidationError("Enter your email address.")
        try:
            self.address = parse_address(text, **current_app.config["ADDRESSES"])
        except AddressError as error:
            raise ValidationError(str(error)) from error


class SignupForm(AddressForm):
    """An address and an optional name."""

    display_name = StringField("Name")
    #: Filled in by the browser if it can; an invalid value is ignored.
    locale = HiddenField()
    timezone = HiddenField()

    def validate_display_name(self, field: StringField) -> None:
        """Reject a name that cannot be shown or that advertises."""
        try:
            field.data = display_name(field.data or "")
        except HeaderTextError as error:
            raise ValidationError(str(error)) from error
        # Some people give an address as their name, which is harmless. NFKC turns fullwidth letters into letters.
        if "@" not in field.data and _LINK.search(unicodedata.normalize("NFKC", field.data)):
            raise ValidationError("The name contains a web address. Remove it.")

    def applicant(self, network: str) -> Applicant:
        """Return the validated values, of a person in this network."""
        locale, zone = self.locale.data or "", self.timezone.data or ""
        return Applicant(
            address=self.address,
            display_name=self.display_name.data or "",
            locale=locale if _LOCALE.fullmatch(locale) else "en",
            timezone=zone if zone in _ZONES else "UTC",
            network=network,
        )


#: From the most to the least frequent.
FREQUENCIES = {
    Frequency.immediate: "As soon as something happens",
    Frequency.daily: "Once a day",
    Frequency.weekly: "Once a week",
    Frequency.monthly: "Once a month",
    Frequency.never: "Never",
}


class PreferencesForm(FlaskForm):  # type: ignore[misc]
    """A person's preferences. The field names are those of the categories."""

    report = BooleanField()
    digest = RadioField(
        choices={name.value: words for name, words in FREQUENCIES.items()},
        validate_choice=False,
    )
    news = BooleanField()
    stop = SubmitField("Stop all of these")

    def __init__(self, wording: Mapping[str, Words], **options: Any) -> None:
        """Build the form, which names the categories by `wording`."""
        super().__init__(**options)
        self._often_of = wording[DIGEST].within
        for category, words in wording.items():
            self[category].label.text = words.label

    def validate_digest(self, field: RadioField) -> None:
        """Require one of the choices."""
        if field.data not in FREQUENCIES:
            raise ValidationError(f"Choose how often you want {self._often_of}.")

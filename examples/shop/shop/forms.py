"""The forms."""

from zoneinfo import available_timezones

from flask_wtf import FlaskForm
from wtforms import EmailField, IntegerField, PasswordField, SelectField, StringField
from wtforms.fields import SelectChoice
from wtforms.validators import Email, InputRequired, Length, NumberRange

LANGUAGES = {"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español"}
ZONES = ["UTC", *sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))]


class SignUpForm(FlaskForm):
    """A new customer."""

    first_name = StringField("First name", [InputRequired(), Length(max=60)])
    email = EmailField("Email address", [InputRequired(), Email(), Length(max=254)])
    password = PasswordField("Password", [InputRequired(), Length(min=8, max=200)], description="8 characters or more")


class SignInForm(FlaskForm):
    """A customer comes back."""

    email = EmailField("Email address", [InputRequired()])
    password = PasswordField("Password", [InputRequired()])


class AccountForm(FlaskForm):
    """What a customer may change."""

    first_name = StringField("First name", [InputRequired(), Length(max=60)])
    lang = SelectField("Language", choices=[SelectChoice(value=code, label=name) for code, name in LANGUAGES.items()])
    tz = SelectField("Time zone", choices=ZONES)


class QuantityForm(FlaskForm):
    """How many of a product."""

    quantity = IntegerField("Quantity", [InputRequired(), NumberRange(1, 20)], default=1)


class ButtonForm(FlaskForm):
    """A button alone: only the CSRF token counts."""

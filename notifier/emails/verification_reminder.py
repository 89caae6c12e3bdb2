"""verification_reminder: remind people who signed up and never confirmed their address."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, and_, case, exists, literal, or_
from sqlalchemy.orm import aliased

from notifier.content import Content
from notifier.database.expressions import NumberOf, microseconds, moment_of
from notifier.emails.campaign_kind import CampaignKind, Columns, Exclusion, Occasion, Reaches
from notifier.emails.content_variables import GREETING
from notifier.emails.kind import Category, Owed
from notifier.emails.verification import TOKEN_LIFE, links_of
from notifier.english import counted
from notifier.models import Notification, Status, User
from notifier.reasons import ReasonCode


class Steps(BaseModel):
    """When to remind, by the age of the account in days at the slot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: One email per step; a person never gets more emails than there are steps.
    steps: tuple[int, ...] = Field(
        (1, 3, 7),
        min_length=1,
        max_length=10,
        title="Days after sign-up",
        description="One email for each, in rising order: 1, 3, 7 is one at the first run at least 24 hours, 3 days "
        "and 7 days after sign-up. With an hourly schedule, the first one is sent 24 to 25 hours after it; with a "
        "daily one, 24 to 48 hours after it. They stop as soon as the address is confirmed.",
    )
    #: Older accounts are skipped: a new campaign must not write to people who signed up long ago.
    not_after: int = Field(
        30,
        ge=1,
        le=3650,
        title="Skip accounts older than (days)",
        description="Keeps a new campaign from writing to people who signed up long ago.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps[0] < 1 or any(later <= earlier for earlier, later in pairwise(self.steps)):
            raise ValueError("steps must be days in rising order, the first 1 or more")
        if self.not_after <= self.steps[-1]:
            raise ValueError("not_after must be later than the last step")
        return self


class VerificationReminder(CampaignKind):
    """One email per step, with a fresh link, until the address is confirmed."""

    name: ClassVar[str] = "verification_reminder"
    category: ClassVar[Category] = Category.account
    #: No longer than its link works.
    lifetime: ClassVar[timedelta] = TOKEN_LIFE
    because: ClassVar[str] = (
        "You're receiving this because someone signed up with this address and it isn't confirmed yet."
    )
    reaches: ClassVar[Reaches] = Reaches.unconfirmed
    Settings: ClassVar[type[BaseModel]] = Steps
    offers: ClassVar[Mapping[str, Any]] = {
        "verify_url": "https://example.com/verify/abc",
        "not_me_url": "https://example.com/not-me/abc",
        "hours_valid": 24,
        "own_signup": True,
    }

    def content(self, settings: Steps) -> Content:
        """Return the content of templates/emails/verification_reminder."""
        return Content(
            "Reminder: confirm your email address for {{ product }}",
            "Your address isn\u2019t confirmed yet",
            f"{GREETING}\n\n"
            "You signed up for {{ product }}, and there\u2019s one step left: please confirm that this email address "
            "is yours.\n\n"
            "{button: Confirm my address | {{ verify_url }}}\n\n"
            "The link is valid for {{ hours_valid }} {{ 'hour' if hours_valid == 1 else 'hours' }}. If it has "
            "expired, {% if own_signup %}open it anyway to get a new one{% else %}ask for a new one where you signed "
            "up{% endif %}.\n\n"
            "Didn\u2019t sign up? [Tell us it wasn\u2019t you]({{ not_me_url }}), and we\u2019ll "
            "{% if own_signup %}delete the account and stop these reminders. Or ignore this email: the account "
            "won\u2019t be activated, and the reminders will stop on their own.{% else %}stop emails to this address. "
            "Or ignore this email: the address stays unconfirmed, and the reminders will stop on their own.{% endif %}",
        )

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Exclude accounts that are too young or too old, and addresses that must not be reminded.

        Of the people of an application that embeds us, it reaches those who confirm by our links, and got one.
        """
        steps: Steps = occasion.settings
        first, last = steps.steps[0], steps.not_after
        young, old = ~_is_aged(occasion, columns, first), _is_aged(occasion, columns, last)
        seen = {"signed up at": User.created_at}
        return [
            _confirmed_elsewhere(),
            Exclusion("too_young", f"the account is younger than {_days(first)}", young, seen),
            Exclusion("too_old", f"the account is older than {_days(last)}", old, seen),
            _same_mailbox(occasion.slot - timedelta(days=last)),
            _held_back(),
            _not_asked(),
        ]

    def timing(self, occasion: Occasion, step: timedelta | None) -> str:
        """Return a sentence about the time from the sign-up to the first reminder, by the schedule."""
        hours = 24 * occasion.settings.steps[0]
        text = f"The first reminder is sent at the first run when the account is at least {hours} hours old"
        if step is not None:
            most = hours + step / timedelta(hours=1)
            text += f": {hours} to {most:.3g} hours after sign-up"
        place = ", by the clock in each recipient's time zone" if occasion.by_their_clocks else ""
        return f"{text}{place}."

    def period(self, occasion: Occasion, columns: Columns) -> ColumnElement[str]:
        """Build the newest step whose age is reached at sending, so that a missed step does not bring two emails.

        It is named by number, not by days: even if the days change, no person gets more emails than there are steps.
        """
        steps = reversed(list(enumerate(occasion.settings.steps, 1)))
        reached = ((_is_aged(occasion, columns, days), literal(f"step{number}")) for number, days in steps)
        return case(*reached, else_=literal("none"))

    def params(self, occasion: Occasion, columns: Columns) -> Mapping[str, ColumnElement[Any] | str | int]:
        """Return `send_at`, from which the link is valid."""
        return {"send_at": columns.send_at}

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if the user is verified: verified users do not need the link."""
        return "verified meanwhile" if owed.user.verified_at else None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `verify_url` and `not_me_url`, the same in every attempt, `hours_valid`, and `own_signup`."""
        row = owed.notification
        # Planned ahead if it goes by the recipient's time zone: the link must not be old when it arrives.
        planned = moment_of(row.params["send_at"])
        return links_of(owed, max(row.created_at, planned))


def _same_mailbox(since: datetime) -> Exclusion:
    """Exclude all but the oldest account of a mailbox: otherwise each tag added to an address brings more reminders."""
    other = aliased(User)
    older = exists().where(other.abuse_key == User.abuse_key, other.id < User.id, other.created_at > since)
    return Exclusion(
        "same_mailbox",
        "an older account of the same mailbox gets the reminder",
        older.correlate(User),
        {"signed up at": User.created_at},
    )


def _confirmed_elsewhere() -> Exclusion:
    """Exclude people whose application confirms addresses itself, and would not learn that they followed our link."""
    words = "their application confirms addresses itself"
    return Exclusion("confirmed_elsewhere", words, User.confirms_here.is_(False), {})


def _not_asked() -> Exclusion:
    """Exclude people of an application that embeds us to whom no verification email was sent.

    Their account may be years old: it counts from the day on which it was first mirrored.
    """
    never = and_(User.external_id.is_not(None), ~_was_sent())
    return Exclusion(
        "not_asked", "the verification email was never sent to them", never, {"here since": User.created_at}
    )


def _was_sent() -> ColumnElement[bool]:
    mine = (Notification.user_id == User.id, Notification.kind == "verification")
    return exists().where(*mine, Notification.status.in_((Status.sent, Status.unknown))).correlate(User)


def _held_back() -> Exclusion:
    """Exclude addresses that never got the verification email, because a limit or a suppression held it back."""
    mine = (Notification.user_id == User.id, Notification.kind == "verification")
    kept_back = or_(Notification.status == Status.suppressed, Notification.reason_code.in_(_LIMITS))
    never = and_(
        exists().where(*mine, kept_back).correlate(User),
        ~_was_sent(),
    )
    return Exclusion("held_back", "the verification email was held back", never, {"signed up at": User.created_at})


#: Reasons for which a verification email was not sent although the address may be valid.
_LIMITS = (ReasonCode.mailbox_limit, ReasonCode.source_limit)


def _is_aged(occasion: Occasion, columns: Columns, days: int) -> ColumnElement[bool]:
    """Build a condition on User: this many times 24 hours lie between their sign-up and the time of sending."""
    if not occasion.by_their_clocks:
        return User.created_at <= occasion.slot - timedelta(days=days)
    age = microseconds(timedelta(days=days))
    return NumberOf(User.created_at) + age <= NumberOf(columns.send_at)


def _days(number: int) -> str:
    return "a day" if number == 1 else counted(number, "day")

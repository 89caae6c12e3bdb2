"""The form of a campaign: its columns as inputs, and back. Nothing that was typed is ever lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifier import audience
from notifier.admin.campaigns import form_schedule, form_settings
from notifier.admin.campaigns.inputs import (
    Fields,
    Problems,
    decimal,
    length,
    listed,
    moment,
    number,
    shown_length,
    shown_moment,
)
from notifier.campaigns import editing
from notifier.campaigns.content_versions import has_content
from notifier.campaigns.errors import Invalid
from notifier.emails.campaign_kind import CampaignKind, Reaches
from notifier.emails.kind import EmailKind
from notifier.models import Campaign
from notifier.scheduling import periods

#: Which accounts it goes to, by what its kind reaches. The first is what the kind says; an empty list: no choice.
ACCOUNTS: Mapping[Reaches, Mapping[str, str]] = {
    Reaches.confirmed: {
        "": "Confirmed accounts only",
        "any": "Confirmed accounts and accounts that are not confirmed",
        "no": "Only accounts that are not confirmed",
    },
    Reaches.both: {
        "": "Confirmed accounts and accounts that are not confirmed",
        "yes": "Confirmed accounts only",
        "no": "Only accounts that are not confirmed",
    },
    Reaches.unconfirmed: {},
}

MISFIRES = {
    "run_late": ("Send late", "However late it is, everyone gets their email."),
    "within": ("Send late, within a limit", "Runs later than the limit are skipped."),
    "skip": ("Skip", "The missed run is not sent. The next one runs as usual."),
}

ON_UNKNOWN = {
    "never": ("Don't resend", "No one gets an email twice; occasionally a person gets none."),
    "resend": ("Resend", "No one is missed; occasionally a person gets the same email twice."),
    "ask": ("Ask", "The email waits on the Uncertain page until an operator decides."),
}

#: Inputs whose name is not that of their column.
_PLACES = {
    "audience.verified": "verified", "audience.signed_up_from": "signed_up_from",
    "audience.signed_up_before": "signed_up_before", "audience.locales": "locales",
    "audience.user_from": "user_from", "audience.user_to": "user_to", "audience.share": "share",
    "audience": "section-audience", "misfire_within": "misfire_within-number", "lifetime": "lifetime-number",
    "every": "every-number", "once_at": "date", "": "section-basics",
}  # fmt: skip

#: In the order of the page, for the summary of what is wrong.
LABELS = {
    "title": "Title", "name": "Name", "kind": "Kind", "repeat": "How often", "weekday": "Days",
    "day": "Day of the month",
    "date": "Date", "every-number": "Every", "cron": "Cron expression", "at": "At", "zone": "Time zone",
    "recipient_local": "In each recipient\u2019s time zone", "start_at": "Not before", "end_at": "Not after",
    "verified": "Accounts", "locales": "Languages", "signed_up_from": "Signed up from",
    "signed_up_before": "Signed up before", "user_from": "Accounts from number", "user_to": "Accounts up to number",
    "share": "Share", "rate": "Emails a second", "quiet_from": "Quiet from", "quiet_to": "Quiet until",
    "lifetime-number": "Expires after", "misfire": "If a run is missed",
    "misfire_within-number": "Not later than", "on_unknown": "If delivery is uncertain",
}  # fmt: skip


@dataclass(slots=True)
class Form:
    """A form as it is shown: what stands in its inputs, and what is wrong with them."""

    kind: CampaignKind
    fields: Fields
    #: The stored campaign; None for a new one.
    campaign: Campaign | None = None
    problems: Problems = field(default_factory=Problems)
    #: What it says, by the names of the columns; where nothing is wrong, all of it.
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def inputs(self) -> list[form_settings.Input]:
        """Those of the kind's own settings."""
        return [each for each in form_settings.inputs(self.kind.Settings) if each.name not in self.kept]

    @property
    def kept(self) -> frozenset[str]:
        """The settings that are content: once the campaign has one, its editor changes them, and this form shows it."""
        there = self.campaign is not None and has_content(self.campaign, self.kind)
        return self.kind.text_settings if there else frozenset()

    @property
    def warning(self) -> str:
        """What somebody should know who chose accounts that are not confirmed."""
        chosen = self.kind.reaches is Reaches.confirmed and self.fields.one("verified") in ("any", "no")
        return audience.UNCONFIRMED_WARNING if chosen else ""

    @property
    def summary(self) -> list[tuple[str, str, str]]:
        """(input, its label, what is wrong) in the order of the page."""
        labels = LABELS | {each.id: each.label for each in self.inputs}
        order = {name: place for place, name in enumerate(labels)}
        found = sorted(self.problems.by_field.items(), key=lambda item: order.get(item[0], len(order)))
        return [(name, labels.get(name, ""), words) for name, words in found]

    def wrong(self, name: str) -> str:
        """What is wrong with an input."""
        return self.problems.by_field.get(name, "")


def shown(values: Mapping[str, Any], kind: CampaignKind) -> Fields:
    """What stands in the inputs for these columns."""
    people = values.get("audience") or {}
    zone, _ = periods.zone_of(None, values.get("zone"))
    chosen = {True: "yes", False: "no", "any": "any"}.get(people.get("verified"), "")
    share = people.get("share")
    texts = {
        "name": [values.get("name") or ""],
        "title": [values.get("title") or ""],
        "kind": [kind.name],
        # What says the same as the kind is no choice of its own.
        "verified": [chosen if chosen in ACCOUNTS[kind.reaches] else ""],
        "signed_up_from": [shown_moment(_moment(people.get("signed_up_from")), zone)],
        "signed_up_before": [shown_moment(_moment(people.get("signed_up_before")), zone)],
        "locales": [", ".join(people.get("locales") or ())],
        "user_from": [str(people.get("user_from") or "")],
        "user_to": [str(people.get("user_to") or "")],
        "share": [f"{share * 100:.10g}" if share else ""],
        "rate": [f"{values['rate']:.10g}" if values.get("rate") else ""],
        "quiet_from": [values.get("quiet_from") or ""],
        "quiet_to": [values.get("quiet_to") or ""],
        "capped": ["yes"] if values.get("capped", True) else [],
        "misfire": [str(values.get("misfire") or "run_late")],
        "coalesce": ["yes"] if values.get("coalesce", True) else [],
        "on_unknown": [str(values.get("on_unknown") or "never")],
        **shown_length("misfire_within", values.get("misfire_within")),
        **shown_length("lifetime", values.get("lifetime"), "days"),
        **form_schedule.shown(values),
        **form_settings.shown(kind.Settings, values.get("settings") or {}),
    }
    return Fields(texts)


def read(
    fields: Fields,
    kind: CampaignKind,
    kinds: Mapping[str, EmailKind],
    *,
    now: datetime,
    campaign: Campaign | None = None,
) -> Form:
    """The form with what it says, and everything that is wrong with it."""
    form = Form(kind, fields, campaign)
    form.problems.add_all(fields.broken().items())
    was = {} if campaign is None else editing.written(campaign)
    form.values = _values(fields, kind, form.problems, was, form.kept)
    for name in form_settings.typed_again(kind.Settings, fields, form.kept, was.get("settings") or {}):
        form.problems.add(
            "section-settings", f"“{name}” is now part of the content. Edit the content, then save this form."
        )
    try:
        editing.draft(form.values, kinds, now=now, like=campaign)
    except Invalid as error:
        form.problems.add_all(place(form, path, words) for path, words in error.problems)
    return form


def _values(
    fields: Fields, kind: CampaignKind, problems: Problems, was: Mapping[str, Any], kept: frozenset[str]
) -> dict[str, Any]:
    late = fields.one("misfire")
    return {
        "name": was.get("name") or fields.one("name"),
        "title": fields.one("title"),
        "kind": kind.name,
        **form_schedule.read(fields, problems, was),
        "audience": _audience(fields, kind, problems, was),
        "settings": form_settings.read(kind.Settings, fields, problems, was.get("settings"), kept),
        "rate": decimal(fields, "rate", problems),
        "quiet_from": fields.one("quiet_from")[:5] or None,
        "quiet_to": fields.one("quiet_to")[:5] or None,
        "capped": fields.on("capped"),
        "misfire": late,
        # What is written beside a policy that was not chosen says nothing.
        "misfire_within": length(fields, "misfire_within", problems) if late == "within" else None,
        "coalesce": fields.on("coalesce"),
        "on_unknown": fields.one("on_unknown"),
        "lifetime": length(fields, "lifetime", problems),
    }


def _audience(fields: Fields, kind: CampaignKind, problems: Problems, was: Mapping[str, Any]) -> dict[str, Any]:
    zone, whose = periods.zone_of(fields.one("zone"))
    old = (was.get("audience") or {}) if was.get("zone") == fields.one("zone") else {}
    share = decimal(fields, "share", problems)
    choices: dict[str, bool | str] = {"yes": True, "no": False, "any": "any"}
    verified = choices.get(fields.one("verified")) if ACCOUNTS[kind.reaches] else None
    if verified is None and (was.get("audience") or {}).get("verified") is True:
        verified = True  # it said so in words of its own, and still does

    def signed_up(name: str) -> datetime | None:
        return moment(fields, name, None if whose else zone, problems, was=_moment(old.get(name)))

    values: dict[str, Any] = {
        "verified": verified,
        "signed_up_from": signed_up("signed_up_from"),
        "signed_up_before": signed_up("signed_up_before"),
        "locales": listed(fields.one("locales")) or None,
        "user_from": number(fields, "user_from", problems),
        "user_to": number(fields, "user_to", problems),
        "share": None if share is None else share / 100,
    }
    return {name: value for name, value in values.items() if value is not None}


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def place(form: Form, path: str, words: str) -> tuple[str, str]:
    """The input of a mistake, and the words for people."""
    field_, _, rest = path.partition(".")
    if field_ == "settings":
        return form_settings.place(form.kind.Settings, rest, words)
    first = words.partition(" ")[0]
    if path == "audience" and first in LABELS:
        # A mistake of two inputs together, told by the names that the code has for them.
        return first, " ".join(f"\u201c{LABELS[word]}\u201d" if word in LABELS else word for word in words.split())
    if path == "cron":
        repeat = form.fields.one("repeat")
        return {"daily": "at", "weekly": "at", "monthly": "day"}.get(repeat, "cron"), words
    found = next((place for start, place in _PLACES.items() if start and f"{path}.".startswith(f"{start}.")), field_)
    return found or _PLACES[""], words

"""The form of a campaign, read once for each request: its inputs, and what they say by the names of the columns."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import wtforms
from werkzeug.datastructures import MultiDict

from notifier.admin.campaigns import mistakes
from notifier.admin.campaigns.choices import DAYS, MISFIRES, ON_UNKNOWN, REPEATS, START, TIMED, VERIFIED, WEEKDAYS
from notifier.admin.campaigns.cron_inputs import cron_choices
from notifier.admin.kit.fields import (
    Box,
    Choice,
    Clock,
    Day,
    Form,
    Length,
    Listed,
    Moment,
    Number,
    Ticks,
    Typed,
    Within,
)
from notifier.campaigns import editing
from notifier.campaigns.content_versions import has_content
from notifier.campaigns.editing import Checked
from notifier.campaigns.errors import Invalid
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.kind import EmailKind
from notifier.models import Campaign
from notifier.scheduling import periods

_CODE = {"autocapitalize": "none", "spellcheck": "false"}


class CampaignForm(Form):
    """Everything but the kind's own settings, in the order of the page."""

    title = Typed("Title", "Internal name; recipients don\u2019t see it.", maxlength=200, required=True)
    name = Typed(
        "Name",
        "Used in commands: lower-case letters, digits and hyphens. Can\u2019t be changed later.",
        maxlength=64,
        required=True,
        **_CODE,
    )
    repeat = Choice("How often", REPEATS, wrong="Choose how often it runs.")
    weekday = Ticks("On these days", WEEKDAYS)
    day = Choice("Day of the month", DAYS, "Months without that day are skipped.", default="1")
    date = Day("Date")
    every = Length("Every", "A fixed interval: it doesn\u2019t follow daylight-saving time.")
    cron = Typed(
        "Cron expression",
        "Minute, hour, day of the month, month, day of the week: 30 7 * * 1 is every Monday at 07:30.",
        maxlength=100,
        **_CODE,
    )
    at = Clock("At", "In the time zone below")
    zone = Typed("Time zone", "Type a city to find it.", list="zones", autocomplete="off", spellcheck="false")
    recipient_local = Box(
        "In each recipient\u2019s time zone",
        description="Everyone gets it at that local time. People whose time zone isn\u2019t known get it in the one "
        "above.",
    )
    start_at = Moment("Not before", "In the time zone above. If empty, it starts now.")
    end_at = Moment("Not after", "No runs start after this. If empty, it never ends.")
    #: Those of the kind: see `notifier.admin.campaigns.forms`.
    settings = wtforms.FormField(Form)
    verified = Choice("Accounts", {"": ""}, default="")
    locales = Listed(
        "Languages",
        "Separate them with commas, such as de, fr; “de” includes “de-AT”. If empty, all languages.",
        **_CODE,
    )
    share = Number(
        "Share of all accounts (%)",
        "Always the same people: 10 selects a tenth. If empty, all accounts.",
        maxlength=20,
        validators=[Within(0, 100, "%")],
    )
    signed_up_from = Moment("Signed up from")
    signed_up_before = Moment("Signed up before")
    user_from = Number("From account number", whole=True, maxlength=20)
    user_to = Number("Up to account number", whole=True, maxlength=20)
    rate = Number("Emails per second", "Across all workers. If empty, no limit for this campaign.", maxlength=20)
    quiet_from = Clock("Quiet from", "In each recipient\u2019s time zone")
    quiet_to = Clock("Quiet until", "Emails due in quiet hours wait until this time")
    capped = Box("Weekly cap applies")
    lifetime = Length("Expires after")
    misfire = Choice(
        "If a run is missed", MISFIRES, "A run is missed if the scheduler was down or the campaign was paused."
    )
    misfire_within = Length("Limit", "How late a run may start.")
    coalesce = Box(
        "Combine missed runs into one", description="Only the latest one runs. If unchecked, each of them runs."
    )
    on_unknown = Choice(
        "If delivery is uncertain",
        ON_UNKNOWN,
        "Delivery is uncertain if the connection broke after the email was handed over and before the server answered.",
    )
    start = Choice("After saving", START, default="paused")

    def __init__(
        self,
        formdata: MultiDict[str, str] | None = None,
        *,
        kind: CampaignKind | None,
        kinds: Mapping[str, EmailKind],
        now: datetime,
        campaign: Campaign | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Read what was typed, else show `data`. `campaign`: what is edited. Without a kind it is a schedule alone."""
        self.kind, self.campaign, self.kinds, self._now = kind, campaign, kinds, now
        self.was: dict[str, Any] = {} if campaign is None else editing.written(campaign)
        #: What is wrong, in words, by the id of the input or of the section.
        self.problems: dict[str, str] = {}
        super().__init__(formdata, data=data)
        self.kept = self._kept(formdata)
        again = self._typed_again()
        for name in self.kept:
            del self.settings.form[name]
        if not (super().validate() and self._is_whole() and not again):
            mistakes.gather(self, again)

    def _kept(self, formdata: MultiDict[str, str] | None) -> frozenset[str]:
        """Return the settings that are content: once there is one, its editor changes them, and this form shows it.

        A page that showed the content has sent no inputs for it.
        """
        if self.campaign is None or self.kind is None or not self.kind.text_settings:
            return frozenset()
        if formdata and not any(f"settings-{name}" in formdata for name in self.kind.text_settings):
            return self.kind.text_settings
        return self.kind.text_settings if has_content(self.campaign, self.kind) else frozenset()

    def _typed_again(self) -> list[str]:
        """Return the labels of settings that are content by now, and that a page from before changes nevertheless."""
        was, fields = self.was.get("settings") or {}, self.settings.form
        sent = (fields[name] for name in self.kept if fields[name].raw_data)
        return [field.label.text for field in sent if field.data != was.get(field.short_name, field.default)]

    def _is_whole(self) -> bool:
        """Return whether everything is there that the chosen way to repeat needs."""
        repeat = self.repeat.data
        needs = {"once": self.date.data, "interval": self.every.seconds, "cron": self.cron.data}
        weekdays = repeat != "weekly" or self.weekday.data
        return bool(weekdays and needs.get(repeat, True)) and (repeat not in TIMED or self.at.data is not None)

    def inputs(self) -> Iterator[tuple[str, Any]]:
        """Yield every input with its label, in the order of the page."""
        for field in self:
            if isinstance(field, Length):
                yield field.label.text, field.form.number
            elif isinstance(field, wtforms.FormField):
                yield from ((inner.label.text, inner) for inner in field.form)
            else:
                yield field.label.text, field

    @cached_property
    def values(self) -> dict[str, Any]:
        """What it says, by the names of the columns; None for what is empty or wrong."""
        late = self.misfire.data
        return {
            "name": self.was.get("name") or self.name.data or "",
            "title": self.title.data or "",
            "kind": "" if self.kind is None else self.kind.name,
            **self.schedule,
            "audience": self._audience,
            "settings": self._settings,
            "rate": None if self.rate.data is None else float(self.rate.data),
            "quiet_from": self.quiet_from.data and f"{self.quiet_from.data:%H:%M}",
            "quiet_to": self.quiet_to.data and f"{self.quiet_to.data:%H:%M}",
            "capped": self.capped.data,
            "misfire": late,
            # What is typed beside a policy that was not chosen says nothing.
            "misfire_within": self.misfire_within.seconds if late == "within" else None,
            "coalesce": self.coalesce.data,
            "on_unknown": self.on_unknown.data,
            "lifetime": self.lifetime.seconds,
        }

    @cached_property
    def schedule(self) -> dict[str, Any]:
        """The columns of the schedule."""
        repeat, name = self.repeat.data, self.zone.data or "UTC"
        # The same moment only counts as such as long as it is written on the same clocks.
        old = self.was if self.was.get("zone") == name else {}
        return {
            "cron": self._cron,
            "every": self.every.seconds if repeat == "interval" else None,
            "once_at": self._once(old.get("once_at")) if repeat == "once" else None,
            "zone": name,
            "recipient_local": self.recipient_local.data,
            "start_at": self._moment(self.start_at, old.get("start_at")),
            "end_at": self._moment(self.end_at, old.get("end_at")),
        }

    @property
    def _cron(self) -> str | None:
        repeat, at, was = self.repeat.data, self.at.data, self.was.get("cron")
        if repeat == "cron":
            return self.cron.data or ""
        if at is None or repeat not in ("daily", "weekly", "monthly"):
            return None
        week = ",".join(day for day in WEEKDAYS if day in self.weekday.data) if repeat == "weekly" else "*"
        chosen = f"{at.minute} {at.hour} {self.day.data if repeat == 'monthly' else '*'} * {week or '*'}"
        # Other words for the same are no change.
        same = was == chosen or (was and cron_choices(was) == cron_choices(chosen))
        return was if same else chosen

    def _once(self, was: datetime | None) -> datetime | None:
        if self.date.data is None or self.at.data is None or self._zone is None:
            return None
        wall = datetime.combine(self.date.data, self.at.data)
        same = was is not None and f"{periods.wall(was, self._zone):%F%H%M}" == f"{wall:%F%H%M}"
        return was if same else periods.resolve(wall, self._zone)

    @cached_property
    def _zone(self) -> ZoneInfo | None:
        """The zone that was typed; None if there is no such zone."""
        zone, instead = periods.zone_of(self.zone.data or "UTC")
        return None if instead else zone

    def _moment(self, field: Moment, was: datetime | str | None) -> datetime | None:
        """Return the moment of a wall time; `was`, if that is what is typed: it may be finer than a minute."""
        if field.data is None or self._zone is None:
            return None
        before = datetime.fromisoformat(was) if isinstance(was, str) else was
        if before is not None and field.shown(periods.wall(before, self._zone)) == field.shown(field.data):
            return before
        return periods.resolve(field.data, self._zone)

    @property
    def _audience(self) -> dict[str, Any]:
        was = self.was.get("audience") or {}
        old = was if self.was.get("zone") == self.schedule["zone"] else {}
        verified = VERIFIED.get(self.verified.data) if self.verified else None
        if verified is None and was.get("verified") is True:
            verified = True  # it said so in words of its own, and still does
        values = {
            "verified": verified,
            "signed_up_from": self._moment(self.signed_up_from, old.get("signed_up_from")),
            "signed_up_before": self._moment(self.signed_up_before, old.get("signed_up_before")),
            "locales": self.locales.data or None,
            "user_from": self.user_from.data,
            "user_to": self.user_to.data,
            "share": None if self.share.data is None else float(self.share.data) / 100,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def _settings(self) -> dict[str, Any]:
        """Those of the kind. What is empty is left out, and so is a default that was not written before."""
        was = self.was.get("settings") or {}
        values = {name: value for name, value in was.items() if name in self.kept}
        found = {field.short_name: (field.data, field.default) for field in self.settings.form}
        return values | {
            name: value
            for name, (value, default) in found.items()
            if value is not None and (name in was or value != default)
        }

    @cached_property
    def checked(self) -> Checked | None:
        """What it would store, checked as a whole; None if it cannot be: then `problems` say why."""
        try:
            return editing.check(self.values, self.kinds, now=self._now, like=self.campaign)
        except Invalid as error:
            mistakes.blame(self, error.problems)
            return None

    @cached_property
    def draft(self) -> Campaign | None:
        """The campaign that it would be, under any name, for previews and counts; None if it cannot be."""
        checked = self.checked
        if checked is None and self.campaign is None:
            try:
                checked = editing.check(self.values | {"name": "draft"}, self.kinds, now=self._now)
            except Invalid:
                return None
        return None if checked is None else checked.draft(self._now)

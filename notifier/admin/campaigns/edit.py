"""Making and editing campaigns: one form, with a preview of what it means."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from werkzeug.exceptions import NotFound

from notifier import audience, clock
from notifier.admin.campaigns import form as campaign_form
from notifier.admin.campaigns import form_schedule, schedule_preview
from notifier.admin.campaigns.form import Form
from notifier.admin.campaigns.inputs import UNITS, Fields
from notifier.admin.campaigns.schedule_preview import SchedulePreview
from notifier.admin.kit import login
from notifier.admin.kit.page import Page, act, get, show
from notifier.audience import AudienceError, occasion_of
from notifier.campaigns import content_versions, editing, merging
from notifier.campaigns.errors import Changed, Invalid
from notifier.campaigns.merging import Conflict
from notifier.content import Content
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.kind import Category
from notifier.extensions import db
from notifier.models import Campaign, CampaignState, Role, User
from notifier.operators import audit_log
from notifier.scheduling import periods
from notifier.services import services

#: Up to so many accounts a page counts at once; beyond, it fetches the count when it is shown.
QUICK = 20_000


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people a form reaches, by the rule that sends."""

    chosen: int
    #: Of those: people whose address is not confirmed.
    unconfirmed: int
    #: (how many, why), the most first.
    left_out: list[tuple[int, str]]
    slot: datetime


class Editing(Page):
    """The form of a campaign."""

    @show("/new", Role.editor)
    def choose_kind(self) -> ResponseReturnValue:
        """First the kind of mail: what may be set depends on it."""
        kind = request.args.get("kind")
        if kind is None:
            page: str = self.render("admin/campaign_new.html", kinds=_campaign_kinds())
            return page
        # News go when somebody sends them; everything else begins as a suggestion.
        cron = None if _kind(kind).category is Category.news else "0 9 * * 1"
        values = {"cron": cron, "title": kind.replace("_", " ").capitalize(), "name": kind.replace("_", "-")}
        return self._page(Form(_kind(kind), campaign_form.shown(values, _kind(kind))))

    @act("/new")
    def create(self) -> ResponseReturnValue:
        """Store a new one, or say what is wrong."""
        form, session = _typed(None), db.session()
        if request.form.get("do") == "show" or form.problems:
            return self._page(form, reach=True, saving=request.form.get("do") != "show")
        paused = None if request.form.get("start") == "active" else "it is new"
        state = CampaignState.active if paused is None else CampaignState.paused
        try:
            made = editing.create(
                session, form.values, services().kinds, now=clock.now(), state=state, paused_reason=paused
            )
        except Invalid as error:
            return self._refused(form, error)
        audit_log.record(
            session, login.actor(), "campaign.created", object_type="campaign", object_id=made.id,
            after=editing.written(made),
        )  # fmt: skip
        pk = made.id
        session.commit()
        flash(
            "Campaign saved and paused. Resume it when you're ready." if paused else "Campaign saved and started.",
            "success",
        )
        return redirect(url_for(".campaign", pk=pk), 303)

    @show("/<key:pk>/edit", Role.editor)
    def edit(self, pk: int) -> ResponseReturnValue:
        """What is stored, as a form."""
        campaign: Campaign = get(Campaign, pk)
        kind = _kind(campaign.kind)
        return self._page(Form(kind, campaign_form.shown(editing.written(campaign), kind), campaign))

    @act("/<key:pk>/edit")
    def save(self, pk: int) -> ResponseReturnValue:
        """Store it where nobody else changed it meanwhile."""
        campaign: Campaign = get(Campaign, pk)
        form, session = _typed(campaign), db.session()
        if request.form.get("do") == "show" or form.problems:
            return self._page(form, reach=True, saving=request.form.get("do") != "show")
        before, version = editing.written(campaign), _version()
        try:
            changed = editing.edit(
                session, campaign.name, form.values, services().kinds, version=version, now=clock.now()
            )
        except Invalid as error:
            return self._refused(form, error)
        except Changed:
            return self._told(pk, form)
        audit_log.record(
            session, login.actor(), "campaign.edited", object_type="campaign", object_id=pk,
            before=before, after=editing.written(changed),
        )  # fmt: skip
        session.commit()
        flash("Saved. Changes take effect within 30 seconds.", "success")
        return redirect(url_for(".campaign", pk=pk), 303)

    @act("/preview/schedule")
    def preview_schedule(self) -> ResponseReturnValue:
        """The words and the next runs of what is typed, for the page to fetch. Changes nothing."""
        campaign = _edited()
        if campaign is None and not request.form.get("kind"):
            preview = schedule_preview.of_fields(_fields(), clock.now())
        else:
            preview = _schedule(_typed(campaign))
        return render_template("admin/_campaign_schedule.html", preview=preview)

    @act("/preview/audience")
    def preview_audience(self) -> ResponseReturnValue:
        """How many people it reaches as it is typed, for the page to fetch. Changes nothing."""
        form = _typed(_edited())
        return render_template("admin/_campaign_audience.html", reach=_reach(form), form=form)

    def _page(
        self, form: Form, *, reach: bool = False, saving: bool = False, conflict: Conflict | None = None
    ) -> ResponseReturnValue:
        """The form. `reach`: count people whatever it takes; `saving`: it was to be stored, so tell what is wrong."""
        campaign = form.campaign
        few = (db.session.scalar(select(func.max(User.id))) or 0) <= QUICK
        settings = services().settings
        version = campaign.version if campaign is not None else 0
        page: str = self.render(
            "admin/campaign_form.html",
            form=form,
            problems=form.summary if saving else [],
            wrong=form.wrong if saving else lambda _name: "",
            campaign=campaign,
            version=version if conflict or not saving else (_version() or version),
            seen=_seen(campaign, form, conflict, kept=bool(request.form)),
            conflict=conflict,
            preview=_schedule(form),
            reach=_reach(form) if reach or few else None,
            zones=sorted(periods.names()),
            repeats=form_schedule.REPEATS,
            weekdays=form_schedule.WEEKDAYS,
            days=form_schedule.DAYS,
            units=UNITS,
            accounts=campaign_form.ACCOUNTS[form.kind.reaches],
            misfires=campaign_form.MISFIRES,
            on_unknown=campaign_form.ON_UNKNOWN,
            life=form.kind.lifetime,
            cap=settings.mail_cap_per_week,
            content=_content(form),
        )
        return page, 409 if conflict else 400 if saving else 200

    def _refused(self, form: Form, error: Invalid) -> ResponseReturnValue:
        db.session.rollback()
        form.problems.add_all(campaign_form.place(form, path, words) for path, words in error.problems)
        return self._page(form, saving=True)

    def _told(self, pk: int, form: Form) -> ResponseReturnValue:
        """Somebody else was first: theirs and yours, and a form in which neither is lost."""
        session = db.session()
        session.rollback()
        campaign: Campaign = get(Campaign, pk)
        conflict = merging.conflict(session, campaign, form.values, request.form.get("seen", ""), services().kinds)
        merged = Form(form.kind, campaign_form.shown(conflict.merged, form.kind), campaign, values=conflict.merged)
        return self._page(merged, conflict=conflict)


def _seen(campaign: Campaign | None, form: Form, conflict: Conflict | None, *, kept: bool) -> str:
    """What stood there when the form was opened; after a conflict it is opened anew."""
    if campaign is None:
        return ""
    return request.form.get("seen", "") if kept and conflict is None else merging.seen(campaign)


def _draft(form: Form) -> Campaign | None:
    """Return what the form would store, whatever its name. None if it says nothing yet that could be."""
    campaign = form.campaign
    values = form.values or (editing.written(campaign) if campaign is not None else _values(form))
    values = {**values, "name": campaign.name if campaign is not None else "draft"}
    try:
        return editing.draft(values, services().kinds, now=clock.now(), like=campaign)
    except Invalid:
        return None


def _schedule(form: Form) -> SchedulePreview:
    """What the schedule means, as far as it is right."""
    now = clock.now()
    typed = schedule_preview.of_fields(form.fields, now, form.campaign)
    meant = None if typed.wrong else _draft(form)
    return typed if meant is None else schedule_preview.of_campaign(meant, now, services().kinds)


def _reach(form: Form) -> Reach | None:
    """Ask the rule about the form as it is. None where it says nothing yet that could be asked about."""
    now, meant = clock.now(), _draft(form)
    if meant is None:
        return None
    upcoming = schedule_preview.of_campaign(meant, now, services().kinds).runs
    slot = upcoming[0].slot if upcoming else now
    try:
        counts = audience.counts(db.session(), occasion_of(meant, slot, services().kinds), now=now)
    except AudienceError:
        return None
    left_out = sorted(
        ((number, counts.words.get(code, code)) for code, number in counts.excluded.items()), reverse=True
    )
    return Reach(counts.chosen, counts.unconfirmed, left_out, slot)


def _content(form: Form) -> tuple[Content, int] | None:
    """What its emails say, and the number of that version, where another page edits it."""
    if form.campaign is None or not form.kept:
        return None
    row = content_versions.current(db.session(), form.campaign)
    said = content_versions.now_said(db.session(), form.campaign, services().kinds)
    return said, row.number if row is not None else 0


def _values(form: Form) -> dict[str, Any]:
    return campaign_form.read(form.fields, form.kind, services().kinds, now=clock.now()).values


def _typed(campaign: Campaign | None) -> Form:
    fields = _fields()
    kind = _kind(campaign.kind if campaign is not None else fields.one("kind"))
    return campaign_form.read(fields, kind, services().kinds, now=clock.now(), campaign=campaign)


def _fields() -> Fields:
    return Fields(request.form.to_dict(flat=False))


def _edited() -> Campaign | None:
    """The campaign whose form a preview is for."""
    text = request.form.get("campaign", "")
    return get(Campaign, int(text)) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _version() -> int | None:
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def _campaign_kinds() -> list[CampaignKind]:
    found = [kind for kind in services().kinds.values() if isinstance(kind, CampaignKind)]
    return sorted(found, key=lambda kind: kind.name)


def _kind(name: str) -> CampaignKind:
    kind = services().kinds.get(name)
    if not isinstance(kind, CampaignKind):
        raise NotFound
    return kind

"""Making and editing campaigns: one form, with a preview of what it means."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from notifier import audience, clock
from notifier.admin.campaigns import mistakes, schedule_preview
from notifier.admin.campaigns.form import CampaignForm
from notifier.admin.campaigns.forms import filled, form_of
from notifier.admin.kit import expired_session
from notifier.admin.kit.page import Page, act, get, show
from notifier.audience import AudienceError, occasion_of
from notifier.campaigns import content_versions, edit_conflicts, editing
from notifier.campaigns.edit_conflicts import Conflict
from notifier.campaigns.errors import Changed, Invalid
from notifier.campaigns.lookup import free_name
from notifier.content import Content
from notifier.emails.campaign_kind import CampaignKind, Reaches
from notifier.emails.kind import Category, EmailKind
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
        sent, kind = expired_session.typed(), request.args.get("kind")
        if sent is not None:
            return self._page(_typed(None, sent), sent=sent)
        if kind is None:
            page: str = self.render("admin/campaign_new.html", kinds=_campaign_kinds())
            return page
        chosen = _kind(kind)
        # News go when an operator sends them; everything else begins as a suggestion.
        cron = None if chosen.category is Category.news else "0 9 * * 1"
        name = free_name(db.session(), kind.replace("_", "-"))
        values = {"cron": cron, "title": kind.replace("_", " ").capitalize(), "name": name}
        return self._page(_shown(chosen, values))

    @act("/new", keeps="choose_kind")
    def create(self) -> ResponseReturnValue:
        """Store a new one, or say what is wrong."""
        form, session = _typed(None), db.session()
        if request.form.get("do") == "show":
            return self._page(form, reach=True)
        if form.checked is None or form.problems:
            return self._page(form, reach=True, saving=True)
        paused = None if form.start.data == "active" else "it is new"
        state = CampaignState.active if paused is None else CampaignState.paused
        try:
            made = editing.add(session, form.checked, _kinds(), now=clock.now(), state=state, paused_reason=paused)
        except Invalid as error:
            return self._refused(form, error)
        audit_log.record(
            session, g.actor, "campaign.created", object_type="campaign", object_id=made.id,
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
        """Show what is stored, as a form."""
        campaign, sent = get(Campaign, pk), expired_session.typed()
        if sent is not None:
            return self._page(_typed(campaign, sent), sent=sent)
        return self._page(_shown(_kind(campaign.kind), editing.written(campaign), campaign))

    @act("/<key:pk>/edit", keeps="edit")
    def save(self, pk: int) -> ResponseReturnValue:
        """Store it, unless another operator changed it meanwhile."""
        campaign: Campaign = db.get_or_404(Campaign, pk)
        form, session = _typed(campaign), db.session()
        if request.form.get("do") == "show":
            return self._page(form, reach=True)
        if form.checked is None or form.problems:
            return self._page(form, reach=True, saving=True)
        before, version = editing.written(campaign), _version(request.form)
        try:
            editing.change(session, campaign, form.checked, _kinds(), version=version, now=clock.now())
        except Invalid as error:
            return self._refused(form, error)
        except Changed:
            return self._told(pk, form)
        audit_log.record(
            session, g.actor, "campaign.edited", object_type="campaign", object_id=pk,
            before=before, after=editing.written(campaign),
        )  # fmt: skip
        session.commit()
        flash("Saved. Changes take effect within 30 seconds.", "success")
        return redirect(url_for(".campaign", pk=pk), 303)

    @act("/preview/schedule")
    def preview_schedule(self) -> ResponseReturnValue:
        """Return the schedule as typed, in words and with its next runs, for the page to fetch. Change nothing."""
        preview = schedule_preview.of_form(_typed(_edited()), clock.now())
        return render_template("admin/_campaign_schedule.html", preview=preview)

    @act("/preview/audience")
    def preview_audience(self) -> ResponseReturnValue:
        """Return how many people it reaches as typed, for the page to fetch. Change nothing."""
        form = _typed(_edited())
        if form.kind is None:
            raise NotFound
        return render_template("admin/_campaign_audience.html", reach=_reach(form), warning=_warning(form))

    def _page(
        self,
        form: CampaignForm,
        *,
        reach: bool = False,
        saving: bool = False,
        conflict: Conflict | None = None,
        sent: Mapping[str, str] | None = None,
    ) -> ResponseReturnValue:
        """Show the form. `reach`: count people however long it takes; `saving`: say why it was not stored.

        `sent`: it was sent before, when the session had ended.
        """
        campaign, kind = form.campaign, form.kind
        if kind is None:
            raise NotFound
        few = (db.session.scalar(select(func.max(User.id))) or 0) <= QUICK
        settings = services().settings
        typed = None if conflict else sent or request.form
        preview = schedule_preview.of_form(form, clock.now())
        page: str = self.render(
            "admin/campaign_form.html",
            form=form,
            kind=kind,
            problems=mistakes.summary(form) if saving else [],
            wrong=form.problems if saving else {},
            campaign=campaign,
            # The version that the form began with: people who save must have seen what is stored.
            version=_version(typed) if typed else campaign and campaign.version,
            seen=typed.get("seen", "") if typed else edit_conflicts.seen(campaign) if campaign else "",
            restored=sent is not None,
            conflict=conflict,
            preview=preview,
            reach=_reach(form) if reach or few else None,
            warning=_warning(form),
            zones=sorted(periods.names()),
            life=kind.lifetime,
            cap=settings.mail_cap_per_week,
            content=_content(form),
        )
        return page, 409 if conflict else 400 if saving else 200

    def _refused(self, form: CampaignForm, error: Invalid) -> ResponseReturnValue:
        db.session.rollback()
        mistakes.blame(form, error.problems)
        return self._page(form, saving=True)

    def _told(self, pk: int, form: CampaignForm) -> ResponseReturnValue:
        """Show what the other operator stored and what was typed here, and a form in which neither is lost."""
        session = db.session()
        session.rollback()
        campaign: Campaign = get(Campaign, pk)
        conflict = edit_conflicts.conflict(session, campaign, form.values, request.form.get("seen", ""), _kinds())
        return self._page(_shown(_kind(campaign.kind), conflict.merged, campaign), conflict=conflict)


def _warning(form: CampaignForm) -> str:
    """Return what an operator should know who chose accounts that are not confirmed."""
    chosen = form.kind and form.kind.reaches is Reaches.confirmed and form.verified.data in ("any", "no")
    return audience.UNCONFIRMED_WARNING if chosen else ""


def _reach(form: CampaignForm) -> Reach | None:
    """Ask the rule about the form as it is. None if it says nothing yet that could be asked about."""
    now, meant = clock.now(), form.draft
    if meant is None:
        return None
    upcoming = schedule_preview.of_form(form, now).runs
    slot = upcoming[0].slot if upcoming else now
    try:
        counts = audience.counts(db.session(), occasion_of(meant, slot, _kinds()), now=now)
    except AudienceError:
        return None
    left_out = sorted(
        ((number, counts.words.get(code, code)) for code, number in counts.excluded.items()), reverse=True
    )
    return Reach(counts.chosen, counts.unconfirmed, left_out, slot)


def _content(form: CampaignForm) -> tuple[Content, int] | None:
    """Return what its emails say, and the number of that version, if another page edits it."""
    if form.campaign is None or not form.kept:
        return None
    row = content_versions.current(db.session(), form.campaign)
    return content_versions.now_said(db.session(), form.campaign, _kinds()), row.number if row is not None else 0


def _shown(kind: CampaignKind, values: Mapping[str, object], campaign: Campaign | None = None) -> CampaignForm:
    """Return the form with these columns in it."""
    make = form_of(type(kind))
    return make(data=filled(values, kind), kind=kind, kinds=_kinds(), now=clock.now(), campaign=campaign)


def _typed(campaign: Campaign | None, sent: MultiDict[str, str] | None = None) -> CampaignForm:
    """Return the form of this request, or one that was `sent` before; without a kind it is a schedule alone."""
    sent = request.form if sent is None else sent
    name = campaign.kind if campaign is not None else sent.get("kind", "")
    kind = _kind(name) if name else None
    make = CampaignForm if kind is None else form_of(type(kind))
    return make(sent, kind=kind, kinds=_kinds(), now=clock.now(), campaign=campaign)


def _edited() -> Campaign | None:
    """Return the campaign whose form a preview is for."""
    text = request.form.get("campaign", "")
    return get(Campaign, int(text)) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _version(sent: Mapping[str, str]) -> int:
    text = sent.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1


def _kinds() -> Mapping[str, EmailKind]:
    return services().kinds


def _campaign_kinds() -> list[CampaignKind]:
    found = [kind for kind in _kinds().values() if isinstance(kind, CampaignKind)]
    return sorted(found, key=lambda kind: kind.name)


def _kind(name: str) -> CampaignKind:
    kind = _kinds().get(name)
    if not isinstance(kind, CampaignKind):
        raise NotFound
    return kind

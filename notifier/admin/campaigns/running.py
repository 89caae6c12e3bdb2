"""Run a campaign by hand: the plan first, then the number, then one run for any number of clicks."""

from datetime import datetime, timedelta
from typing import cast

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import clock
from notifier.admin.kit import arguments, login, traces
from notifier.admin.kit.page import Page, act, get, show
from notifier.campaigns import control
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.lookup import Which, moment_of
from notifier.campaigns.slots import schedule_of
from notifier.explain.plan_token import PlanChanged, Planned
from notifier.explain.plan_values import HAS, Plan
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, Role
from notifier.operators import audit_log
from notifier.scheduling import local_time
from notifier.services import services

#: Number of emails above which the number has to be typed.
TYPED_ABOVE = 100

#: The slots that a run may be for.
CHOICES = ("now", "at-local-hour", "newest")

#: Time for which a plan for "now" holds.
PLAN_TTL = timedelta(hours=1)


class Running(Page):
    """The plan, and the button that carries its token."""

    @show("/<key:pk>/run", Role.editor)
    def plan(self, pk: int) -> ResponseReturnValue:
        """Show what a run would do, without doing it.

        If the campaign goes by the recipients' time zones, ask first when it is sent.
        """
        campaign: Campaign = get(Campaign, pk)
        which = arguments.choice("for", CHOICES)
        if campaign.recipient_local and not which:
            return self._ask_when(campaign)
        return self._planned(pk, _which(which))

    @act("/<key:pk>/run")
    def run(self, pk: int) -> ResponseReturnValue:
        """Start the planned run, once. A second click shows the run of the first."""
        campaign: Campaign = get(Campaign, pk)
        name, which, slot = campaign.name, _which(request.form.get("for", "")), _slot()
        if slot is not None and (there := _run_of(pk, slot)) is not None:
            return _to(there, "This run was already started. This is its page.")
        try:
            token = arguments.field("plan", 500)
            # The planner opens a transaction of its own, which cannot write.
            db.session.rollback()
            planned, fresh = services().planner.confirm(token, name, which)
            _check(fresh, slot)
        except CampaignError as error:
            db.session.rollback()
            return self._planned(pk, which, changed=str(error))
        if planned.count > TYPED_ABOVE and _typed() != planned.count:
            wrong = f"That is not the number of emails. Type {planned.count:,} to send, or cancel."
            return self._planned(pk, which, wrong=wrong)
        return self._start(pk, name, slot or fresh.slot, planned, at_once=fresh.at_once)

    def _start(self, pk: int, name: str, slot: datetime, planned: Planned, *, at_once: bool) -> ResponseReturnValue:
        session, by = db.session(), login.actor()
        try:
            found = control.find(session, name)
            run_id = control.run_now(session, found, services().kinds, slot=slot, at_once=at_once)
        except CampaignError as error:
            session.rollback()
            if (there := _run_of(pk, slot)) is not None:
                return _to(there, "This run was already started. This is its page.")
            flash(str(error), "error")
            return redirect(url_for(".campaign", pk=pk), 303)
        audit_log.record(
            session, by, "run.started", object_type="run", object_id=run_id,
            after={"campaign": name, "slot": slot.isoformat(), "planned": planned.count},
        )  # fmt: skip
        session.commit()
        taken = services().run_effects.started([run_id])
        return _to(run_id, "Run started." if taken else "Run started. It waits for the broker and continues by itself.")

    def _ask_when(self, campaign: Campaign) -> ResponseReturnValue:
        hour = why_no_hour = ""
        try:
            slot = moment_of(campaign, "at-local-hour", clock.now(), services().kinds).slot
            hour = local_time(schedule_of(campaign, services().kinds), slot)
        except CampaignError as error:
            why_no_hour = str(error)
        missed = _missed(campaign)
        page: str = self.render(
            "admin/campaign_when.html", campaign=campaign, hour=hour, why_no_hour=why_no_hour, missed=missed
        )
        return page

    def _planned(self, pk: int, which: Which, *, changed: str = "", wrong: str = "") -> ResponseReturnValue:
        campaign: Campaign = get(Campaign, pk)
        name = campaign.name
        try:
            missed_slot = _missed(campaign)
            db.session.rollback()
            plan = services().planner.plan(name, which)
        except CampaignError as error:
            flash(str(error), "error")
            return redirect(url_for(".edit", pk=pk), 302 if request.method == "GET" else 303)
        traces.shown("plan", len(plan.people) + sum(len(each.people[:2]) for each in plan.left_out), pk=pk)
        page: str = self.render(
            "admin/campaign_run.html",
            campaign=get(Campaign, pk),
            plan=plan,
            has_words=HAS,
            which=which,
            missed=missed_slot,
            everybody=plan.count + sum(plan.excluded.values()),
            typed_above=TYPED_ABOVE,
            changed=changed,
            wrong=wrong,
        )
        return page, 409 if changed else 400 if wrong else 200


def _check(fresh: Plan, slot: datetime | None) -> None:
    """Raise PlanChanged if the plan on the page was for another time than this one, or is for no one."""
    now = clock.now()
    stale = slot is None or not now - PLAN_TTL <= slot <= now if fresh.at_once else slot != fresh.slot
    if stale:
        raise PlanChanged("The plan was out of date. Review this one.")
    if fresh.count == 0:
        raise PlanChanged("No one would get it any more.")


def _missed(campaign: Campaign) -> datetime | None:
    """Return the newest slot of its schedule if it has no run. Raise CampaignError for a broken schedule."""
    missed = moment_of(campaign, "newest", clock.now(), services().kinds)
    return None if missed.at_once or _run_of(campaign.id, missed.slot) else missed.slot


def _which(text: str) -> Which:
    return cast("Which", text) if text in CHOICES else "now"


def _slot() -> datetime | None:
    """Return the slot that the plan was for."""
    try:
        slot = datetime.fromisoformat(request.form.get("slot", ""))
    except ValueError:
        return None
    return slot if slot.tzinfo is not None else None


def _typed() -> int | None:
    """Return the typed number, with or without separators."""
    text = "".join(letter for letter in arguments.typed("count", 30)[0] if letter not in ",. '\u202f\u00a0")
    return int(text) if text.isascii() and text.isdecimal() else None


def _run_of(pk: int, slot: datetime) -> int | None:
    query = select(CampaignRun.id).where(CampaignRun.campaign_id == pk, CampaignRun.slot == slot)
    found: int | None = db.session.scalar(query)
    return found


def _to(run_id: int, words: str) -> ResponseReturnValue:
    flash(words, "success")
    return redirect(url_for("admin_runs.run", pk=run_id), 303)

"""Runs: the progress and result of each."""

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import clock
from notifier.admin.campaigns import came_back
from notifier.admin.campaigns.slot_times import TRIGGERS
from notifier.admin.kit import arguments, login
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, act, get, show
from notifier.campaigns import control
from notifier.campaigns.content_held import Held, held
from notifier.campaigns.content_versions import numbers
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.progress import counts_of, progress, words_of
from notifier.explain.plan_values import RATE_IGNORED
from notifier.extensions import db
from notifier.models import OPEN, Campaign, CampaignRun, Role, RunState, Trigger
from notifier.observability.failures import failures
from notifier.operators import audit_log
from notifier.reasons import ReasonCode
from notifier.services import services

#: Statuses in the order of the page; others are shown only if they have emails.
SHOWN = ("sent", "failed", "bounced", "complained", "suppressed", "skipped", "unknown", "cancelled", "expired")

#: Largest finished run whose emails are counted by version for its page.
COUNTED_UP_TO = 50_000


class Runs(Page):
    """Every run of every campaign."""

    title = "Runs"
    section = "Send"
    slug = "runs"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest runs that match the filters."""
        state, query = arguments.choice("state", [str(state) for state in RunState]), select(CampaignRun)
        campaign, trigger = arguments.key("campaign"), arguments.choice("trigger", [str(each) for each in Trigger])
        if state:
            query = query.where(CampaignRun.state == state)
        if campaign is not None:
            query = query.where(CampaignRun.campaign_id == campaign)
        # Prompt runs may be many: they are shown on request.
        query = query.where(CampaignRun.trigger == trigger if trigger else CampaignRun.trigger != Trigger.prompt)
        campaigns = {each.id: each for each in db.session.scalars(select(Campaign))}
        listing = by_key(query, CampaignRun.id)
        page: str = self.render(
            "admin/runs.html",
            listing=listing,
            counts=counts_of(db.session(), listing.rows),
            campaign_of=campaigns,
            campaigns=sorted(((pk, each.title) for pk, each in campaigns.items()), key=lambda item: item[1].casefold()),
            campaign=campaign or "",
            trigger=trigger,
            triggers=[(str(each), words[:1].upper() + words[1:]) for each, words in TRIGGERS.items()],
            state=state,
            states=[str(state) for state in RunState],
        )
        return page

    @show("/<key:pk>/")
    def run(self, pk: int) -> ResponseReturnValue:
        """Show one run."""
        run: CampaignRun = get(CampaignRun, pk)
        page: str = self.render("admin/run.html", **_facts(run), **_content(run), **came_back.of_run(run))
        return page

    @show("/<key:pk>/came-back")
    def came_back(self, pk: int) -> ResponseReturnValue:
        """Show what came back by provider, also of a run so large that its own page does not count it."""
        run: CampaignRun = get(CampaignRun, pk)
        campaign = db.session.get_one(Campaign, run.campaign_id)
        found = came_back.of_run(run, whole=True)
        page: str = self.render("admin/run_came_back.html", run=run, campaign=campaign, **found)
        return page

    @show("/<key:pk>/progress")
    def progress(self, pk: int) -> ResponseReturnValue:
        """Return the part of a run's page that changes, which the page fetches."""
        return render_template("admin/_run.html", **_facts(get(CampaignRun, pk)))

    @act("/<key:pk>/pause")
    def pause(self, pk: int) -> ResponseReturnValue:
        """Pause the run within one batch."""

        def stop(run: CampaignRun) -> bool:
            return control.pause_run(
                db.session(), run, ReasonCode.paused_by_hand, why=f"{login.actor().shown} paused it"
            )

        return self._switch(pk, "run.paused", stop, "Run paused. Emails being sent right now still go out.")

    @show("/<key:pk>/resume", Role.editor)
    def ask_resume(self, pk: int) -> ResponseReturnValue:
        """Ask whether waiting emails get the newest content from now on."""
        return self._ask(pk, url_for(".resume", pk=pk), resumes=True)

    @show("/<key:pk>/move", Role.editor)
    def ask_move(self, pk: int) -> ResponseReturnValue:
        """Show the emails that can move to the newest content, and those that keep theirs."""
        return self._ask(pk, url_for(".move", pk=pk), resumes=False)

    def _ask(self, pk: int, action: str, *, resumes: bool) -> ResponseReturnValue:
        run: CampaignRun = get(CampaignRun, pk)
        campaign = db.session.get_one(Campaign, run.campaign_id)
        try:
            holdings = _held(campaign, run)
        except CampaignError as error:
            flash(str(error), "warning")
            return redirect(url_for(".run", pk=pk))
        page: str = self.render(
            "admin/run_resume.html",
            what=f"run #{pk}",
            action=action,
            leave=url_for(".run", pk=pk),
            resumes=resumes,
            holdings=holdings,
        )
        return page

    @act("/<key:pk>/move")
    def move(self, pk: int) -> ResponseReturnValue:
        """Give waiting emails the newest content."""
        get(CampaignRun, pk)
        by = login.actor()
        db.session.rollback()
        try:
            moved = services().moving.move([pk], by=by)
        except CampaignError as error:
            flash(str(error), "warning")
        else:
            flash(f"Waiting emails moved to the newest content: {moved:,}.", "success")
        return redirect(url_for(".run", pk=pk), 303)

    @act("/<key:pk>/resume")
    def resume(self, pk: int) -> ResponseReturnValue:
        """Resume the run. If newer content was saved in between, ask first what to send."""
        run: CampaignRun = get(CampaignRun, pk)
        asked = request.form.get("move", "")
        if run.state == RunState.paused and not asked and _is_behind(run):
            return redirect(url_for(".ask_resume", pk=pk), 303)
        if run.state == RunState.paused and asked == "yes":
            by = login.actor()
            db.session.rollback()
            services().moving.move([pk], by=by)

        def go(run: CampaignRun) -> bool:
            return control.resume_run(db.session(), run)

        return self._switch(pk, "run.resumed", go, "Run resumed.", lambda: services().run_effects.resumed([pk]))

    @show("/<key:pk>/cancel", Role.editor)
    def ask_cancel(self, pk: int) -> ResponseReturnValue:
        """Explain what cancelling means."""
        page: str = self.render("admin/run_cancel.html", **_facts(get(CampaignRun, pk)))
        return page

    @act("/<key:pk>/cancel")
    def cancel(self, pk: int) -> ResponseReturnValue:
        """Cancel the run: emails not sent yet are cancelled."""

        def end(run: CampaignRun) -> bool:
            return control.cancel_run(db.session(), run, reason=f"{login.actor().shown} cancelled it")

        words = "Run cancelled. It sends nothing more. A later run can reach people who got nothing."
        return self._switch(pk, "run.cancelled", end, words, lambda: services().run_effects.cancelled([pk]))

    @show("/<key:pk>/repair", Role.editor)
    def ask_repair(self, pk: int) -> ResponseReturnValue:
        """Show what is missing of the run."""
        get(CampaignRun, pk)
        db.session.rollback()
        try:
            damage = services().repair.look(pk)
        except CampaignError as error:
            flash(str(error), "warning")
            return redirect(url_for(".run", pk=pk))
        page: str = self.render("admin/run_repair.html", damage=damage, **_facts(get(CampaignRun, pk)))
        return page

    @act("/<key:pk>/repair")
    def repair(self, pk: int) -> ResponseReturnValue:
        """Add the missing emails and enqueue those that wait. No person gets an email twice."""
        get(CampaignRun, pk)
        by = login.actor()
        db.session.rollback()
        try:
            repair = services().repair
            done = repair.mend(repair.look(pk), by=by)
        except CampaignError as error:
            flash(str(error), "error")
        else:
            flash(
                f"Run repaired: {done.owed:,} missing emails added, {done.enqueued:,} waiting emails queued.", "success"
            )
        return redirect(url_for(".run", pk=pk), 303)

    def _switch(
        self,
        pk: int,
        action: str,
        change: Callable[[CampaignRun], bool],
        words: str,
        after: Callable[[], Any] | None = None,
    ) -> ResponseReturnValue:
        """Change the state of a run, with its entry in the audit log; then apply it to its emails."""
        get(CampaignRun, pk)
        session = db.session()
        run = control.find_run(session, pk)
        before = {"state": run.state, "reason": run.reason}
        moved = change(run)
        if moved:
            audit_log.record(
                session, login.actor(), action, object_type="run", object_id=pk, before=before,
                after={"state": run.state, "reason": run.reason},
            )  # fmt: skip
        session.commit()
        if moved and after is not None:
            after()
        flash(words if moved else f"Nothing to do: the run is {run.state}.", "success" if moved else "warning")
        return redirect(url_for(".run", pk=pk), 303)


def _held(campaign: Campaign, run: CampaignRun) -> Held:
    return held(db.session(), campaign, services().kinds, run_id=run.id)


def _is_behind(run: CampaignRun) -> bool:
    try:
        return _held(db.session.get_one(Campaign, run.campaign_id), run).is_behind
    except CampaignError:
        return False


def _content(run: CampaignRun) -> dict[str, Any]:
    """Which content its emails say. Of a large run that is over, only the version that it ended with."""
    session = db.session()
    campaign = session.get_one(Campaign, run.campaign_id)
    number = numbers(session, campaign).get(run.content_id, 0)
    if run.state not in OPEN and run.planned > COUNTED_UP_TO:
        return {"content": number, "holdings": None}
    try:
        return {"content": number, "holdings": _held(campaign, run)}
    except CampaignError:
        return {"content": number, "holdings": None}


def _facts(run: CampaignRun) -> dict[str, Any]:
    session, now = db.session(), clock.now()
    campaign = session.get_one(Campaign, run.campaign_id)
    words = words_of(campaign, run, services().kinds)
    rates = services().limits is not None
    far = progress(session, run, now, limit=services().settings.mail_rate, rates=rates)
    waiting = {name: number for name, number in far.counts.items() if name in ("pending", "sending")}
    return {
        "run": run,
        "campaign": campaign,
        "progress": far,
        "shown": [(name, far.counts.get(name, 0)) for name in SHOWN if far.counts.get(name) or name in SHOWN[:2]],
        "waiting": waiting,
        "left_out": sorted(((number, words.get(code, code.replace("_", " "))) for code, number in run.excluded.items()),
                           reverse=True),
        "failures": failures(session, run_id=run.id) if any(far.counts.get(name) for name in SHOWN[1:4]) else None,
        "is_open": run.state in OPEN,
        "rate_note": RATE_IGNORED if campaign.rate and not rates else "",
        "now": now,
    }  # fmt: skip

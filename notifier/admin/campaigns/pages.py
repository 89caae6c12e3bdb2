"""Campaigns: what is sent on a schedule, its state, and the buttons that stop and start it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import audience, clock
from notifier.admin.campaigns import schedule_preview
from notifier.admin.campaigns.edit import Editing
from notifier.admin.campaigns.running import Running
from notifier.admin.kit import arguments, login
from notifier.admin.kit.charts import Sparkline, sparkline
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import act, get, show
from notifier.campaigns import control
from notifier.campaigns.content_held import held
from notifier.campaigns.errors import CampaignError
from notifier.campaigns.overview import details, in_words
from notifier.campaigns.progress import counts_of, recent, sent_of
from notifier.explain.plan_values import RATE_IGNORED
from notifier.extensions import db
from notifier.models import Campaign, CampaignRun, CampaignState, Role
from notifier.operators import audit_log
from notifier.services import services


@dataclass(frozen=True, slots=True)
class Row:
    """One campaign in a list."""

    campaign: Campaign
    words: str
    last: CampaignRun | None
    #: Emails of the last run, by status.
    counts: Mapping[str, int]
    #: Emails sent in each of the last runs; None if there is only one.
    line: Sparkline | None


def rows(session: Session, campaigns: list[Campaign]) -> list[Row]:
    """Return these campaigns with the results of their last runs."""
    runs = recent(session, [campaign.id for campaign in campaigns])
    emails = counts_of(session, [each[-1] for each in runs.values() if each])
    found = []
    for campaign in campaigns:
        last = runs[campaign.id][-1] if runs[campaign.id] else None
        counts = {} if last is None else emails[last.id]
        sent = sent_of(runs[campaign.id])
        line = sparkline(sent) if len(sent) > 1 else None
        found.append(Row(campaign, in_words(campaign), last, counts, line))
    return found


class Campaigns(Editing, Running):
    """The list, each campaign's own page, and all actions on one."""

    title = "Campaigns"
    section = "Send"
    slug = "campaigns"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show all campaigns; archived ones only on request."""
        state = arguments.choice("state", [str(state) for state in CampaignState])
        query = select(Campaign)
        query = query.where(Campaign.state == state if state else Campaign.state != CampaignState.archived)
        listing = by_key(query, Campaign.id)
        page: str = self.render(
            "admin/campaigns.html",
            rows=sorted(rows(db.session(), list(listing.rows)), key=lambda row: row.campaign.title.casefold()),
            listing=listing,
            state=state,
            states=[str(state) for state in CampaignState],
        )
        return page

    @show("/<key:pk>/")
    def campaign(self, pk: int) -> ResponseReturnValue:
        """Show one campaign: its schedule, its audience, its runs."""
        found: Campaign = get(Campaign, pk)
        now = clock.now()
        accounts, warning = _accounts(found)
        page: str = self.render(
            "admin/campaign.html",
            campaign=found,
            accounts=accounts,
            warning=warning,
            rate_note=RATE_IGNORED if found.rate and services().limits is None else "",
            preview=schedule_preview.of_campaign(found, now, services().kinds),
            runs=details(db.session(), found, services().kinds)["runs"],
            paused_runs=control.paused_runs(db.session(), found),
            row=rows(db.session(), [found])[0],
            now=now,
        )
        return page

    @act("/<key:pk>/pause")
    def pause(self, pk: int) -> ResponseReturnValue:
        """Pause the campaign's schedule and its open runs."""
        why = arguments.field("reason", 200)
        return self._switch(pk, "paused", why or f"{login.actor().shown} paused it"[:200])

    @show("/<key:pk>/resume", Role.editor)
    def ask_resume(self, pk: int) -> ResponseReturnValue:
        """Ask whether waiting emails get the newest content from now on."""
        found: Campaign = get(Campaign, pk)
        try:
            holdings = held(db.session(), found, services().kinds)
        except CampaignError as error:
            flash(str(error), "warning")
            return redirect(url_for(".campaign", pk=pk))
        page: str = self.render(
            "admin/run_resume.html",
            what=found.title,
            action=url_for(".resume", pk=pk),
            leave=url_for(".campaign", pk=pk),
            resumes=True,
            holdings=holdings,
        )
        return page

    @act("/<key:pk>/resume")
    def resume(self, pk: int) -> ResponseReturnValue:
        """Resume the campaign. If newer content was saved in between, ask first what to send."""
        found: Campaign = get(Campaign, pk)
        asked = request.form.get("move", "")
        if found.state == CampaignState.paused and asked != "no":
            behind = _behind(found)
            if behind and not asked:
                return redirect(url_for(".ask_resume", pk=pk), 303)
            if behind:
                by = login.actor()
                db.session.rollback()
                services().moving.move(behind, by=by)
        return self._switch(pk, "resumed", "")

    def _switch(self, pk: int, what: str, reason: str) -> ResponseReturnValue:
        name, session, by = get(Campaign, pk).name, db.session(), login.actor()
        try:
            found = control.find(session, name)
            before = _state(found)
            runs = control.pause(session, found, reason=reason) if reason else control.resume(session, found)
        except CampaignError as error:
            session.rollback()
            flash(str(error), "error")
            return _back(pk)
        audit_log.record(
            session, by, f"campaign.{what}", object_type="campaign", object_id=pk, before=before, after=_state(found)
        )
        title = found.title
        session.commit()
        if not reason:
            services().run_effects.resumed(runs)
        flash(
            f"{title} is paused. Nothing is sent until you resume it." if reason else f"{title} resumed.",
            "success",
        )
        return _back(pk)

    @show("/<key:pk>/archive", Role.editor)
    def ask_archive(self, pk: int) -> ResponseReturnValue:
        """Explain what archiving means."""
        page: str = self.render("admin/campaign_archive.html", campaign=get(Campaign, pk))
        return page

    @act("/<key:pk>/archive")
    def archive(self, pk: int) -> ResponseReturnValue:
        """Archive the campaign permanently; its waiting emails are cancelled."""
        session, by = db.session(), login.actor()
        found = control.find(session, get(Campaign, pk).name)
        before = _state(found)
        runs = control.cancel(session, found, reason="the campaign was archived", archive=True)
        audit_log.record(
            session, by, "campaign.archived", object_type="campaign", object_id=pk, before=before, after=_state(found)
        )
        session.commit()
        services().run_effects.cancelled(runs)
        flash("Campaign archived. Its runs and emails stay in the ledger.", "success")
        return redirect(url_for(".index"), 303)


def _behind(campaign: Campaign) -> tuple[int, ...]:
    """Return the open runs with a content version other than the one that counts."""
    try:
        found = held(db.session(), campaign, services().kinds)
    except CampaignError:
        return ()
    return found.runs if found.is_behind else ()


def _accounts(campaign: Campaign) -> tuple[str, str]:
    """Return the accounts it goes to, and the warning about them; nothing if its row cannot be read."""
    try:
        occasion = audience.occasion_of(campaign, clock.now(), services().kinds)
    except audience.AudienceError:
        return "cannot be read", ""
    return audience.ACCOUNTS[occasion.reaches], audience.warning_of(occasion.kind_of, occasion.audience)


def _state(campaign: Campaign) -> dict[str, Any]:
    return {"state": campaign.state, "reason": campaign.paused_reason}


def _back(pk: int) -> ResponseReturnValue:
    """Redirect to the page whose button it was."""
    if request.form.get("back") == "list":
        return redirect(url_for(".index"), 303)
    return redirect(url_for(".campaign", pk=pk), 303)

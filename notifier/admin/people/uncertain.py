"""Uncertain: decide about many emails whose delivery is uncertain at once."""

from datetime import UTC, datetime
from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from notifier import clock
from notifier.admin.kit import arguments, login
from notifier.admin.kit.page import Page, act, found, show
from notifier.explain.unknowns import UncertainFilter, by_host, decide, groups
from notifier.extensions import db
from notifier.models import Campaign, Role, Status

#: Decisions, and the status that the emails get.
DECISIONS = {"again": Status.pending, "sent": Status.sent}


class Uncertain(Page):
    """Emails that a lost worker or connection left uncertain."""

    title = "Uncertain"
    section = "Find"
    slug = "uncertain"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the emails to decide about, by host and run, within the filters."""
        which = _which(request.args)
        facts = _facts(which)
        everything = groups(db.session()) if which.any else facts["groups"]
        page: str = self.render("admin/uncertain.html", **facts, hosts=sorted(by_host(everything)))
        return page

    @show("/decide/<decision>", Role.editor)
    def ask(self, decision: str) -> ResponseReturnValue:
        """Show how many emails a decision is about, and what it means."""
        found(DECISIONS.get(decision))
        which = _which(request.args)
        facts = _facts(which)
        if not facts["emails"]:
            flash("There are no uncertain emails any more.", "warning")
            return redirect(url_for(".index"))
        page: str = self.render("admin/uncertain_decide.html", decision=decision, now=clock.now(), **facts)
        return page

    @act("/decide/<decision>", Role.editor)
    def decide(self, decision: str) -> ResponseReturnValue:
        """Decide about the emails that were shown; emails that became uncertain since are left."""
        to = DECISIONS.get(decision)
        before = _moment(arguments.field("before", 40))
        if to is None or before is None:
            raise arguments.BadArgument("The form doesn't say what to decide. Open the page again.")
        which = _which(request.form, before)
        by = login.actor()
        db.session.rollback()
        moved = decide(db.session, which, to, by=by)
        said = "sent again within seconds" if to is Status.pending else "marked as sent"
        flash(f"Decided: {moved:,} emails are {said}." if moved else "Another operator decided first: none is left.",
              "success" if moved else "warning")  # fmt: skip
        return redirect(url_for(".index"), 303)


def _facts(which: UncertainFilter) -> dict[str, Any]:
    there = groups(db.session(), which)
    titles = dict(db.session.execute(select(Campaign.id, Campaign.title)).all())
    return {
        "which": which,
        "groups": there,
        "emails": sum(group.emails for group in there),
        "titles": titles,
        "campaigns": sorted(titles.items(), key=lambda item: item[1].casefold()),
    }


def _which(values: Any, before: datetime | None = None) -> UncertainFilter:
    """Read the filters from a query or a form."""
    host = str(values.get("host", "")).strip()
    if len(host) > 64 or "\0" in host:
        raise arguments.BadArgument("There is no host of this name. Choose one from the list.")
    return UncertainFilter(run=_key(values, "run"), campaign=_key(values, "campaign"), host=host, before=before)


def _key(values: Any, name: str) -> int | None:
    text = str(values.get(name, "")).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise arguments.BadArgument(f"There is no {name} of this number. Choose one from the list.")
    return int(text)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None

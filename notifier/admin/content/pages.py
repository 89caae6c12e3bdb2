"""Templates: the content of each campaign's emails, written here, in versions, without a deploy."""

from typing import Any

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from sqlalchemy import select

from notifier import clock
from notifier.admin.content import form, frame, mail
from notifier.admin.content.form import Mistake, Typed
from notifier.admin.kit import arguments, expired_session, login
from notifier.admin.kit.page import Page, act, get, show
from notifier.campaigns import content_versions
from notifier.campaigns.content_held import Holding
from notifier.campaigns.content_versions import ContentChange
from notifier.campaigns.errors import CampaignError, Changed
from notifier.content import ContentError
from notifier.emails.content_variables import EXAMPLES, offered
from notifier.extensions import db
from notifier.models import Campaign, Role
from notifier.operators import audit_log
from notifier.page_extensions import limiter
from notifier.rendering.previews import PreviewError
from notifier.services import services
from notifier.smtp.outcome import Decision

#: Rate limit of an operator's test emails.
TESTS = "5 per minute; 30 per hour"


class Templates(Page):
    """One page per campaign: its content, its preview, and its earlier versions."""

    title = "Templates"
    section = "Send"
    slug = "content"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show all campaigns with the version that counts."""
        campaigns = db.session.scalars(select(Campaign).order_by(Campaign.title, Campaign.id)).all()
        page: str = self.render(
            "admin/content.html", campaigns=campaigns, versions=content_versions.counting(db.session())
        )
        return page

    @show("/<key:pk>/")
    def campaign(self, pk: int) -> ResponseReturnValue:
        """Show the content that counts, to read and to edit."""
        campaign: Campaign = get(Campaign, pk)
        if login.may(Role.editor) and (sent := expired_session.typed()) is not None:
            return self._page(campaign, form.typed(sent), restored=True)
        content = mail.suggested(campaign, mail.counting(campaign))
        example = form.example(request.args.get("example", ""))
        return self._page(campaign, Typed(content, "", arguments.text("person"), campaign.content_id or 0, example))

    @act("/<key:pk>/save", keeps="campaign")
    def save(self, pk: int) -> ResponseReturnValue:
        """Save a new version, unless it has mistakes or another operator was first."""
        campaign: Campaign = get(Campaign, pk)
        typed, session, by = form.typed(), db.session(), login.actor()
        if typed.mistake is not None:
            return self._page(campaign, typed, mistake=typed.mistake)
        now_there = content_versions.current(session, campaign)
        same = now_there is not None and content_versions.written(now_there) == typed.content
        if now_there is not None and same and typed.change is ContentChange.correction:
            flash(f"This is the same as version {now_there.number}: there is nothing to save.", "success")
            return redirect(url_for(".campaign", pk=pk), 303)
        try:
            services().drafts.check(mail.kind_of(campaign), typed.content)
            row = content_versions.save(
                session,
                campaign,
                typed.content,
                services().kinds,
                seen=typed.seen,
                by=by,
                note=typed.note,
                now=clock.now(),
                change=typed.change,
            )
        except ContentError as error:
            return self._page(campaign, typed, mistake=Mistake.of(error, typed.content))
        except Changed as error:
            session.rollback()
            return self._page(get(Campaign, pk), typed, conflict=str(error))
        except CampaignError as error:
            session.rollback()
            return self._page(get(Campaign, pk), typed, trouble=str(error))
        number = row.number
        session.commit()
        flash(self._saved(campaign, f"Saved as version {number}", typed.change, move=typed.move), "success")
        return redirect(url_for(".campaign", pk=pk), 303)

    def _saved(self, campaign: Campaign, saved: str, change: ContentChange, *, move: bool) -> str:
        """After the commit: move waiting emails if requested, and say what the new version means."""
        holdings = mail.holdings(campaign)
        db.session.rollback()
        if change is ContentChange.new_message:
            return f"{saved}, a new message. Everyone in the audience gets it with the next run."
        parts = [f"{saved}. It is used from the next run."]
        if have := holdings.emails(Holding.have):
            parts.append(f"People who already have it: {have:,}.")
        if move and holdings.is_behind:
            moved = services().moving.move(holdings.runs, by=login.actor())
            parts.append(f"Waiting emails moved: {moved:,}.")
        elif holdings.to_move:
            parts.append(f"Waiting emails that keep their version: {holdings.to_move:,}.")
        return " ".join(parts)

    @show("/<key:pk>/frame")
    def look(self, pk: int) -> ResponseReturnValue:
        """Return the email for the frame: in the version that counts, or in another one."""
        campaign: Campaign = get(Campaign, pk)
        number, view = _number("version", -1), arguments.choice("view", frame.VIEWS)
        try:
            content = mail.counting(campaign) if number < 0 else mail.version(campaign, number)
            example = form.example(request.args.get("example", ""))
            return frame.shown(mail.message_of(campaign, content, arguments.text("person"), example), view)
        except (ContentError, PreviewError, CampaignError) as error:
            return frame.wrong(error)

    @act("/<key:pk>/frame")
    def draft(self, pk: int) -> ResponseReturnValue:
        """Return the email for the frame, as typed. It changes nothing."""
        campaign: Campaign = get(Campaign, pk)
        typed = form.typed()
        try:
            message = mail.message_of(campaign, typed.content, typed.person, typed.example)
            return frame.shown(message, request.form.get("view", ""))
        except (ContentError, PreviewError, CampaignError) as error:
            return frame.wrong(error)

    @act("/<key:pk>/test", keeps="campaign")
    def test(self, pk: int) -> ResponseReturnValue:
        """Send one email as typed to the operator. It is not counted anywhere."""
        campaign: Campaign = get(Campaign, pk)
        typed, session, by, to = form.typed(), db.session(), login.actor(), _address()
        if typed.mistake is not None:
            return self._page(campaign, typed, mistake=typed.mistake)
        try:
            message = mail.message_of(campaign, typed.content, typed.person, typed.example)
            with limiter.limit(TESTS, key_func=lambda: by.name, scope="content-test"):
                pass
        except ContentError as error:
            return self._page(campaign, typed, mistake=Mistake.of(error, typed.content))
        except (PreviewError, CampaignError) as error:
            return self._page(campaign, typed, trouble=str(error))
        except RateLimitExceeded:
            return self._page(
                campaign, typed, trouble="You sent many tests in a short time. Wait a few minutes, then try again."
            )
        audit_log.record(
            session, by, "content.tested", object_type="campaign", object_id=pk, after={"subject": message.subject}
        )
        # No transaction stays open during SMTP.
        session.commit()
        outcome = services().drafts.send(message, to)
        campaign = get(Campaign, pk)
        if outcome.decision is not Decision.ACCEPTED:
            said = " ".join(map(str, filter(None, (outcome.code, outcome.text))))
            return self._page(campaign, typed, trouble=f"The test was not accepted: {said or outcome.decision}")
        return self._page(campaign, typed, done=f"Sent to {to}. Look for “[Test]” in your inbox.")

    @show("/<key:pk>/versions")
    def versions(self, pk: int) -> ResponseReturnValue:
        """Show who changed what, when and why, and two versions side by side."""
        campaign: Campaign = get(Campaign, pk)
        every = content_versions.versions(db.session(), campaign)
        newest = every[0].number if every else 0
        new = _number("new", newest)
        old = _number("old", max(0, new - 1))
        page: str = self.render(
            "admin/content_versions.html",
            campaign=campaign,
            versions=every,
            old=old,
            new=new,
            differences=form.compare(mail.version(campaign, old), mail.version(campaign, new)),
        )
        return page

    @show("/<key:pk>/back", Role.editor)
    def ask_back(self, pk: int) -> ResponseReturnValue:
        """Explain what restoring a version means."""
        campaign: Campaign = get(Campaign, pk)
        number = _number("version", 0)
        mail.version(campaign, number)
        page: str = self.render(
            "admin/content_back.html",
            campaign=campaign,
            number=number,
            editions=mail.kind_of(campaign).editions,
            holdings=mail.holdings(campaign),
            typed=Typed(mail.counting(campaign), "", "", campaign.content_id or 0),
        )
        return page

    @act("/<key:pk>/back")
    def back(self, pk: int) -> ResponseReturnValue:
        """Save an earlier version as the newest; number 0: the default text counts again."""
        campaign: Campaign = get(Campaign, pk)
        number, session, by = arguments.field("version", 9), db.session(), login.actor()
        content = mail.version(campaign, int(number) if number.isdecimal() else -1)
        typed = form.typed()
        rest: dict[str, Any] = {"seen": typed.seen, "by": by, "change": typed.change}
        try:
            if number == "0":
                content_versions.drop(session, campaign, services().kinds, **rest)
            else:
                note = f"back to version {number}"
                content_versions.save(session, campaign, content, services().kinds, note=note, now=clock.now(), **rest)
        except (ContentError, CampaignError) as error:
            session.rollback()
            flash(f"{error} Nothing was changed.", "error")
            return redirect(url_for(".versions", pk=pk), 303)
        session.commit()
        now_there = (
            "The default text is used again" if number == "0" else f"The content of version {number} is used again"
        )
        flash(self._saved(campaign, now_there, typed.change, move=typed.move), "success")
        return redirect(url_for(".campaign", pk=pk), 303)

    def _page(
        self,
        campaign: Campaign,
        typed: Typed,
        *,
        mistake: Mistake | None = None,
        conflict: str = "",
        trouble: str = "",
        done: str = "",
        restored: bool = False,
    ) -> ResponseReturnValue:
        """Show the form again with the text that was typed."""
        there, kind = content_versions.current(db.session(), campaign), mail.kind_of(campaign)
        page: str = self.render(
            "admin/content_edit.html",
            campaign=campaign,
            typed=typed,
            mistake=mistake,
            trouble=trouble,
            done=done,
            restored=restored,
            conflict=conflict,
            differences=form.compare(mail.counting(campaign), typed.content) if conflict else [],
            # A second save happens after the operator has seen the conflict.
            seen=(campaign.content_id or 0) if conflict else typed.seen,
            version=there,
            names=form.names(offered(kind)),
            examples=EXAMPLES,
            read_in=typed.content.read_in,
            editions=kind.editions,
            holdings=mail.holdings(campaign),
            has_data=kind.has_data,
            views=frame.VIEWS,
        )
        return page, 409 if conflict else 400 if mistake or trouble else 200


def _address() -> str:
    """Return the operator's address; answer with an explanation if an embedding application gave none."""
    operator = login.current()
    if operator is None or not operator.address:
        raise arguments.BadArgument("A test needs your email address, which the application does not give to notifier.")
    return operator.address


def _number(name: str, default: int) -> int:
    value = request.args.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else default

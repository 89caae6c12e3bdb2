"""Templates: what the mails of each campaign say, written here, in versions, without a deploy."""

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_limiter import RateLimitExceeded
from sqlalchemy import select

from notifier import audit_log, clock
from notifier.admin import arguments, login, words_form, words_frame, words_mail
from notifier.admin.guard import Page, act, get, show
from notifier.admin.words_form import Mistake, Typed
from notifier.campaigns import wording
from notifier.campaigns.errors import CampaignError, Changed
from notifier.delivery.preview import PreviewError
from notifier.delivery.smtp.outcome import Decision
from notifier.emails.wording import offered
from notifier.extensions import db, limiter
from notifier.models import Campaign, Role
from notifier.words import WordsError

#: How often an operator may send a test.
TESTS = "5 per minute; 30 per hour"


class Templates(Page):
    """One page for each campaign: the words, how they look, what they were before."""

    title = "Templates"
    section = "Send"
    slug = "words"

    @show()
    def index(self) -> ResponseReturnValue:
        """All campaigns with the version that counts."""
        campaigns = db.session.scalars(select(Campaign).order_by(Campaign.title, Campaign.id)).all()
        page: str = self.render("admin/words.html", campaigns=campaigns, versions=wording.counting(db.session()))
        return page

    @show("/<key:pk>/")
    def campaign(self, pk: int) -> ResponseReturnValue:
        """What its mails say now, to read and to edit."""
        campaign: Campaign = get(Campaign, pk)
        person = arguments.text("person")
        return self._page(campaign, Typed(words_mail.counting(campaign), "", person, campaign.words_id or 0))

    @act("/<key:pk>/save")
    def save(self, pk: int) -> ResponseReturnValue:
        """A new version, unless something is wrong with it or somebody else was first."""
        campaign: Campaign = get(Campaign, pk)
        typed, session, by = words_form.typed(), db.session(), login.actor()
        now_there = wording.current(session, campaign)
        if now_there is not None and wording.written(now_there) == typed.words:
            flash(f"This is what version {now_there.number} says: there is nothing to save.", "success")
            return redirect(url_for(".campaign", pk=pk), 303)
        try:
            words_mail.drafts().example(words_mail.kind_of(campaign), typed.words)
            row = wording.save(
                session,
                campaign,
                typed.words,
                words_mail.kinds(),
                seen=typed.seen,
                by=by,
                note=typed.note,
                now=clock.now(),
            )
        except WordsError as error:
            return self._page(campaign, typed, mistake=Mistake.of(error, typed.words))
        except Changed as error:
            session.rollback()
            return self._page(get(Campaign, pk), typed, conflict=str(error))
        number = row.number
        session.commit()
        flash(f"Saved as version {number}. It counts from the next run on; what is planned already stays.", "success")
        return redirect(url_for(".campaign", pk=pk), 303)

    @show("/<key:pk>/frame")
    def look(self, pk: int) -> ResponseReturnValue:
        """The mail for the frame, as a version says it: the one that counts unless another is asked for."""
        campaign: Campaign = get(Campaign, pk)
        number, view = _number("version", -1), arguments.choice("view", words_frame.VIEWS)
        try:
            words = words_mail.counting(campaign) if number < 0 else words_mail.version(campaign, number)
            return words_frame.shown(words_mail.message_of(campaign, words, arguments.text("person")), view)
        except (WordsError, PreviewError, CampaignError) as error:
            return words_frame.wrong(error)

    @act("/<key:pk>/frame")
    def draft(self, pk: int) -> ResponseReturnValue:
        """The mail for the frame, as it is typed. Changes nothing."""
        campaign: Campaign = get(Campaign, pk)
        typed = words_form.typed()
        try:
            message = words_mail.message_of(campaign, typed.words, typed.person)
            return words_frame.shown(message, request.form.get("view", ""))
        except (WordsError, PreviewError, CampaignError) as error:
            return words_frame.wrong(error)

    @act("/<key:pk>/test")
    def test(self, pk: int) -> ResponseReturnValue:
        """One mail as it is typed, to whoever asks for it. It is in nobody's count."""
        campaign: Campaign = get(Campaign, pk)
        typed, session, by = words_form.typed(), db.session(), login.actor()
        try:
            message = words_mail.message_of(campaign, typed.words, typed.person)
            with limiter.limit(TESTS, key_func=lambda: f"operator {by.operator_id}", scope="words-test"):
                pass
        except WordsError as error:
            return self._page(campaign, typed, mistake=Mistake.of(error, typed.words))
        except (PreviewError, CampaignError) as error:
            return self._page(campaign, typed, trouble=str(error))
        except RateLimitExceeded:
            return self._page(campaign, typed, trouble="These were many tests in a short time. Wait a few minutes.")
        audit_log.record(
            session, by, "words.tested", object_type="campaign", object_id=pk, after={"subject": message.subject}
        )
        # No transaction spans SMTP.
        session.commit()
        outcome = words_mail.drafts().send(message, by.name)
        campaign = get(Campaign, pk)
        if outcome.decision is not Decision.ACCEPTED:
            said = " ".join(map(str, filter(None, (outcome.code, outcome.text))))
            return self._page(campaign, typed, trouble=f"The test was not accepted: {said or outcome.decision}")
        return self._page(campaign, typed, done=f"Sent to {by.name}. Look in your inbox for “[Test]”.")

    @show("/<key:pk>/versions")
    def versions(self, pk: int) -> ResponseReturnValue:
        """Who changed what, when, why; two of them side by side."""
        campaign: Campaign = get(Campaign, pk)
        every = wording.versions(db.session(), campaign)
        newest = every[0].number if every else 0
        new = _number("new", newest)
        old = _number("old", max(0, new - 1))
        page: str = self.render(
            "admin/words_versions.html",
            campaign=campaign,
            versions=every,
            old=old,
            new=new,
            differences=words_form.compare(words_mail.version(campaign, old), words_mail.version(campaign, new)),
        )
        return page

    @show("/<key:pk>/back", Role.editor)
    def ask_back(self, pk: int) -> ResponseReturnValue:
        """What going back means."""
        campaign: Campaign = get(Campaign, pk)
        number = _number("version", 0)
        words_mail.version(campaign, number)
        page: str = self.render("admin/words_back.html", campaign=campaign, number=number)
        return page

    @act("/<key:pk>/back")
    def back(self, pk: int) -> ResponseReturnValue:
        """A new version with the old words; number 0: the files of the mail count again."""
        campaign: Campaign = get(Campaign, pk)
        number, session, by = arguments.field("version", 9), db.session(), login.actor()
        words = words_mail.version(campaign, int(number) if number.isdecimal() else -1)
        seen = words_form.typed().seen
        try:
            if number == "0":
                wording.drop(session, campaign, seen=seen, by=by)
            else:
                note = f"back to version {number}"
                wording.save(session, campaign, words, words_mail.kinds(), seen=seen, by=by, note=note, now=clock.now())
        except (WordsError, Changed) as error:
            session.rollback()
            flash(f"{error} Nothing was changed.", "error")
            return redirect(url_for(".versions", pk=pk), 303)
        session.commit()
        words_now = "The files of the mail count again." if number == "0" else f"Version {number} counts again."
        flash(f"{words_now} What is planned already stays as it is.", "success")
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
    ) -> ResponseReturnValue:
        """The form with what was typed, whatever became of it."""
        there, kind = wording.current(db.session(), campaign), words_mail.kind_of(campaign)
        page: str = self.render(
            "admin/words_edit.html",
            campaign=campaign,
            typed=typed,
            mistake=mistake,
            trouble=trouble,
            done=done,
            conflict=conflict,
            differences=words_form.compare(words_mail.counting(campaign), typed.words) if conflict else [],
            # Whoever saves once more has seen it.
            seen=(campaign.words_id or 0) if conflict else typed.seen,
            version=there,
            names=words_form.names(offered(kind)),
            content=kind.content,
            views=words_frame.VIEWS,
        )
        return page, 409 if conflict else 400 if mistake or trouble else 200


def _number(name: str, default: int) -> int:
    value = request.args.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else default

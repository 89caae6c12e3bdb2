"""activity_digest: what happened around a user since the last digest, as often as they want."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Executable, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from notifier.consent.preferences import frequency_of, wanting
from notifier.content import Content
from notifier.database import expressions
from notifier.emails import activity_phrases
from notifier.emails.campaign_kind import CampaignKind, Columns, Exclusion, Occasion
from notifier.emails.content_variables import GREETING
from notifier.emails.digest_lines import Digest, DigestLine, DigestRequest, digests_of
from notifier.emails.digest_window import boundary_of, earlier, key_part, listed_since, mark_of, moves, until_of
from notifier.emails.kind import Category, Owed
from notifier.ledger import Claimed
from notifier.models import Activity, Frequency, Notification, Status, User
from notifier.scheduling.periods import wall, zone_of


class DigestSettings(BaseModel):
    """The settings of a digest campaign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Lines in one email; further activities are shown as a number.
    max_items: int = Field(
        10, ge=1, le=50, title="Lines in one email", description="Further activities are shown as a number."
    )


#: Statuses of emails that the recipient may have.
_MAY_HAVE_ARRIVED = (Status.sent, Status.bounced, Status.complained, Status.unknown)

#: Time from finding a person due until the mail server has the email: a tick, a run, a queue.
_ON_THE_WAY = timedelta(seconds=60)


class ActivityDigest(CampaignKind):
    """Due when the user's day, week or month is over and has activities that no digest reported yet.

    People who want to hear as soon as something happens get prompt emails between the slots.
    """

    name: ClassVar[str] = "activity_digest"
    category: ClassVar[Category] = Category.digest
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You're receiving this because activity digests are turned on in your settings."
    Settings: ClassVar[type[BaseModel]] = DigestSettings
    has_data: ClassVar[bool] = True
    offers: ClassVar[Mapping[str, Any]] = {
        "since": "Monday, 16 November",
        "summary": "4 likes and a comment",
        "headline": "Ada liked “Night train”",
        "rest": "4",
        "more": "2",
        "older": "37 older ones",
        "home_url": "https://example.com/",
    }

    def __init__(self, *, within: timedelta = timedelta(minutes=5), gap: timedelta = timedelta(hours=1)) -> None:
        """Send prompt emails `within` this time of an activity, and at most one per `gap`."""
        self.prompt_every = within - _ON_THE_WAY
        self._gap = gap

    def prompted(self) -> ColumnElement[bool]:
        """Return the condition for people who want to hear as soon as something happens."""
        return wanting(Frequency.immediate)

    def content(self, settings: DigestSettings) -> Content:
        """Return the content of templates/emails/activity_digest."""
        return Content(
            "{{ headline }}{% if rest %}, and {{ rest }} more{% endif %}",
            "New since {{ since }}",
            f"{GREETING}\n\nIn total: {{{{ summary }}}}.\n\n{{content}}\n\n"
            "{button: See everything | {{ home_url }}}",
        )

    def exclusions(self, occasion: Occasion, columns: Columns) -> Sequence[Exclusion]:
        """Exclude people who want no digest, who are not due, or who have nothing to report.

        Activities after the end of the user's day, week or month do not make a digest due on their own: otherwise a
        week without activity would let the weekly digest come on any day.
        """
        since, boundary = mark_of(occasion), earlier(boundary_of(occasion), until_of(occasion, columns))
        inside = (Activity.occurred_at >= listed_since(occasion), Activity.occurred_at < boundary)
        any_activity = select(Activity.id).where(Activity.user_id == User.id, *inside).correlate_except(Activity)
        values: dict[str, ColumnElement[Any]] = {
            "how often": frequency_of(),
            "included up to": since,
            "due from": boundary_of(occasion),
        }
        return [
            Exclusion(
                "no_digest_wanted",
                "they turned activity digests off",
                frequency_of() == Frequency.never.value,
                {"how often": frequency_of()},
            ),
            Exclusion("not_due", "the next digest is not due yet", since >= boundary, values, lasting=False),
            Exclusion("nothing_new", "nothing new has happened", ~exists(any_activity), values, lasting=False),
            *self._immediate(occasion),
        ]

    def _immediate(self, occasion: Occasion) -> Sequence[Exclusion]:
        """Exclude people who get prompt emails, or who had one within the gap."""
        how_often = {"how often": frequency_of()}
        immediate = frequency_of() == Frequency.immediate.value
        if occasion.prompts_elsewhere:
            words = "they get a digest as soon as something happens, not at a set time"
            return [Exclusion("prompt", words, immediate, how_often, lasting=False)]
        if not occasion.prompt:
            return []
        sent = func.coalesce(Notification.sent_at, Notification.settled_at)
        since = expressions.moment(occasion.slot - self._gap)
        counts = Notification.status.in_((Status.pending, Status.sending, *_MAY_HAVE_ARRIVED))
        mine = (Notification.user_id == User.id, Notification.kind == self.name, counts)
        last = select(func.max(Notification.id)).where(*mine)
        lately = select(Notification.id).where(
            Notification.id == last.correlate(User).scalar_subquery(),
            or_(Notification.status.in_((Status.pending, Status.sending)), sent > since),
        )
        minutes = round(self._gap / timedelta(minutes=1))
        words = f"they get at most one digest every {minutes} minutes"
        return [Exclusion("too_soon", words, and_(immediate, exists(lately)), how_often, lasting=False)]

    def period(self, occasion: Occasion, columns: Columns) -> str:
        """Return the slot in UTC, such as 20261120T080000Z."""
        return key_part(occasion)

    def params(self, occasion: Occasion, columns: Columns) -> Mapping[str, ColumnElement[Any] | str | int]:
        """Return the stored values of a digest.

        They are the window, the start of its listed part, the time zones of its dates, and the
        number of lines.
        """
        return {
            "since": mark_of(occasion),
            "listed": listed_since(occasion),
            "until": until_of(occasion, columns),
            "zone": User.timezone.expression,
            "home": occasion.zone.key,
            "lines": occasion.settings.max_items,
        }

    def after_expansion(self, occasion: Occasion, people: Select[int]) -> Sequence[Executable]:
        """Move the marks of people who got a row of this email to the end of its window."""
        return moves(occasion, people)

    def load(self, session: Session, rows: Sequence[Claimed]) -> Mapping[int, Digest]:
        """Return the digests by row key."""
        return digests_of(session, [_wanted(row, row.user.id) for row in rows if row.user])

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if the digest lists no activity.

        An empty digest, or one of old activities alone, is not sent.
        """
        nothing = isinstance(owed.data, Digest) and not owed.data.counts
        return "there is no activity left to report" if nothing else None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return everything that is shown: see templates/emails/activity_digest."""
        digest: Digest = owed.data
        params = owed.notification.params
        zone, _ = zone_of(params["zone"], params["home"])
        first = digest.lines[0]
        rest = digest.counts.total() - first.count
        return {
            "since": _since(wall(digest.listed or digest.since, zone), wall(digest.until, zone)),
            "summary": activity_phrases.tally(digest.counts),
            "headline": " ".join(filter(None, _sentence(first, title_limit=40))),
            "rest": f"{rest:,}" if rest else "",
            "lines": [(*_sentence(line), _note(line, wall(digest.until, zone), zone)) for line in digest.lines],
            "more": f"{digest.more:,}" if digest.more else "",
            "older": activity_phrases.counted(digest.older, "older one", "older ones") if digest.older else "",
            "home_url": owed.links.home(),
        }


def _wanted(row: Claimed, user_id: int) -> DigestRequest:
    since, listed, until = (expressions.moment_of(row.params[name]) for name in ("since", "listed", "until"))
    return DigestRequest(row.id, user_id, since, listed, until, row.params["lines"])


def _sentence(line: DigestLine, title_limit: int = 80) -> tuple[str, str, str]:
    """Return the people, what they did and the thing, each as text."""
    phrases = activity_phrases.phrases_of(line.kind)
    who = activity_phrases.people([activity_phrases.name(name) for name in line.names], line.people)
    did = phrases.they_did if line.people > 1 and phrases.they_did else phrases.did
    return (
        who,
        did,
        "" if phrases.personal else activity_phrases.quoted(activity_phrases.title(line.title, title_limit)),
    )


def _note(line: DigestLine, until: datetime, zone: ZoneInfo) -> str:
    """Return when it last happened, and how often if the people do not show that."""
    phrases, newest = activity_phrases.phrases_of(line.kind), wall(line.newest, zone)
    often = activity_phrases.counted(line.count, phrases.one, phrases.many) if line.count > line.people else ""
    return " · ".join(filter(None, [often, _date(newest, until)]))


def _since(since: datetime, until: datetime) -> str:
    """Return the start of the window as text, with the time of day if the window is shorter than a day."""
    return f"{since:%A}, {since:%H:%M}" if until - since < timedelta(days=1) else _date(since, until)


def _date(moment: datetime, until: datetime) -> str:
    return activity_phrases.weekday(moment.date(), year=moment.year != until.year)

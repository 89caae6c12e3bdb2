"""Search the ledger by exact filters only, each answered by an index or by a bounded scan of the newest rows."""

from dataclasses import dataclass, replace

from flask import current_app, request
from sqlalchemy import Select, func, select, union_all

from notifier.admin.kit import arguments
from notifier.admin.kit.listing import Listing, by_key, link
from notifier.bounces.reasons import NOTHING_FAILED, Reason
from notifier.emails import KINDS
from notifier.extensions import db
from notifier.mail import providers
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Feedback, Notification, Status, User
from notifier.observability.by_provider import NAMES, OTHER

#: Rows scanned for a page of a search by kind, campaign or what came back, which people may continue. An index for it
#: would cost every email sent.
WINDOW = 100_000

#: Reasons of what came back that a search may name: those of failures and complaints.
REASONS = tuple(
    str(reason)
    for reason in Reason
    if reason not in NOTHING_FAILED | {Reason.NOT_SPAM, Reason.AUTH_FAILURE, Reason.FEEDBACK}
)

_N = Notification


@dataclass(frozen=True, slots=True)
class Search:
    """The filters of a search. Empty: any."""

    pk: int | None = None
    email: str = ""
    status: str = ""
    kind: str = ""
    campaign: int | None = None
    run: int | None = None
    #: What came back: the reason, and the mailbox provider that it is about.
    reason: str = ""
    provider: str = ""
    #: The user with this address; None if no account has it.
    user_id: int | None = None
    #: The problem with the address, for the form.
    wrong: str = ""

    @classmethod
    def from_address(cls) -> "Search":
        """Read the filters from the page's query."""
        plain = cls(
            pk=arguments.key("id"),
            email=arguments.text("email"),
            status=arguments.choice("status", [str(status) for status in Status]),
            kind=arguments.choice("kind", KINDS),
            campaign=_key("campaign"),
            run=_key("run"),
            reason=arguments.choice("reason", REASONS),
            provider=arguments.choice("provider", NAMES),
        )
        return plain._with_user() if plain.email else plain

    def _with_user(self) -> "Search":
        try:
            key = parse_address(self.email, **current_app.config["ADDRESSES"]).identity_key
        except AddressError as error:
            return replace(self, wrong=str(error))
        user_id = db.session.scalar(select(User.id).where(User.identity_key == key))
        wrong = "" if user_id else "No account has this address. Check it for typos."
        return replace(self, user_id=user_id, wrong=wrong)

    @property
    def any(self) -> bool:
        """Whether any filter is set."""
        return bool(self.email or self.status or self.kind or self.campaign or self.run or self._came_back)

    @property
    def _came_back(self) -> bool:
        return bool(self.reason or self.provider)

    def query(self) -> Select[Notification]:
        """Return the matching rows, in no order."""
        query = select(_N)
        if self.email:
            query = query.where(_N.user_id == self.user_id if self.user_id else _N.id < 0)
        if self.status:
            query = query.where(_N.status == self.status)
        if self.kind:
            query = query.where(_N.kind == self.kind)
        if self.campaign is not None:
            query = query.where(_N.campaign_id == self.campaign)
        if self.run is not None:
            query = query.where(_N.run_id == self.run)
        if self._came_back:
            query = query.where(_N.status.in_((Status.bounced, Status.complained)), self._feedback().exists())
        return query

    def _feedback(self) -> Select[int]:
        """Select the feedback about an email of the outer query that has this reason and provider."""
        query = select(Feedback.id).where(Feedback.notification_id == _N.id)
        if self.reason:
            query = query.where(Feedback.reason == self.reason)
        if self.provider == OTHER:
            query = query.where(Feedback.provider.not_in(providers.PROVIDERS))
        elif self.provider:
            query = query.where(Feedback.provider == self.provider)
        return query

    def listing(self) -> Listing:
        """Return one page of the matching rows."""
        if self.run is not None and not self.status:
            return by_key(self.query(), _N.id, restrict=self._newest_of_run)
        if self.email or self.run is not None or not (self.kind or self.campaign is not None or self._came_back):
            return by_key(self.query(), _N.id)
        return self._within_window()

    @staticmethod
    def _newest_of_run(page: Select[Notification]) -> Select[Notification]:
        """Rewrite a page for the index of runs, which is by status first.

        Take a page of each status, then the page of those.
        """
        keys = page.with_only_columns(_N.id)
        each = [keys.where(_N.status == str(status)).subquery() for status in Status]
        found = union_all(*(select(part.c.id) for part in each))
        return page.where(_N.id.in_(found))

    def _within_window(self) -> Listing:
        after, before = arguments.key("after"), arguments.key("before")
        if after is not None:
            return by_key(self.query().where(_N.id <= after + WINDOW), _N.id)
        newest = before or (db.session.scalar(select(func.max(_N.id))) or 0) + 1
        least = newest - WINDOW
        page = by_key(self.query().where(_N.id >= least), _N.id)
        if page.older is None and least > 1:
            return replace(page, older=link(before=least, after=None), looked_back_to=least)
        return page


def _key(name: str) -> int | None:
    value = request.args.get(name, "")
    if value and arguments.key(name) is None:
        raise arguments.BadArgument(f"There is no {name} of this number. Choose one from the list.")
    return arguments.key(name)

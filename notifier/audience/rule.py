"""The audience rule: one SELECT that says for each user what they get at an occasion, or why nothing."""

from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, String, and_, case, cast, inspect, literal, or_, select

from notifier.audience.occasions import CampaignOccasion
from notifier.audience.zones import zone_columns
from notifier.consent import preferences
from notifier.database.expressions import json_object, moment
from notifier.emails.campaign_kind import Exclusion, Reaches
from notifier.models import DETACHED, Notification, Suppression, User
from notifier.reasons import ReasonCode, sentence

#: The rule as a statement: see AudienceRule.select.
People = Select[*tuple[Any, ...]]

SUPPRESSED = "suppressed"
OPTED_OUT = "opted_out"
#: The campaign does not reach this kind of account.
NOT_CONFIRMED = "not_confirmed"
CONFIRMED = "confirmed"
#: It would come in their quiet hours, and they lose nothing if it is left out now.
QUIET = "quiet_hours"
#: This very email is in the ledger already, from this run or another one.
ALREADY = "already"
#: A person of an application that embeds us without a usable address, or who was deleted or erased there.
UNREACHABLE = "unreachable"


class AudienceRule:
    """Who gets the email of an occasion, as columns of one SELECT over users."""

    def __init__(
        self, occasion: CampaignOccasion, zones: Collection[str], now: datetime, *, lasting_only: bool = False
    ) -> None:
        """Build the rule.

        Args:
            zones: The time zone names of the people to ask about.
            lasting_only: Leave out reasons that the expansion itself changes: for people who have a row already.
        """
        self.occasion = occasion
        self._now = now
        self._zones = zone_columns(occasion, zones, now)
        self._lasting_only = lasting_only

    @cached_property
    def exclusions(self) -> tuple[Exclusion, ...]:
        """Every reason for exclusion, in the order in which they count."""
        occasion = self.occasion
        own = occasion.kind_of.exclusions(occasion, self._zones.kinds)
        before = [_unreachable(), _suppressed(), *_opted_out(occasion), *_unreached(occasion)]
        everything = [*before, *occasion.audience.exclusions(), *self._quiet(), *own, self._already()]
        codes = [exclusion.code for exclusion in everything]
        assert len(set(codes)) == len(codes), codes
        return tuple(each for each in everything if each.lasting or not self._lasting_only)

    @property
    def code(self) -> ColumnElement[str | None]:
        """The first reason that holds; NULL if the person gets the email."""
        return case(*((each.where, literal(each.code)) for each in self.exclusions), else_=literal(None, String))

    @cached_property
    def key(self) -> ColumnElement[str]:
        """The dedupe key of each user's email: it identifies the email, in any run."""
        period = self.occasion.kind_of.period(self.occasion, self._zones.kinds)
        return literal(f"c{self.occasion.campaign_id}:") + period + literal(":") + cast(User.id, String)

    def brief(self) -> Select[int, str | None, datetime]:
        """Return only user_id, code and due, which takes half of the time to compile that `select` does."""
        statement = select(User.id.label("user_id"), self.code.label("code"), self._zones.due.label("due"))
        return statement.select_from(self._users())

    def select(self, *more: ColumnElement[Any]) -> People:
        """Return for each user what an expansion needs. The caller says which users.

        Columns: user_id, recipient, code, fallback, send_at, since, until, due, deadline, reason_code, dedupe_key,
        params, and `more`.
        """
        zones, occasion = self._zones, self.occasion
        params = dict(occasion.kind_of.params(occasion, zones.kinds))
        statement = select(
            User.id.label("user_id"),
            User.email.label("recipient"),
            self.code.label("code"),
            zones.fallback.label("fallback"),
            zones.kinds.send_at.label("send_at"),
            zones.kinds.since.label("since"),
            zones.kinds.until.label("until"),
            zones.due.label("due"),
            zones.deadline.label("deadline"),
            zones.reason_code.label("reason_code"),
            self.key.label("dedupe_key"),
            json_object(params).label("params"),
            *more,
        )
        return statement.select_from(self._users())

    def _users(self) -> FromClause:
        users, zones = inspect(User).selectable, self._zones.table
        return users if zones is None else users.outerjoin(zones, zones.c.timezone == User.timezone)

    def _quiet(self) -> list[Exclusion]:
        """Exclude people from prompt emails in their quiet hours.

        The next prompt run after these hours looks at them again.
        """
        if not self.occasion.prompt:
            return []
        words, due = sentence(ReasonCode.quiet_hours), self._zones.due
        at_once = moment(max(self._now, self.occasion.slot))
        return [Exclusion(QUIET, words, due > at_once, {"due": due}, lasting=False)]

    def _already(self) -> Exclusion:
        # Not EXISTS: the planner may answer that by scanning the whole ledger, which it believes is small while it
        # grows.
        row = select(Notification.id).where(Notification.dedupe_key == self.key).correlate_except(Notification)
        there = row.scalar_subquery().is_not(None)
        words, values = "this email is already in the ledger", {"key": self.key}
        began = row.with_only_columns(Notification.created_at).scalar_subquery()
        return Exclusion(ALREADY, words, there, values, lasting=False, began=began)


def _unreachable() -> Exclusion:
    # People who signed up here always have an address.
    where = and_(User.external_id.is_not(None), or_(~User.has_address(), User.external_id.startswith(DETACHED)))
    return Exclusion(UNREACHABLE, "they have no usable address, or their account was deleted or erased", where, {})


def _suppressed() -> Exclusion:
    found = select(Suppression.reason).where(Suppression.identity_key == User.identity_key).correlate(User)
    values = {"suppressed": found.scalar_subquery()}
    began = found.with_only_columns(Suppression.created_at).scalar_subquery()
    return Exclusion(SUPPRESSED, "the address is suppressed", found.exists(), values, began=began)


def _opted_out(occasion: CampaignOccasion) -> list[Exclusion]:
    category = occasion.kind_of.category
    if category in preferences.ALWAYS:
        return []
    refused, began = preferences.refused(category), preferences.decided_at(category)
    return [Exclusion(OPTED_OUT, f"they unsubscribed from {preferences.NAMES[category]}", refused, {}, began=began)]


def _unreached(occasion: CampaignOccasion) -> list[Exclusion]:
    values = {"confirmed at": User.verified_at}
    if occasion.reaches is Reaches.confirmed:
        words = sentence(ReasonCode.not_confirmed)
        return [Exclusion(NOT_CONFIRMED, words, User.verified_at.is_(None), values)]
    if occasion.reaches is Reaches.unconfirmed:
        confirmed = User.verified_at.is_not(None)
        words = "the address is confirmed already"
        return [Exclusion(CONFIRMED, words, confirmed, values, began=User.verified_at)]
    return []

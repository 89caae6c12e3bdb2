"""Who began or stopped to get an email since a moment, as far as their rows tell.

New accounts, confirmations, opt-outs, suppressions and emails in the ledger carry their moment. An age that passed, a
setting that changed or a row that is gone does not: of those only the number of people tells.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, literal, or_

from notifier.audience.rule import AudienceRule
from notifier.consent import preferences
from notifier.database.expressions import moment
from notifier.emails.campaign_kind import Exclusion, Reaches
from notifier.models import User


def joined(rule: AudienceRule, since: datetime) -> ColumnElement[bool]:
    """Return a condition on those whom the rule chooses: it did not before `since`."""
    at, occasion = moment(since), rule.occasion
    lately: list[ColumnElement[bool]] = [User.created_at > at]
    if occasion.reaches is Reaches.confirmed:
        lately.append(User.verified_at > at)
    if occasion.kind_of.category not in preferences.ALWAYS:
        lately.append(preferences.wanted_since(occasion.kind_of.category) > at)
    return or_(*lately)


def left(rule: AudienceRule, since: datetime) -> ColumnElement[bool]:
    """Return a condition on those whom the rule leaves out: every reason began after `since`."""
    at = moment(since)
    conditions = [(_held_before(each, at), literal(0)) for each in rule.exclusions]
    return and_(User.created_at <= at, case(*conditions, else_=literal(1)) == 1)


def _held_before(exclusion: Exclusion, at: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Return a condition on User: this reason holds, and no row says that it began after `at`."""
    if exclusion.began is None:
        return exclusion.where
    return and_(exclusion.where, or_(exclusion.began.is_(None), exclusion.began <= at))

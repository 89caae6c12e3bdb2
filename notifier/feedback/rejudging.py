"""Judge the replies of suppressed addresses by today's rules: which of them would no longer be suppressed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.bounces.judging import judge
from notifier.bounces.names import first_address
from notifier.bounces.reasons import DEAD, RULES, SENTENCES, Reason
from notifier.bounces.texts import Statement
from notifier.consent import suppressions
from notifier.models import Suppression, SuppressionReason
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor

#: Suppressions that are read at once.
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Freed:
    """An address whose reply no longer suppresses it."""

    pk: int
    identity_key: str
    #: The reply, with its codes.
    said: str
    #: The rules that judged it, and what today's rules say.
    rule_version: int | None
    reason: Reason

    @property
    def why(self) -> str:
        """The sentence of the reason."""
        return SENTENCES[self.reason]


def look(session: Session) -> Iterator[Freed]:
    """Yield the addresses that would come back, in the order of their keys. Read in portions.

    Only hard bounces with a stored reply are judged: no complaint, nothing that a person decided, no erased address.
    """
    after = 0
    query = select(Suppression).where(
        Suppression.reason == SuppressionReason.hard_bounce.value,
        Suppression.reply.is_not(None),
        Suppression.reply != "",
    )
    while True:
        rows = session.scalars(query.where(Suppression.id > after).order_by(Suppression.id).limit(CHUNK)).all()
        for row in rows:
            reply = row.reply or ""
            # Behind a forwarding server another address failed than the one that we know.
            about = first_address(reply) or row.identity_key
            reason = judge(Statement(reply, row.code or 0, row.enhanced or ""), about)
            if reason not in DEAD and not row.identity_key.startswith(suppressions.CONCEALED):
                yield Freed(row.id, row.identity_key, _said(row), row.rule_version, reason)
        if len(rows) < CHUNK:
            return
        after = rows[-1].id


def lift(session: Session, freed: Freed, *, keys: Sequence[str], by: Actor) -> bool:
    """Remove the suppression, with an entry in the audit log. Return False if it has changed since. The caller commits.

    `keys` as in SECRET_KEYS.
    """
    query = select(Suppression).where(Suppression.id == freed.pk).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if row is None or row.reason != SuppressionReason.hard_bounce or _said(row) != freed.said:
        return False
    audit_log.record(
        session, by, "suppression.lifted", object_type="suppression", object_id=row.id,
        about=About.address(row.identity_key, keys), before={"reason": row.reason, "source": row.source},
        after={"note": f"by the rules {RULES}: {freed.reason.value}"},
    )  # fmt: skip
    suppressions.lift(session, row)
    return True


def _said(row: Suppression) -> str:
    return " ".join(str(each) for each in (row.code, row.enhanced, row.reply) if each)

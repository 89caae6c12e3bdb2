"""Turn the outcome of an attempt into a settlement: the row's status, and when it is due again. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from jinja2 import TemplateError

from notifier.content import ContentError
from notifier.delivery import retry
from notifier.delivery.attempt_facts import NO_FACTS, Facts
from notifier.ledger import Claimed, Settlement, StoredReply, unknown, why
from notifier.mail import providers
from notifier.mail.message import MessageError
from notifier.models import Status
from notifier.reasons import ReasonCode, sentence
from notifier.security.redaction import redacted
from notifier.smtp.outcome import Decision, Outcome, Scope, clean
from notifier.smtp.server_ids import server_id

#: Attempts to compose an email (its template may not render) before the row fails.
COMPOSE_TRIES = 5


#: By whether the address itself was refused.
_REFUSED = {False: ReasonCode.refused, True: ReasonCode.address_refused}

#: (decision, whether a provider judged us) -> why the email waits.
_WAITS = {
    (Decision.HOLD, False): ReasonCode.transport_held,
    (Decision.HOLD, True): ReasonCode.provider_held,
    (Decision.THROTTLE, False): ReasonCode.try_later,
    (Decision.THROTTLE, True): ReasonCode.provider_slowed,
}


def reply_of(outcome: Outcome) -> StoredReply:
    """Return the part of an outcome that the row keeps."""
    return StoredReply(outcome.decision, outcome.phase, outcome.code, outcome.enhanced, outcome.text)


def verdict(
    row: Claimed, outcome: Outcome, now: datetime, *, quick: bool = False, facts: Facts = NO_FACTS
) -> Settlement:
    """Return how this attempt ends.

    `quick`: the caller tries again in a moment, so the row stays due now and the sweep is the fallback.
    """
    reply = reply_of(outcome)
    counted = row.attempts + 1
    if outcome.decision is Decision.ACCEPTED:
        return Settlement(
            row.id, row.claim, Status.sent, counted, row.unknowns, None, None, None, None, now, *facts, reply=reply,
            server_id=server_id(outcome.text),
        )  # fmt: skip
    scope = providers.scope_of(providers.domain_of(row.recipient)) if outcome.scope is Scope.PROVIDER else None
    end = _ending(row, outcome, reply, scope, facts)
    match outcome.decision:
        case Decision.FAIL | Decision.BOUNCE:
            bounced = outcome.decision is Decision.BOUNCE
            return end(Status.failed, _REFUSED[bounced], attempts=counted)
        case Decision.UNKNOWN:
            due = in_time(row, retry.next_attempt(counted, now))
            return unknown(
                row.id, row.claim, counted, row.unknowns, row.on_unknown, now=due, reply=reply, **facts._asdict()
            )
        case Decision.RETRY:
            due = retry.next_attempt(counted, now, at_least=timedelta(seconds=outcome.min_delay))
            return end(Status.pending, ReasonCode.try_later, attempts=counted, due=in_time(row, due))
        case Decision.HOLD:
            due = in_time(row, now + retry.jittered(retry.HOLD))
            return end(Status.pending, _WAITS[outcome.decision, scope is not None], due=due)
        case Decision.THROTTLE:
            due = in_time(row, now + retry.jittered(retry.REST))
            code = _WAITS[outcome.decision, scope is not None]
            return end(Status.pending, code, due=now if quick else due, enqueue_at=due)
    raise AssertionError(outcome.decision)


def _ending(
    row: Claimed, outcome: Outcome, reply: StoredReply, scope: str | None, facts: Facts
) -> Callable[..., Settlement]:
    """Return what builds the settlement of a refused attempt: `end(to, code, attempts=…, due=…, enqueue_at=…)`."""
    said = f"{outcome.code or ''} {outcome.text}".strip()[:200]

    def end(to: Status, code: ReasonCode, *, attempts: int = row.attempts, **when: Any) -> Settlement:
        return Settlement(
            pk=row.id,
            claim=row.claim,
            to=to,
            attempts=attempts,
            unknowns=row.unknowns,
            **why(code, reply=said, provider=None if scope is None else providers.label_of(scope)),
            reply=reply,
            hold_key=providers.key(facts.transport, scope) if scope and facts.transport else None,
            **facts._asdict(),
            **when,
        )

    return end


def compose_failed(row: Claimed, error: Exception, now: datetime) -> Settlement:
    """Build the settlement of an email that could not be composed.

    A deploy may repair it, so it is retried, but only COMPOSE_TRIES times.
    """
    tries = row.attempts + 1
    over = tries >= COMPOSE_TRIES
    return Settlement(
        pk=row.id,
        claim=row.claim,
        to=Status.failed if over else Status.pending,
        attempts=tries,
        unknowns=row.unknowns,
        **why(ReasonCode.not_composed, error=in_words(error, row.private)),
        due=None if over else in_time(row, retry.next_attempt(tries, now)),
    )


def in_words(error: Exception, private: Iterable[str] = ()) -> str:
    """Return, in one line, what people are told about an email that could not be composed.

    The run keeps the text too, so the recipient's `private` values are replaced.
    """
    text = redacted(" ".join(str(error).split()), private)
    if not isinstance(error, ContentError | MessageError | TemplateError):
        # A message that was written for programmers needs the error's class beside it.
        text = f"{type(error).__name__}: {text or 'the log has the details'}"
    return clean(text)


def not_sent(
    row: Claimed,
    to: Status,
    code: ReasonCode,
    reason: str | None = None,
    *,
    due: datetime | None = None,
    hold_key: str | None = None,
) -> Settlement:
    """Build the settlement of an attempt that never came to sending.

    `reason`: the sentence, unless it is the code's own.
    """
    return Settlement(
        pk=row.id,
        claim=row.claim,
        to=to,
        attempts=row.attempts,
        unknowns=row.unknowns,
        reason_code=code.value,
        reason=sentence(code) if reason is None else reason,
        due=due,
        deaths=row.deaths,
        hold_key=hold_key,
    )


def died_of(row: Claimed, now: datetime, *, alone_from: int) -> Settlement:
    """Build the settlement of an attempt whose process died while it composed the email.

    After `alone_from` deaths the email was composed alone, so it is the cause: it fails, or it would end one process
    after the other.
    """
    if row.deaths < alone_from:
        return not_sent(row, Status.pending, ReasonCode.worker_lost, due=now)._replace(deaths=row.deaths + 1)
    reply = StoredReply("MAKER_DIED", text=sentence(ReasonCode.maker_died, deaths=row.deaths + 1))
    return Settlement(
        pk=row.id,
        claim=row.claim,
        to=Status.failed,
        attempts=row.attempts,
        unknowns=row.unknowns,
        **why(ReasonCode.maker_died, deaths=row.deaths + 1),
        reply=reply,
    )


def in_time(row: Claimed, due: datetime) -> datetime:
    """Return `due`, or the row's deadline if that is earlier: at the deadline the sweep expires the row."""
    return due if row.deadline is None else min(due, row.deadline)

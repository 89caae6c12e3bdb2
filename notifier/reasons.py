"""Reason codes: why an email waits, ended, or was left out, and why a run stands still.

A row keeps the code and, beside it, the sentence that people read. Code decides by the code alone, so a sentence can
be edited or translated without leaving a row asleep.
"""

import enum
from collections.abc import Mapping


class ReasonCode(enum.StrEnum):
    """The closed list. A code is stored in rows: never change one, add another."""

    # An email waits.
    transport_held = "transport_held"
    provider_held = "provider_held"
    transport_slowed = "transport_slowed"
    provider_slowed = "provider_slowed"
    domain_slowed = "domain_slowed"
    rate_limited = "rate_limited"
    first_emails_slowed = "first_emails_slowed"
    source_limit = "source_limit"
    run_paused = "run_paused"
    run_cancelled = "run_cancelled"
    content_refused = "content_refused"
    content_failing = "content_failing"
    quiet_hours = "quiet_hours"
    weekly_cap = "weekly_cap"
    campaign_unreadable = "campaign_unreadable"
    worker_lost = "worker_lost"
    worker_stopped = "worker_stopped"
    lease_lost = "lease_lost"
    try_later = "try_later"
    not_composed = "not_composed"
    # An attempt ended, and the outcome cannot be known.
    delivery_uncertain = "delivery_uncertain"
    # An email came to rest.
    maker_died = "maker_died"
    refused = "refused"
    address_refused = "address_refused"
    suppressed = "suppressed"
    excluded = "excluded"
    unwanted = "unwanted"
    not_confirmed = "not_confirmed"
    withheld = "withheld"
    account_gone = "account_gone"
    campaign_gone = "campaign_gone"
    mailbox_limit = "mailbox_limit"
    superseded = "superseded"
    erased = "erased"
    too_late = "too_late"
    deadline_passed = "deadline_passed"
    # A journal that came late told how an attempt ended that had been taken as unknown.
    journal_found = "journal_found"
    # A person, or evidence that a person gave, decided.
    decided_resend = "decided_resend"
    decided_sent = "decided_sent"
    found_delivered = "found_delivered"
    found_missing = "found_missing"
    # A run or a campaign stands still.
    campaign_paused = "campaign_paused"
    paused_by_hand = "paused_by_hand"
    cancelled_by_hand = "cancelled_by_hand"
    run_useless = "run_useless"


#: The only place with the words. `{name}` is a detail that the caller gives.
SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.transport_held: "sending through this mail server is on hold",
    ReasonCode.provider_held: "{provider} refuses our emails for now: sending there is on hold",
    ReasonCode.transport_slowed: "the mail server asked us to slow down",
    ReasonCode.provider_slowed: "{provider} asked us to slow down",
    ReasonCode.domain_slowed: "the recipient's domain asked us to slow down",
    ReasonCode.rate_limited: "a rate limit is in force",
    ReasonCode.first_emails_slowed: "many recent first emails bounced, so first emails go out slowly",
    ReasonCode.source_limit: "{limit} first emails an hour go to one domain for sign-ups from one network",
    ReasonCode.run_paused: "the run is paused",
    ReasonCode.run_cancelled: "the run was cancelled",
    ReasonCode.content_refused: "its content is refused: the campaign is paused",
    ReasonCode.content_failing: "its content could not be made for {failed} of {tried} people: {error}",
    ReasonCode.quiet_hours: "quiet hours in the recipient's time zone",
    ReasonCode.weekly_cap: "the recipient gets at most {cap} a week",
    ReasonCode.campaign_unreadable: "the campaign cannot be read: {error}",
    ReasonCode.worker_lost: "its worker was lost before the email was sent",
    ReasonCode.worker_stopped: "its worker stopped before the email was sent",
    ReasonCode.lease_lost: "its worker was cut off from the database for too long to send it",
    ReasonCode.try_later: "{reply}",
    ReasonCode.not_composed: "could not be rendered: {error}",
    ReasonCode.delivery_uncertain: "delivery is uncertain: it may or may not have arrived",
    ReasonCode.maker_died: "{deaths} worker processes died while making it, the last one making nothing else",
    ReasonCode.refused: "{reply}",
    ReasonCode.address_refused: "{reply}",
    ReasonCode.suppressed: "suppressed: {why}",
    ReasonCode.excluded: "{why}",
    ReasonCode.unwanted: "{why}",
    ReasonCode.not_confirmed: "the address is not confirmed",
    ReasonCode.withheld: "{why}",
    ReasonCode.account_gone: "the account is gone",
    ReasonCode.campaign_gone: "the campaign is gone",
    ReasonCode.mailbox_limit: "this mailbox had {limit} sign-up emails in a day; a later sign-up gets its email",
    ReasonCode.superseded: "a newer sign-up of the same person goes first",
    ReasonCode.erased: "the person was erased",
    ReasonCode.too_late: "{why}, and later it would be of no use",
    ReasonCode.deadline_passed: "its deadline passed before it could be sent",
    ReasonCode.journal_found: "the journal of its lost worker told later what became of it",
    ReasonCode.decided_resend: "{operator} decided to send it again",
    ReasonCode.decided_sent: "{operator} decided to take it as sent",
    ReasonCode.found_delivered: "evidence was checked: it arrived",
    ReasonCode.found_missing: "evidence was checked: it did not arrive, so it is sent again",
    ReasonCode.campaign_paused: "its campaign is paused",
    ReasonCode.paused_by_hand: "{why}",
    ReasonCode.cancelled_by_hand: "{why}",
    ReasonCode.run_useless: "its emails would be of no use any more",
}

#: As long as the column of the sentence.
MAX_LENGTH = 200


def sentence(code: ReasonCode, **details: object) -> str:
    """Return the sentence for `code`, at most MAX_LENGTH characters. Raise KeyError if a detail is missing."""
    return SENTENCES[code].format_map({name: str(value) for name, value in details.items()})[:MAX_LENGTH]

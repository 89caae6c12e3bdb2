"""Reason codes: why an email waits, ended or was excluded, and why a run is stopped.

A row keeps the code and the sentence that people read. Decisions depend on the code alone, so a sentence can be edited
or translated without leaving a row stuck.
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
    provider_paused = "provider_paused"
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
    # An attempt ended with an unknown outcome.
    delivery_uncertain = "delivery_uncertain"
    # An email reached its final state.
    maker_died = "maker_died"
    refused = "refused"
    address_refused = "address_refused"
    suppressed = "suppressed"
    excluded = "excluded"
    unwanted = "unwanted"
    not_confirmed = "not_confirmed"
    withheld = "withheld"
    account_gone = "account_gone"
    no_address = "no_address"
    campaign_gone = "campaign_gone"
    mailbox_limit = "mailbox_limit"
    superseded = "superseded"
    address_corrected = "address_corrected"
    erased = "erased"
    too_late = "too_late"
    deadline_passed = "deadline_passed"
    # It came back after it was sent.
    address_dead = "address_dead"
    bounced = "bounced"
    refused_us = "refused_us"
    reported_as_spam = "reported_as_spam"
    # A journal found later showed the outcome of an attempt that had been uncertain.
    journal_found = "journal_found"
    # A person, or evidence that a person gave, decided.
    decided_resend = "decided_resend"
    decided_sent = "decided_sent"
    found_delivered = "found_delivered"
    found_missing = "found_missing"
    # A run or a campaign is stopped.
    campaign_paused = "campaign_paused"
    paused_by_hand = "paused_by_hand"
    cancelled_by_hand = "cancelled_by_hand"
    run_useless = "run_useless"
    too_many_dead = "too_many_dead"
    too_many_complaints = "too_many_complaints"


#: The only place with these sentences. The caller supplies each `{name}`.
SENTENCES: Mapping[ReasonCode, str] = {
    ReasonCode.transport_held: "sending through this mail server is on hold",
    ReasonCode.provider_held: "{provider} is refusing our emails: sending to it is on hold",
    ReasonCode.transport_slowed: "the mail server asked us to slow down",
    ReasonCode.provider_slowed: "{provider} asked us to slow down",
    ReasonCode.domain_slowed: "the recipient's domain asked us to slow down",
    ReasonCode.rate_limited: "a rate limit is in force",
    ReasonCode.first_emails_slowed: "many recent first emails bounced, so first emails are sent slowly",
    ReasonCode.source_limit: "sign-ups from one network can send at most {limit} first emails an hour to one domain",
    ReasonCode.run_paused: "the run is paused",
    ReasonCode.provider_paused: "too many people at {provider} reported it as spam: the run's emails to it are paused",
    ReasonCode.run_cancelled: "the run was cancelled",
    ReasonCode.content_refused: "mail servers reject its content: the campaign is paused",
    ReasonCode.content_failing: "its content could not be rendered for {failed} of {tried} people: {error}",
    ReasonCode.quiet_hours: "quiet hours in the recipient's time zone",
    ReasonCode.weekly_cap: "the recipient gets at most {cap} a week",
    ReasonCode.campaign_unreadable: "the campaign cannot be read: {error}",
    ReasonCode.worker_lost: "its worker crashed before the email was sent",
    ReasonCode.worker_stopped: "its worker stopped before the email was sent",
    ReasonCode.lease_lost: "its worker was cut off from the database for too long to send it",
    ReasonCode.try_later: "{reply}",
    ReasonCode.not_composed: "could not be rendered: {error}",
    ReasonCode.delivery_uncertain: "delivery is uncertain: it may or may not have arrived",
    ReasonCode.maker_died: "{deaths} worker processes crashed while rendering it, the last one rendering it alone",
    ReasonCode.refused: "{reply}",
    ReasonCode.address_refused: "{reply}",
    ReasonCode.suppressed: "suppressed: {why}",
    ReasonCode.excluded: "{why}",
    ReasonCode.unwanted: "{why}",
    ReasonCode.not_confirmed: "the address is not confirmed",
    ReasonCode.withheld: "{why}",
    ReasonCode.no_address: "the person has no address that an email can be sent to",
    ReasonCode.account_gone: "the account was deleted",
    ReasonCode.campaign_gone: "the campaign was deleted",
    ReasonCode.mailbox_limit: "this mailbox got {limit} sign-up emails in a day; a later sign-up gets its email",
    ReasonCode.superseded: "a newer sign-up of the same person replaced it",
    ReasonCode.address_corrected: "the address was corrected, so its link was void",
    ReasonCode.erased: "the person was erased",
    ReasonCode.too_late: "{why}, and it would expire before then",
    ReasonCode.deadline_passed: "its deadline passed before it could be sent",
    ReasonCode.address_dead: "{reply}",
    ReasonCode.bounced: "{reply}",
    ReasonCode.refused_us: "{reply}",
    ReasonCode.reported_as_spam: "the recipient reported it as spam",
    ReasonCode.journal_found: "the journal of its crashed worker later showed the outcome",
    ReasonCode.decided_resend: "{operator} decided to send it again",
    ReasonCode.decided_sent: "{operator} decided to mark it as sent",
    ReasonCode.found_delivered: "the evidence shows that it arrived",
    ReasonCode.found_missing: "the evidence shows that it did not arrive, so it is sent again",
    ReasonCode.campaign_paused: "its campaign is paused",
    ReasonCode.paused_by_hand: "{why}",
    ReasonCode.cancelled_by_hand: "{why}",
    ReasonCode.run_useless: "its emails would already have expired",
    ReasonCode.too_many_dead: "{dead} of {of} addresses do not exist, more than {share}",
    ReasonCode.too_many_complaints: (
        "{complaints} of {of} people at {provider} reported it as spam, more than {share}: "
        "its emails to {provider} are paused"
    ),
}

#: As long as the column of the sentence.
MAX_LENGTH = 200


def sentence(code: ReasonCode, **details: object) -> str:
    """Return the sentence for `code`, at most MAX_LENGTH characters. Raise KeyError if a detail is missing."""
    return SENTENCES[code].format_map({name: str(value) for name, value in details.items()})[:MAX_LENGTH]

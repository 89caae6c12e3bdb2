"""The closed list of what a report can say, and what follows from each. Documented in docs/bounces.md."""

from enum import StrEnum

#: The version of the rules in this room. Raise it with every change of a verdict: rows keep the one that judged them.
RULES = 3


class Kind(StrEnum):
    """What came back."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto_reply"
    OTHER = "other"


class Verdict(StrEnum):
    """What a bounce says about the address.

    HARD: it will never accept email. SOFT: this email failed, and the address may be alive. NONE: nothing failed.
    """

    HARD = "hard"
    SOFT = "soft"
    NONE = "none"


class Reason(StrEnum):
    """Why, in one word. The members are in the order of `SENTENCES`."""

    # The address is dead.
    USER_UNKNOWN = "user_unknown"
    HOST_UNKNOWN = "host_unknown"
    NULL_MX = "null_mx"
    MOVED = "moved"
    DISABLED = "disabled"
    # The recipient's mailbox, for now.
    MAILBOX_FULL = "mailbox_full"
    SUSPENDED = "suspended"
    RESTRICTED = "restricted"
    # The way there.
    GREYLISTED = "greylisted"
    RATE_LIMITED = "rate_limited"
    EXPIRED = "expired"
    UNREACHABLE = "unreachable"
    LOOP = "loop"
    SERVER_FAULT = "server_fault"
    # This email.
    TOO_BIG = "too_big"
    CONTENT = "content"
    # The sender.
    AUTHENTICATION = "authentication"
    BLOCKED = "blocked"
    SENDER_REFUSED = "sender_refused"
    RELAY_DENIED = "relay_denied"
    POLICY = "policy"
    # A refusal without a known cause, and a failure without any.
    REFUSED = "refused"
    UNSPECIFIED = "unspecified"
    # No failure.
    DELAYED = "delayed"
    DELIVERED = "delivered"
    # Complaints, by their type in the report.
    ABUSE = "abuse"
    FRAUD = "fraud"
    OPT_OUT = "opt_out"
    # Feedback that is no complaint.
    NOT_SPAM = "not_spam"
    AUTH_FAILURE = "auth_failure"
    FEEDBACK = "feedback"


#: One sentence for each reason.
SENTENCES: dict[Reason, str] = {
    Reason.USER_UNKNOWN: "The server knows no such mailbox.",
    Reason.HOST_UNKNOWN: "The domain does not exist.",
    Reason.NULL_MX: "The domain accepts no email at all (RFC 7505).",
    Reason.MOVED: "The person left or moved to another address.",
    Reason.DISABLED: "The mailbox is closed and will not come back.",
    Reason.MAILBOX_FULL: "The mailbox is full.",
    Reason.SUSPENDED: "The mailbox is suspended, locked or inactive, and may come back.",
    Reason.RESTRICTED: "The recipient accepts email from chosen senders only.",
    Reason.GREYLISTED: "The server asked to try again later (greylisting).",
    Reason.RATE_LIMITED: "The server limits how much it accepts.",
    Reason.EXPIRED: "A server tried for as long as it may, and gave up.",
    Reason.UNREACHABLE: "The recipient's server could not be reached, or DNS did not answer.",
    Reason.LOOP: "The email went in circles.",
    Reason.SERVER_FAULT: "A server on the way has a fault of its own.",
    Reason.TOO_BIG: "The email is too big.",
    Reason.CONTENT: "The content was refused as spam, as a virus, or by a filter.",
    Reason.AUTHENTICATION: "SPF, DKIM, DMARC or another proof of the sender failed.",
    Reason.BLOCKED: "The sending IP address or its reputation was refused.",
    Reason.SENDER_REFUSED: "The sender's address was refused.",
    Reason.RELAY_DENIED: "The server does not accept email for this recipient from us.",
    Reason.POLICY: "A policy of the server refused the email.",
    Reason.REFUSED: "The server refused the email without a cause that is known here.",
    Reason.UNSPECIFIED: "The email failed, and the report does not say why.",
    Reason.DELAYED: "The email is late, and a server still tries to deliver it.",
    Reason.DELIVERED: "The email was delivered or passed on.",
    Reason.ABUSE: "The recipient reported the email as spam.",
    Reason.FRAUD: "The recipient reported the email as fraud.",
    Reason.OPT_OUT: "The recipient asked, through the provider, for no more email.",
    Reason.NOT_SPAM: "The recipient says that the email is not spam.",
    Reason.AUTH_FAILURE: "A receiver reports an email whose proof of the sender failed.",
    Reason.FEEDBACK: "Feedback of another type.",
}

#: Reasons that make a bounce hard: the only ones that suppress an address.
DEAD = frozenset({Reason.USER_UNKNOWN, Reason.HOST_UNKNOWN, Reason.NULL_MX, Reason.MOVED, Reason.DISABLED})
#: Soft reasons that say something about the mailbox: a series of them may suppress the address.
ABOUT_MAILBOX = frozenset({Reason.MAILBOX_FULL, Reason.SUSPENDED})
#: Soft reasons that concern the sender or the email: they say nothing about the recipient and never count against it.
ABOUT_US = frozenset(
    {
        Reason.TOO_BIG,
        Reason.CONTENT,
        Reason.AUTHENTICATION,
        Reason.BLOCKED,
        Reason.SENDER_REFUSED,
        Reason.RELAY_DENIED,
        Reason.POLICY,
        Reason.RATE_LIMITED,
        Reason.GREYLISTED,
    }
)
#: Those of them that the next email may not meet, because another email is smaller or comes later.
PASSING = frozenset({Reason.TOO_BIG, Reason.GREYLISTED})
#: Reasons of a bounce in which nothing failed.
NOTHING_FAILED = frozenset({Reason.DELAYED, Reason.DELIVERED})


def verdict_of(reason: Reason) -> Verdict:
    """Return the verdict of a bounce with this reason."""
    if reason in DEAD:
        return Verdict.HARD
    return Verdict.NONE if reason in NOTHING_FAILED else Verdict.SOFT

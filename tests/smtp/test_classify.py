"""Replies and failures -> decisions, beyond the cases of the corpus: what servers of the world say."""

import re

import pytest

from notifier.smtp.classify import classify, classify_failure
from notifier.smtp.outcome import MAX_TEXT, Decision, Failure, Phase, Scope
from notifier.smtp.replies import parse_reply

REPLIES = r"""
banner | 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org | HOLD | transport
banner | 450 4.3.2 too busy | THROTTLE | transport
banner | 471 what | THROTTLE | transport
ehlo | 599 no | HOLD | transport
starttls | 454 4.7.0 TLS currently unavailable | THROTTLE | transport
auth | 432 4.7.12 A password transition is needed | THROTTLE | transport
auth | 454 4.7.0 Temporary authentication failure | THROTTLE | transport
auth | 535 5.7.8 Username and Password not accepted | HOLD | transport
auth | 530 5.7.0 Must issue a STARTTLS command first | HOLD | transport
auth | 538 5.7.11 Encryption required | HOLD | transport
mail | 450 4.7.1 Error: too much mail from 192.0.2.9 | THROTTLE | transport
mail | 451 4.3.0 Temporary lookup failure | RETRY | transport
mail | 452 4.3.1 Insufficient system storage | RETRY | transport
mail | 499 odd | RETRY | transport
mail | 454 Throttling failure: Daily message quota exceeded | HOLD | transport
mail | 451 4.7.1 Greylisting in action, please come back later | RETRY | transport
mail | 555 5.5.4 Unsupported option: SIZE | FAIL | message
mail | 552 Message size exceeds fixed maximum message size | FAIL | content
mail | 550 5.7.1 Sender rejected | HOLD | sender
mail | 553 5.1.8 Domain of sender address does not exist | HOLD | sender
mail | 553 sorry, your envelope sender domain must exist | HOLD | sender
mail | 554 5.7.1 listed at bl.spamcop.net | HOLD | transport
mail | 535 5.7.8 not logged in | HOLD | transport
rcpt | 421 4.7.0 closing | THROTTLE | transport
rcpt | 450 4.7.28 unusual rate of unsolicited mail | THROTTLE | provider
rcpt | 450 4.2.1 mailbox temporarily closed | THROTTLE | recipient
rcpt | 451 4.7.1 <ada@example.com>: Recipient address rejected: Greylisted for 5 minutes | RETRY | recipient
rcpt | 450 4.7.1 Client host rejected: Greylisting in action | RETRY | recipient
rcpt | 451 Rate limit exceeded, slow down | THROTTLE | domain
rcpt | 451 too many concurrent SMTP connections from your host | THROTTLE | domain
rcpt | 550 inactive mailbox | FAIL | recipient
rcpt | 550 Disabled user | BOUNCE | recipient
rcpt | 452 Too many recipients received this hour | THROTTLE | domain
rcpt | 450 4.1.8 Sender address rejected: Domain not found | RETRY | recipient
rcpt | 452 4.2.2 Mailbox full | RETRY | recipient
rcpt | 452 mailbox is full, too many messages | RETRY | recipient
rcpt | 454 4.7.1 Relay access denied | RETRY | domain
rcpt | 471 strange | RETRY | recipient
rcpt | 451 4.3.0 Mail server temporarily rejected message | RETRY | domain
rcpt | 550-5.1.1 The email account that you tried to reach does\n550 5.1.1 not exist. | BOUNCE | recipient
rcpt | 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup | BOUNCE | recipient
rcpt | 556 Domain does not accept mail | BOUNCE | recipient
rcpt | 550 5.1.6 The mailbox has moved | BOUNCE | recipient
rcpt | 550 5.1.4 ambiguous address | BOUNCE | recipient
rcpt | 550 user unknown | BOUNCE | recipient
rcpt | 550 Unknown user ada@example.com | BOUNCE | recipient
rcpt | 550 <ada@example.com>... User unknown | BOUNCE | recipient
rcpt | 550 Recipient address rejected: User unknown in virtual mailbox table | BOUNCE | recipient
rcpt | 554 delivery error: dd This user doesn't have a yahoo.com account (ada@yahoo.com) [0] | BOUNCE | recipient
rcpt | 550 sorry, no mailbox here by that name. (#5.1.1) | BOUNCE | recipient
rcpt | 550 Mailbox not found | BOUNCE | recipient
rcpt | 550 5.0.0 account ada@example.com is disabled | BOUNCE | recipient
rcpt | 550 Requested action not taken: mailbox unavailable | BOUNCE | recipient
rcpt | 550 Invalid recipient ada@example.com | BOUNCE | recipient
rcpt | 553 5.3.0 <ada@example.com>... Addressee unknown | BOUNCE | recipient
rcpt | 550 Unrouteable address | BOUNCE | recipient
rcpt | 550 #5.1.0 Address rejected. | BOUNCE | recipient
rcpt | 554 5.7.1 <ada@example.com>: Relay access denied | HOLD | transport
rcpt | 550 5.1.1 relaying denied | HOLD | transport
rcpt | 550 relay not permitted | HOLD | transport
rcpt | 550 5.7.1 Unable to relay | HOLD | transport
rcpt | 553 sorry, that domain isn't in my list of allowed rcpthosts; we do not relay | HOLD | transport
rcpt | 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org | HOLD | transport
rcpt | 550 SC-001 (BAY004) Messages from 192.0.2.9 weren't sent. You are on our block list | HOLD | transport
rcpt | 554 Your IP (192.0.2.9) has a poor reputation | HOLD | transport
rcpt | 550 Your mail server is not allowed | HOLD | transport
rcpt | 550 5.7.25 reverse DNS validation failed | HOLD | provider
rcpt | 554 5.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.9] | HOLD | transport
rcpt | 550 5.7.606 Access denied, banned sending IP [192.0.2.9] | HOLD | provider
rcpt | 550 5.7.64 TenantAttribution; Relay Access Denied | HOLD | sender
rcpt | 550 5.7.60 SMTP; Client does not have permissions to send as this sender | HOLD | sender
rcpt | 550 5.1.7 Invalid address | HOLD | sender
rcpt | 550 5.1.0 <b@acme.example>: Sender address rejected: User unknown in virtual alias table | HOLD | sender
rcpt | 550 Sender verify failed | HOLD | sender
rcpt | 550 5.4.5 Daily user sending quota exceeded | HOLD | transport
rcpt | 530 5.7.57 Client was not authenticated to send anonymous mail | HOLD | transport
rcpt | 550 5.7.1 authentication required | HOLD | transport
rcpt | 550 SPF check failed | HOLD | provider
rcpt | 552 5.2.2 mailbox full | FAIL | recipient
rcpt | 552 over quota | FAIL | recipient
rcpt | 550 5.1.1 Mailbox is full | FAIL | recipient
rcpt | 552 5.3.4 message too large | FAIL | content
rcpt | 550 5.7.1 rejected by policy | FAIL | recipient
rcpt | 550 5.7.1 user unknown to our policy service | FAIL | recipient
rcpt | 554 5.7.1 <ada@example.com>: Recipient address rejected: Access denied | FAIL | recipient
rcpt | 550 5.4.1 no answer from host | FAIL | recipient
rcpt | 571 Delivery not authorized, message refused | FAIL | recipient
rcpt | 503 5.5.1 Bad sequence of commands | FAIL | transport
rcpt | 550 5.2.1 receiving mail at a rate that prevents additional messages | FAIL | recipient
rcpt | 550 4.1.1 what now | FAIL | recipient
rcpt | 551 User not local; please try <ada@elsewhere.example> | FAIL | recipient
data | 200 fine | RETRY | transport
data | 421 4.4.2 timeout | THROTTLE | transport
data | 452 4.3.1 no space | RETRY | transport
data | 554 5.5.1 Error: no valid recipients | FAIL | message
data | 550 5.1.1 gone | FAIL | message
eod | 200 fine | ACCEPTED | message
eod | 354 again? | UNKNOWN | message
eod | 421 4.3.2 shutting down | THROTTLE | transport
eod | 454 Throttling failure: Maximum sending rate exceeded. | THROTTLE | transport
eod | 454 Throttling failure: Daily message quota exceeded. | HOLD | transport
eod | 451 4.3.0 queue file write error | RETRY | message
eod | 471 odd | RETRY | message
eod | 550 5.2.1 disabled | BOUNCE | recipient
eod | 550 No such user here | BOUNCE | recipient
eod | 554 Message rejected: Email address is not verified. The following identities failed the check | HOLD | sender
eod | 550 5.7.26 unauthenticated | HOLD | provider
eod | 550 5.7.60 Client does not have permissions to send as this sender | HOLD | sender
eod | 550-5.7.1 We detected that this message is likely unsolicited mail.\n550 5.7.1 blocked. | FAIL | content
eod | 554 5.7.1 Message contains a link listed in dbl.spamhaus.org | FAIL | content
eod | 550 5.7.1 unsolicited mail originating from your IP address has been blocked | HOLD | transport
eod | 552 5.3.4 too big | FAIL | content
eod | 554 5.6.0 malformed | FAIL | content
eod | 552 5.2.2 mailbox full | FAIL | recipient
eod | 599 odd | FAIL | message
quit | 500 what | ACCEPTED | message
rcpt | 550 5.7.515 Access denied, sending domain example.com does not meet the level | HOLD | provider
rcpt | 550-5.7.30 Unauthenticated email is not accepted\n550 5.7.30 gsmtp | HOLD | provider
rcpt | 550 5.7.32 The From: header is not aligned | HOLD | provider
eod | 550 5.7.40 No DMARC record | HOLD | provider
eod | 550 5.7.509 Access denied, sending domain does not pass DMARC verification | HOLD | provider
eod | 550 5.7.511 Access denied, banned sender | HOLD | provider
eod | 554 5.7.9 Message not accepted for policy reasons: DMARC | HOLD | provider
eod | 550 5.7.9 This mail has been blocked because the sender is unauthenticated | HOLD | provider
eod | 554 5.7.9 Message not accepted for policy reasons | FAIL | content
rcpt | 554 5.7.9 Message not accepted for policy reasons | FAIL | content
eod | 550 5.7.1 Email rejected per DMARC policy of acme.example | HOLD | provider
eod | 550 Message rejected because SPF did not pass | HOLD | provider
eod | 554 5.7.1 Rejected as spam (SPF fail, DKIM none) | FAIL | content
eod | 550 5.7.705 Access denied, tenant has exceeded threshold | HOLD | sender
data | 550 5.7.26 unauthenticated | HOLD | provider
rcpt | 421 4.7.0 [TSS05] Messages from 192.0.2.1 temporarily deferred | THROTTLE | provider
eod | 451 4.7.0 [TS02] Messages from 192.0.2.1 temporarily deferred | THROTTLE | provider
rcpt | 553 5.7.2 [TSS09] All messages from 192.0.2.1 will be deferred; Retrying will NOT succeed | HOLD | provider
rcpt | 421-4.7.32 rate limited: not aligned\n421 4.7.32 | THROTTLE | provider
eod | 421 4.7.40 rate limited: no DMARC | THROTTLE | provider
eod | 421 4.7.28 unusual rate | THROTTLE | provider
rcpt | 451 4.7.28 unusual rate | THROTTLE | provider
eod | 451 4.7.28 unusual rate | THROTTLE | provider
eod | 451 4.7.500 Server busy | THROTTLE | provider
rcpt | 451 4.7.500 Server busy | RETRY | domain
rcpt | 451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited | THROTTLE | provider
eod | 451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited | THROTTLE | provider
rcpt | 550 mailbox temporarily unavailable | RETRY | recipient
rcpt | 550 5.1.1 user unknown, please try again later | RETRY | recipient
rcpt | 550 5.1.1 temporarily rejected | RETRY | recipient
rcpt | 556 temporarily not accepting mail | RETRY | recipient
rcpt | 550 5.4.1 Recipient address rejected: Access denied. Try again in 10 minutes | RETRY | recipient
rcpt | 550 mailbox is currently unavailable | RETRY | recipient
rcpt | 550 5.2.1 mailbox disabled at this time | RETRY | recipient
rcpt | 550 user unknown, message deferred | RETRY | recipient
rcpt | 550 5.7.1 Recipient address rejected: Greylisted | RETRY | recipient
rcpt | 550 mailbox unavailable due to local policy | FAIL | recipient
rcpt | 550 5.1.1 recipient refused by policy | FAIL | recipient
rcpt | 550 5.2.1 mailbox has reached its limit | FAIL | recipient
rcpt | 550 User unknown or message limit exceeded | FAIL | recipient
rcpt | 550 account suspended | FAIL | recipient
rcpt | 550 5.2.1 The account has been suspended | FAIL | recipient
rcpt | 550 5.1.1 Access denied | FAIL | recipient
rcpt | 550 No such user here: sender is not authorized | FAIL | recipient
rcpt | 550 mailbox unavailable: you are not allowed to mail it | FAIL | recipient
rcpt | 550 5.2.1 mailbox blocked | FAIL | recipient
rcpt | 550 5.1.1 The account does not exist. Please check the spelling and try again | BOUNCE | recipient
rcpt | 550 No such user. Check the address and try again later | BOUNCE | recipient
rcpt | 550 5.1.1 User temporarily unknown, check and try again | RETRY | recipient
rcpt | 550-5.1.1 The email account does not exist. Please try\n550 5.1.1 double-checking it | BOUNCE | recipient
rcpt | 550 5.1.1 Address typo? Does not exist, see https://support.google.com/mail/?p=NoSuchUser | BOUNCE | recipient
rcpt | 550 5.1.1 Mailbox does not exist, see https://mx.example/policies | BOUNCE | recipient
rcpt | 550 5.2.1 Mailbox disabled, not accepting messages | BOUNCE | recipient
rcpt | 550 5.7.1 Message rejected due to content policy | FAIL | content
rcpt | 554 5.7.1 Rejected as spam | FAIL | content
rcpt | 550 Your message looks like phishing | FAIL | content
rcpt | 550 5.7.1 unsolicited bulk mail | FAIL | content
eod | 550 5.1.1 temporarily unknown, try again later | RETRY | recipient
eod | 550 5.2.1 account suspended | FAIL | recipient
eod | 550 Mailbox unavailable, try again later | RETRY | recipient
eod | 550 mailbox unavailable or access denied | FAIL | recipient
eod | 550 5.1.1 refused for its content | FAIL | content
"""  # fmt: skip


def table() -> list[list[str]]:
    return [line.split(" | ") for line in REPLIES.strip().splitlines()]


@pytest.mark.parametrize(("phase", "reply", "decision", "scope"), table())
def test_reply(phase: str, reply: str, decision: str, scope: str) -> None:
    outcome = classify(Phase(phase), parse_reply(reply.replace("\\n", "\n").encode()))
    assert (outcome.decision, outcome.scope) == (decision, scope), outcome


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase not in {"body", "connect"}])
def test_every_refusal_has_a_decision_and_a_bare_code_never_suppresses(phase: Phase) -> None:
    for code in range(400, 600):
        outcome = classify(phase, parse_reply(f"{code} no".encode()))
        assert outcome.phase is phase
        if code != 556:  # null MX: the code itself is about the address (RFC 7504)
            assert outcome.decision is not Decision.BOUNCE
        if code < 500 and phase is not Phase.QUIT:
            assert outcome.decision in {Decision.RETRY, Decision.THROTTLE}


@pytest.mark.parametrize("text", [
    "5.7.1 message refused: policy", "5.3.4 too large", "blocked by spamhaus", "5.7.1 no such user, by policy",
    "your IP is listed", "relay access denied", "5.2.2 over quota", "DMARC failure", "spam", "",
])  # fmt: skip
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.EOD])
def test_only_what_is_about_the_address_suppresses_it(phase: Phase, text: str) -> None:
    assert classify(phase, parse_reply(f"554 {text}".encode())).decision is not Decision.BOUNCE


#: Said of a recipient at a provider, or at a domain of none. `*`: to RCPT, to DATA and after the dot.
AT_DOMAINS = r"""
* | outlook.com | 550 5.7.1 Unfortunately, messages from [192.0.2.9] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140). | HOLD | provider
* | hotmail.com | 550 5.7.1 Messages from [192.0.2.9] weren't sent, their network is on our block list (S3150) | HOLD | provider
* | outlook.com | 550 5.7.1 Service unavailable, message from 192.0.2.9 was not sent. S775 | HOLD | provider
* | live.com | 550 SC-001 (BAY004-MC1F23) Unfortunately, messages from 192.0.2.9 weren't sent | HOLD | provider
* | msn.com | 550 DY-001 (SNT004) Unfortunately, messages from 192.0.2.9 weren't sent | HOLD | provider
* | outlook.com | 550 OU-002 (BAY004) Unfortunately, messages from 192.0.2.9 weren't sent, spam-like traits | HOLD | provider
* | gmail.com | 550-5.7.1 [192.0.2.9] Gmail has detected that this message is likely suspicious due to the very\n550-5.7.1 low reputation of the sending domain. To best protect our users from spam,\n550 5.7.1 the message has been blocked. | HOLD | provider
* | gmail.com | 550 5.7.1 likely suspicious due to the very low reputation of the sending IP address | HOLD | provider
* | gmail.com | 550-5.7.1 This message does not have authentication information or fails to\n550 5.7.1 pass authentication checks. To best protect our users from spam, it has been blocked. | HOLD | provider
* | icloud.com | 554 5.7.1 DKIM signature required | HOLD | provider
rcpt | example.com | 554 5.7.1 DKIM signature required | HOLD | provider
eod | example.com | 554 5.7.1 DKIM signature required | HOLD | provider
* | yahoo.com | 553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.9 | HOLD | provider
* | aol.com | 553 5.7.1 [BL23] Connections not accepted from IP addresses on Spamhaus XBL | HOLD | provider
* | yahoo.com | 554 5.7.9 Message not accepted for policy reasons, DMARC policy | HOLD | provider
* | gmail.com | 550 5.7.1 unsolicited mail originating from your IP address has been blocked | HOLD | provider
* | icloud.com | 550 5.7.1 Your email was rejected due to your sender reputation | HOLD | provider
rcpt | icloud.com | 554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org | HOLD | provider
data | example.com | 554 5.7.9 Message not accepted for policy reasons, DMARC policy | HOLD | provider
data | outlook.com | 451 4.7.500 Server busy | THROTTLE | provider
data | example.com | 451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited | THROTTLE | provider
* | gmail.com | 421-4.7.0 [192.0.2.9] Our system has detected an unusual rate of unsolicited mail\n421 4.7.0 originating from your IP address. | THROTTLE | provider
* | hotmail.com | 421 RP-001 (BAY004) Unfortunately, some messages from 192.0.2.9 weren't sent | THROTTLE | provider
* | icloud.com | 450 4.7.1 too many messages | THROTTLE | provider
rcpt | gmail.com | 450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n450 4.2.1 prevents additional messages from being delivered. | THROTTLE | recipient
eod | gmail.com | 450-4.2.1 The user you are trying to contact is receiving mail at a rate that\n450 4.2.1 prevents additional messages from being delivered. | THROTTLE | recipient
rcpt | gmail.com | 550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n550 5.2.1 prevents additional messages from being delivered. | FAIL | recipient
eod | gmail.com | 550-5.2.1 The user you are trying to contact is receiving mail at a rate that\n550 5.2.1 prevents additional messages from being delivered. | FAIL | recipient
rcpt | gmail.com | 550-5.1.1 The email account that you tried to reach does not exist. Please try\n550-5.1.1 double-checking the recipient's email address for typos or\n550 5.1.1 unnecessary spaces. https://support.google.com/mail/?p=NoSuchUser | BOUNCE | recipient
rcpt | outlook.com | 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). | BOUNCE | recipient
eod | gmail.com | 550-5.7.1 likely unsolicited mail. To reduce the amount of spam\n550 5.7.1 this message has been blocked. | FAIL | content
eod | gmail.com | 554 5.7.1 Message contains a link listed in dbl.spamhaus.org | FAIL | content
eod | gmail.com | 454 Throttling failure: Maximum sending rate exceeded. | THROTTLE | transport
eod | gmail.com | 454 Throttling failure: Daily message quota exceeded. | HOLD | transport
rcpt | gmail.com | 452 4.5.3 Too many recipients | THROTTLE | transport
rcpt | gmail.com | 432 4.3.2 Concurrent connections limit exceeded | THROTTLE | transport
rcpt | gmail.com | 421 4.7.0 Too many connections from your host | THROTTLE | transport
rcpt | gmail.com | 421 4.3.2 shutting down | THROTTLE | transport
rcpt | gmail.com | 554 5.7.1 Relay access denied | HOLD | transport
mail | gmail.com | 554 5.7.1 listed at bl.spamcop.net | HOLD | transport
mail | gmail.com | 421 4.7.0 unusual rate of unsolicited mail | THROTTLE | transport
rcpt | gmail.com | 421 4.7.0 IP not in whitelist for RCPT domain, closing connection. | THROTTLE | provider
eod | outlook.com | 550 5.7.1 MailFrom domain is listed in Spamhaus. (S8002) | HOLD | provider
eod | yahoo.com | 421 4.7.0 [GL01] Message from (192.0.2.9) temporarily deferred | RETRY | message
eod | example.com | 454 Daily sending quota exceeded for user | HOLD | transport
eod | example.com | 550 5.7.1 daily quota of this user's mailbox is used up | FAIL | recipient
rcpt | evil.example | 550 blocked using zen.spamhaus.org | HOLD | transport
rcpt | evil.example | 550 5.7.1 Sender address rejected | HOLD | sender
rcpt | evil.example | 421 4.7.0 go away | THROTTLE | transport
* | example.com | 450 Daily message limit of the mailbox reached | THROTTLE | recipient
rcpt | example.com | 550 5.2.2 recipient exceeded daily message quota | FAIL | recipient
eod | example.com | 550 5.2.2 recipient exceeded daily message quota | FAIL | recipient
rcpt | example.com | 550 Daily limit of messages for the recipient reached | FAIL | recipient
eod | example.com | 550 Daily limit of messages for the recipient reached | FAIL | recipient
rcpt | example.com | 550 5.7.1 Daily SMTP relay limit exceeded for user | HOLD | transport
rcpt | example.com | 550 Your account exceeded its daily sending limit | HOLD | transport
""".strip().splitlines()  # fmt: skip # noqa: E501


def at_domains() -> list[list[str]]:
    rows = [[part.strip() for part in line.split(" | ")] for line in AT_DOMAINS]
    return [[phase, *row[1:]] for row in rows for phase in (("rcpt", "data", "eod") if row[0] == "*" else (row[0],))]


@pytest.mark.parametrize(("phase", "domain", "reply", "decision", "scope"), at_domains())
def test_whose_limit_or_verdict_it_is_depends_on_the_recipients_provider(
    phase: str, domain: str, reply: str, decision: str, scope: str
) -> None:
    outcome = classify(Phase(phase), parse_reply(reply.replace("\\n", "\n").encode()), f"person@{domain}")
    assert (outcome.decision, outcome.scope) == (decision, scope), outcome


@pytest.mark.parametrize("text", [
    "Too many invalid recipients", "5.1.1 Too many invalid recipients from your IP",
    "5.1.1 Not accepting mail from your domain", "Recipient not found or not accepting external mail",
    "5.1.1 User unknown to your network", "5.1.1 does not accept mail from outside", "5.1.1 unusual volume",
    "User unknown: LDAP lookup failure", "user disabled for maintenance", "5.1.2 Host unknown (Name server: timeout)",
    "5.2.1 Mailbox on hold", "5.1.1 This account has been deactivated pending review",
    "5.1.2 Host unknown: DNS SERVFAIL",
    "5.1.1 host lookup did not complete", "Invalid recipient: maintenance in progress",
    "Account disabled until payment received", "User unknown (being moved to another server)",
    "5.1.1 Mailbox is dormant, will be reactivated at login", "5.1.1 essayez plus tard",
    "5.1.1 Utilisateur inconnu, problème temporaire", "5.1.1 bitte versuchen Sie es später", "5.2.1 intente más tarde",
    "5.1.1 пользователь временно недоступен",
    "5.1.1 User unknown, could not query the directory", "5.1.1 address verification failed: backend unavailable",
    "5.2.1 account locked", "Mailbox not found: not yet activated", "556 domain in maintenance",
    "5.1.1 lookup failure, please check the address and try again",
    "5.1.1 rejected by policy, please check the address and try again",
    "5.1.1 mailbox unavailable: server busy", "5.1.1 mailbox is being rebuilt", "5.2.1 mailbox inaccessible: I/O error",
    "5.1.1 unable to verify user", "5.1.2 MX lookup: connection refused", "Mailbox unavailable, awaiting approval",
    "5.1.1 User unknown - server is down for backup", "5.1.1 undeliverable: host mx.example said: 450 4.2.0 full",
    "5.2.1 Mailbox disabled for external senders", "5.1.1 You are not on the whitelist of this user",
    "5.1.1 Recipient only accepts mail from known contacts", "5.1.1 Reputation too low", "5.1.3 Sender syntax invalid",
    "5.1.1 reverse DNS missing", "5.1.1 looks like junk", "Invalid recipient: verify your account first",
])  # fmt: skip
@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.EOD])
def test_words_of_time_of_a_failed_lookup_or_about_us_take_a_suppression_back(phase: Phase, text: str) -> None:
    reply = parse_reply((text if text.startswith("556") else f"550 {text}").encode())
    assert classify(phase, reply, "person@example.com").decision in {Decision.RETRY, Decision.FAIL}


@pytest.mark.parametrize("text", [
    "5.1.2 Host unknown (Name server: host not found)", "5.2.1 Mailbox disabled, not accepting messages",
    "5.1.10 Recipient not found by SMTP address lookup", "5.1.1 User unknown; not listed in Domino Directory",
    "5.1.10 Your message couldn't be delivered, the recipient's address wasn't found", "5.1.6 The mailbox has moved",
    "5.1.2 Bad destination host 'DNS Hard Error looking up example.com (MX): NXDomain'", "5.1.1 Utilisateur inconnu",
    "5.1.1 Invalid mailbox. Verification failed: no such user", "5.1.1 User unknown, contact your host administrator",
    "5.1.1 Account deleted after 90 days without use", "5.1.10 Domain does not accept mail (nullMX)",
    "Account deactivated",
    "User unknown",
])  # fmt: skip
def test_a_verdict_on_the_address_alone_suppresses(text: str) -> None:
    assert classify(Phase.RCPT, parse_reply(f"550 {text}".encode()), "person@example.com").decision is Decision.BOUNCE


#: Local parts and domains that anybody may have, and that rules know as words.
STEERING = [
    "dkim", "spf", "dmarc", "spamhaus", "dnsbl", "rbl", "ip.blocked", "ptr", "reputation", "your-ip", "daily-quota",
    "sender-domain", "relay-access", "log-in-first", "throttle", "rate-limit", "too-many", "greylisted",
    "quota-exceeded", "temporary", "try-again",
    "policy", "limit", "suspended", "spam", "content", "[tss04]", "o'dkim", "dkim/spf",
    "5.7.57", "#5.7.57", "5.2.2", "#4.7.28",
]  # fmt: skip
#: What is said of `ada@example.com`. Of whoever has a name that could mean us, nothing worse than to try again.
ECHOES = r"""
rcpt | 554 5.7.1 <{l}@{d}>: Recipient address rejected: Access denied | FAIL
rcpt | 550 <{l}@{d}>: Recipient address rejected: User unknown in virtual mailbox table | BOUNCE
rcpt | 550 {l}@{d} no such user here | BOUNCE
rcpt | 550 5.2.1 <{l}@{d}>: mailbox disabled | BOUNCE
rcpt | 550 {l}@{d}: Relay access denied | HOLD
rcpt | 550 <{l}@{d}>: rejected | FAIL
rcpt | 550 No such user '{l}' here | BOUNCE
rcpt | 550 5.1.1 Mailbox {l} unknown | BOUNCE
rcpt | 550 unknown user {l} | BOUNCE
rcpt | 550 unknown recipient <{l}@ | BOUNCE
rcpt | 550 Recipient {l}@[192.0.2.1] unknown | BOUNCE
rcpt | 550 no such user, see http://mx.example/?r={l}%40{d} | BOUNCE
rcpt | 550 user unknown: {l} @ {d} | BOUNCE
rcpt | 550 user unknown: rfc822;{l}@{d} | BOUNCE
rcpt | 554 5.7.1 Domain {d} not found | FAIL
rcpt | 450 4.1.2 <{l}@{d}>: Recipient address rejected: Domain not found | RETRY
rcpt | 450 {l}: try again later | RETRY
rcpt | 452 4.2.2 <{l}@{d}> mailbox full | RETRY
eod | 554 <{l}@{d}>: rejected as spam | FAIL
eod | 451 {l}@{d}: try again later | RETRY
""".strip().splitlines()


@pytest.mark.parametrize("echo", ECHOES)
def test_the_words_of_an_address_decide_nothing(echo: str) -> None:
    """Servers repeat it, and whoever signs up has chosen it: one signup must not close the transport for all."""
    phase, reply, decision = (part.strip() for part in echo.split("|"))
    domains = {f"{re.sub('[^a-z0-9.-]', '', word)}.example" for word in STEERING}
    people = [(word, "example.com") for word in ["ada", *STEERING]] + [("ada", domain) for domain in domains]
    for local, domain in people:
        said = parse_reply(reply.format(l=local, d=domain).encode())
        outcome = classify(Phase(phase), said, f"{local.title()}@{domain}")
        allowed = {decision} if (local, domain) == people[0] else {decision, Decision.RETRY}
        assert outcome.decision in allowed, (local, domain)


@pytest.mark.parametrize(
    ("reply", "decision"),
    [
        ("550 blocked, see https://www.spamhaus.org/query/ada@example.com", "HOLD"),
        ("550 rejected, see <https://www.spamhaus.org/query/ip/192.0.2.1?to=ada@example.com>", "HOLD"),
        ("550 listed, ask removals@uceprotect.net", "HOLD"),
        ("550 Sender <b+1@bounce.acme.example> rejected", "HOLD"),
        ("550 Sender b+1@bounce.acme.example rejected", "HOLD"),
        ("550 Sender email address <b+1@bounce.acme.example> does not exist", "HOLD"),
        ("550 5.1.1-ada@example.com unknown", "BOUNCE"),
        ("550 ada@example.com...User unknown", "BOUNCE"),
        ("550 bad address: ada@example.com #5.1.1", "BOUNCE"),
        ("550 user=ada@example.com unknown", "BOUNCE"),
        ("550 5.1.1 Returned to sender: <ada@example.com> unknown", "BOUNCE"),
        ("550 5.1.1 sender: ada@example.com: unknown user", "BOUNCE"),
        ("550 No such user here", "BOUNCE"),
    ],
)
@pytest.mark.parametrize("recipient", ["ada@example.com", "Ada@Example.com"])
def test_what_stands_beside_an_address_is_the_servers(reply: str, decision: str, recipient: str) -> None:
    assert classify(Phase.RCPT, parse_reply(reply.encode()), recipient).decision == decision


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("ptr+tag@example.com", "550 <ptr@example.com> rejected"),
        ("ptr+tag@example.com", "550 no such user, see https://mx.example/?to=ptr%2Btag%40example.com"),
        ("x+spamhaus@example.com", "550 no such user, see https://mx.example/?to=X%2BSPAMHAUS%40example.com"),
        ("spamhaus@example.com", "550 no such user spamhaus_at_example.com"),
    ],
)
def test_where_a_name_and_the_servers_words_are_the_same_the_mail_waits(recipient: str, reply: str) -> None:
    """It may be about us, or repeat the address: others do not wait for it, and neither is it lost or suppressed."""
    outcome = classify(Phase.RCPT, parse_reply(reply.encode()), recipient)
    assert (outcome.decision, outcome.scope) == (Decision.RETRY, Scope.RECIPIENT)


@pytest.mark.parametrize(
    ("recipient", "reply", "decision"),
    [
        ("user@example.com", "550 5.4.5 Daily user sending limit exceeded", "HOLD"),
        ("mail@example.com", "550 Your mail server has been blocked", "HOLD"),
        ("ip@example.com", "550 Your IP is blocked", "HOLD"),
        ("relay@example.com", "554 5.7.1 Relay access denied", "HOLD"),
        ("sender@example.com", "550 5.1.0 <b+1@bounce.acme.example>: Sender address rejected: User unknown", "HOLD"),
        ("rate@example.com", "450 mail rate exceeded", "THROTTLE"),
        (
            "ada@gmail.com",
            "421 4.7.28 Our system has detected an unusual rate, see https://support.google.com",
            "THROTTLE",
        ),
        ("ptr@example.com", "535 5.7.8 Username and password not accepted", "HOLD"),
    ],
)
def test_names_that_are_words_of_every_server_change_nothing(recipient: str, reply: str, decision: str) -> None:
    assert classify(Phase.RCPT, parse_reply(reply.encode()), recipient).decision == decision


def test_a_name_makes_no_refusal_a_matter_of_the_content() -> None:
    """Or a sign-up would count against a campaign."""
    outcome = classify(Phase.RCPT, parse_reply(b"550 5.7.1 spam is not wanted here"), "spam@example.com")
    assert (outcome.decision, outcome.scope) == (Decision.FAIL, Scope.RECIPIENT)


def test_a_code_that_only_looks_like_one_of_the_address_counts() -> None:
    reply = parse_reply(b"550 5.1.8 Bad sender's system address")
    assert classify(Phase.RCPT, reply, "max5.1.80@example.com").decision is Decision.HOLD


def test_a_reply_that_lets_the_conversation_go_on_decides_nothing() -> None:
    with pytest.raises(ValueError, match="250"):
        classify(Phase.RCPT, parse_reply(b"250 Ok"))


@pytest.mark.parametrize(
    ("reply", "delay"), [("450 4.2.0 Greylisted, try again in 60 seconds", 300), ("450 4.2.0 later", 0)]
)
def test_greylisting_wants_patience(reply: str, delay: float) -> None:
    outcome = classify(Phase.RCPT, parse_reply(reply.encode()))
    assert (outcome.decision, outcome.min_delay) == (Decision.RETRY, delay)


@pytest.mark.parametrize("failure", Failure)
def test_failures_by_phase(failure: Failure) -> None:
    def decision(phase: Phase) -> Decision:
        return classify_failure(phase, failure).decision

    assert decision(Phase.BANNER) is Decision.THROTTLE
    assert decision(Phase.STARTTLS) is (Decision.HOLD if failure is Failure.TLS else Decision.THROTTLE)
    assert decision(Phase.MAIL) is (Decision.RETRY if failure is Failure.GARBAGE else Decision.THROTTLE)
    assert {decision(phase) for phase in (Phase.RCPT, Phase.DATA, Phase.BODY)} == {Decision.RETRY}
    assert decision(Phase.EOD) is Decision.UNKNOWN
    assert decision(Phase.QUIT) is Decision.ACCEPTED
    assert classify_failure(Phase.EOD, failure).scope is Scope.MESSAGE


def test_what_is_kept_of_a_text_is_short_and_harmless() -> None:
    raw = b"550 no\x1b[31m\x00\x07 \xe2\x80\xae evil \xe2\x80\xa8 line " + b"x" * 1000
    outcome = classify(Phase.RCPT, parse_reply(raw))
    assert outcome.text.isprintable()
    assert len(outcome.text) == MAX_TEXT
    failed = classify_failure(Phase.EOD, Failure.GARBAGE, "a\r\nb" + "x" * 1000)
    assert failed.text.isprintable()
    assert len(failed.text) <= MAX_TEXT

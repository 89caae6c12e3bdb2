"""Check the addresses that recipients see: that they are ours, and can receive."""

from notifier.config.cross_checks import is_reserved
from notifier.mail.providers import PROVIDERS, provider_of
from notifier.sender_auth.dmarc import walk
from notifier.sender_auth.lookup import Resolver
from notifier.sender_auth.reachability import check_mx
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, warn, wrong
from notifier.sender_auth.subject import Subject

OWN_DOMAIN = Rule(Group.identity, "from.domain", "RFC 6761; RFC 5322 3.6.2")
FREEMAIL = Rule(Group.identity, "from.freemail", "Gmail's sender guidelines; RFC 9989 4.4")
FROM_RECEIVES = Rule(Group.identity, "from.receives", "RFC 5321 5.1; RFC 7505 4.2")
REPLY_RECEIVES = Rule(Group.identity, "reply-to.receives", "RFC 5322 3.6.2; RFC 7505 4.2")


def check_identity(subject: Subject, resolver: Resolver) -> list[Diagnosis]:
    """Check the From and Reply-To domains. Raise LookupFailed."""
    lines = [_domain(subject, resolver)]
    name = f"From at {subject.domain}"
    lines.append(check_mx(FROM_RECEIVES, name, subject.domain, "replies are lost", resolver))
    if subject.reply_domain:
        name = f"Reply-To at {subject.reply_domain}"
        lines.append(check_mx(REPLY_RECEIVES, name, subject.reply_domain, "replies are lost", resolver))
    return lines


def _domain(subject: Subject, resolver: Resolver) -> Diagnosis:
    name, own = "From", "set MAIL_DEFAULT_SENDER to an address at a domain of your own"
    if is_reserved(subject.domain):
        return wrong(OWN_DOMAIN, name, f"{subject.domain} is for examples: no receiver can look it up", own)
    provider = provider_of(subject.domain)
    if provider is None:
        return ok(OWN_DOMAIN, name, subject.domain)
    label = PROVIDERS[provider].label
    record = walk(subject.domain, resolver).deciding
    policy = record.policy_for(subject.domain) if record else None
    if policy in {"quarantine", "reject"}:
        said = f"{subject.domain} belongs to {label}, whose p={policy} refuses emails that {label} did not send"
        return wrong(FREEMAIL, name, said, own)
    return warn(FREEMAIL, name, f"{subject.domain} belongs to {label}: only {label} can sign for it", own)

"""Check that email can come back to us (MX), and that the sending address has a name (PTR)."""

from ipaddress import ip_address

from notifier.config.cross_checks import is_loopback
from notifier.sender_auth.lookup import Resolver
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, skipped, warn, wrong
from notifier.sender_auth.subject import Subject

BOUNCES = Rule(Group.dns, "bounces.mx", "RFC 5321 5.1; RFC 7505")
FORWARD_CONFIRMED = Rule(Group.dns, "address.ptr", "RFC 8601 3 (iprev); Gmail's sender guidelines")


def check_mx(rule: Rule, name: str, domain: str, lost: str, resolver: Resolver) -> Diagnosis:
    """Check that `domain` can receive email; `lost` says what does not arrive otherwise. Raise LookupFailed."""
    servers = resolver.mx(domain)
    if servers == [""]:
        said = f"a null MX says that {domain} accepts no email: {lost}"
        return wrong(rule, name, said, "publish an MX, or use a domain that has one")
    if not servers:
        if resolver.addresses(domain):
            return warn(rule, name, "no MX; senders fall back to the domain's own address", "publish an MX")
        said = f"{domain} has no MX and no address: {lost}, and some receivers refuse such senders"
        return wrong(rule, name, said, "publish an MX, or use a domain that has one")
    gone = [server for server in servers if not resolver.addresses(server)]
    if gone:
        return wrong(rule, name, f"{', '.join(gone)} has no address", "correct or remove that MX")
    return ok(rule, name, ", ".join(servers))


def check_ptr(subject: Subject, resolver: Resolver) -> Diagnosis:
    """Check that the sending IP address has a name, and that this name resolves to the address."""
    if subject.ip is not None:
        return _check_address(f"PTR of {subject.ip}", subject.ip, resolver)
    name = f"PTR of {subject.server}"
    hint = "use --ip to give the address from which receivers get the emails"
    addresses = [subject.server] if _is_ip(subject.server) else []
    if not is_loopback(subject.server) and not addresses:
        addresses = resolver.addresses(subject.server)
        if not addresses:
            return wrong(FORWARD_CONFIRMED, name, "the mail server's name has no address", "correct MAIL_SERVER")
    if not addresses or not ip_address(addresses[0]).is_global:
        said = "not checked, the mail server is on this machine or in a private network"
        return skipped(FORWARD_CONFIRMED, name, said, hint)
    line = _check_address(name, addresses[0], resolver)
    return skipped(FORWARD_CONFIRMED, name, f"{addresses[0]}: {line.detail}. It may send from another address", hint)


def _check_address(name: str, address: str, resolver: Resolver) -> Diagnosis:
    names = resolver.ptr(address)
    if not names:
        cure = "ask the provider of the address to publish a PTR record"
        return wrong(FORWARD_CONFIRMED, name, "no name", cure)
    wanted = ip_address(address)
    for each in names:
        if wanted in {ip_address(found) for found in resolver.addresses(each)}:
            return ok(FORWARD_CONFIRMED, name, f"{each}, which resolves to it")
    said = f"{names[0]} does not resolve to the address"
    return wrong(FORWARD_CONFIRMED, name, said, f"publish an A or AAAA record for {names[0]}")


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

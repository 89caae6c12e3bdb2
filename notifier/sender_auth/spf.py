"""Check SPF (RFC 7208): one record that ends in a refusal, stays within the limits, and permits the sending address."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_network

from notifier.sender_auth.lookup import LookupFailed, Resolver
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, warn, wrong
from notifier.sender_auth.spf_result import SpfResult, evaluate

#: RFC 7208 4.6.4: a record that needs more lookups, or more lookups without a result, is invalid as a whole.
MAX_LOOKUPS, MAX_VOID = 10, 2

SYNTAX = Rule(Group.dns, "spf.record", "RFC 7208 3.2 and 4.5")
LOOKUPS = Rule(Group.dns, "spf.lookups", "RFC 7208 4.6.4")
ENDING = Rule(Group.dns, "spf.ending", "RFC 7208 5.1")
PTR = Rule(Group.dns, "spf.ptr", "RFC 7208 5.5")
PERMITS = Rule(Group.dns, "spf.address", "RFC 7208 2.6 and 4")

SYNTAX = Rule(Group.dns, "spf.record", "RFC 7208 3.2 and 4.5")
LOOKUPS = Rule(Group.dns, "spf.lookups", "RFC 7208 4.6.4")
ENDING = Rule(Group.dns, "spf.ending", "RFC 7208 5.1")
PTR = Rule(Group.dns, "spf.ptr", "RFC 7208 5.5")
PERMITS = Rule(Group.dns, "spf.address", "RFC 7208 2.6 and 4")

_TERM = re.compile(r"([-+~?]?)(all|include|a|mx|ptr|exists)(?::([^/\s]+))?(?:/\d{1,3})?(?://\d{1,3})?\Z", re.I)
_IP_TERM = re.compile(r"[-+~?]?ip(?P<version>[46]):(?P<network>[0-9a-f.:]+(?:/\d{1,3})?)\Z", re.I)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(\S*)\Z", re.I)


class _Broken(Exception):
    """Receivers treat the record as an error (permerror, RFC 7208 2.6.7): the problem, and its cure."""

    def __init__(self, problem: str, cure: str) -> None:
        super().__init__(problem)
        self.cure = cure


@dataclass(slots=True)
class _Budget:
    """The lookups that a receiver needs to evaluate the record."""

    lookups: int = 0
    void: int = 0
    #: Parts that cannot be followed from here: macros, and servers that failed.
    unclear: list[str] = field(default_factory=list)

    def pay(self) -> None:
        self.lookups += 1
        # Far beyond the limit the exact number is useless, and a loop of includes must end.
        if self.lookups > 3 * MAX_LOOKUPS:
            raise _Broken(
                f"needs more than {3 * MAX_LOOKUPS} lookups (does it include itself?)", "remove the include that loops"
            )


def check_spf(domain: str, resolver: Resolver, ip: str | None = None) -> Diagnosis:
    """Check the record of the envelope sender's domain, and that it permits `ip`.

    Raise LookupFailed if it cannot be looked up.
    """
    name = f"SPF of {domain}"
    budget = _Budget()
    try:
        record = _record(domain, resolver)
        if record is None:
            example = '"v=spf1 include:<your relay> ~all"'
            return wrong(SYNTAX, name, "no record", f"publish a TXT record at {domain}, such as {example}")
        ending = _walk(record, domain, resolver, budget)
    except _Broken as error:
        return wrong(SYNTAX, name, f"{error}; receivers take the record as an error", error.cure)
    return _judge(name, ending, budget, record) or _judge_address(name, domain, ip, resolver, ending, budget)


def _judge(name: str, ending: str, budget: _Budget, record: str) -> Diagnosis | None:
    """Return what is wrong with the record, for every sending address; None if nothing is."""
    cost = f"{budget.lookups} of {MAX_LOOKUPS} lookups"
    if budget.lookups > MAX_LOOKUPS:
        return wrong(LOOKUPS, name, f"needs {cost}: receivers give up", "name networks (ip4, ip6) in place of includes")
    if ending not in {"-all", "~all"} and not (ending == "" and budget.unclear):
        return wrong(
            ENDING, name, f"ends in {ending or 'nothing'}, so anyone may send as you", "end it in ~all or -all"
        )
    if budget.void > MAX_VOID:
        return wrong(LOOKUPS, name, f"{budget.void} of its names do not exist ({MAX_VOID} may)", "remove them")
    if budget.unclear:
        unclear = f"at least {cost}; not followed: {', '.join(budget.unclear)}"
        ends = f"ends in {ending or 'what could not be read'}"
        return warn(SYNTAX, name, f"{ends}; {unclear}", "look these up on their own, or try again later")
    if re.search(r"(?:^|\s)[-+~?]?ptr\b", record, re.I):
        said = f"ends in {ending}, {cost}; it uses ptr, which many receivers ignore"
        return warn(PTR, name, said, "name the servers with a, mx, ip4 or ip6 in place of ptr")
    return None


def _judge_address(
    name: str, domain: str, ip: str | None, resolver: Resolver, ending: str, budget: _Budget
) -> Diagnosis:
    said = f"one record, ends in {ending}, {budget.lookups} of {MAX_LOOKUPS} lookups"
    if ip is None:
        return ok(SYNTAX, name, f"{said}; see that it names the servers that send, or give --ip")
    result = evaluate(ip, domain, resolver)
    if result is SpfResult.PASS:
        return ok(PERMITS, name, f"{said}; permits {ip}")
    if result is SpfResult.UNCLEAR:
        return warn(
            PERMITS, name, f"{said}; whether it permits {ip} depends on the email", "send one to yourself and look"
        )
    kind = "ip6" if ":" in ip else "ip4"
    return wrong(PERMITS, name, f"{said}; gives {result} for {ip}", f"add {kind}:{ip}, or the include of your relay")


def _record(domain: str, resolver: Resolver) -> str | None:
    records = [text for text in resolver.txt(domain) if re.match(r"v=spf1(?: |\Z)", text, re.I)]
    if len(records) > 1:
        raise _Broken(f"{domain} has {len(records)} SPF records", "merge them into one")
    return records[0] if records else None


def _walk(record: str, domain: str, resolver: Resolver, budget: _Budget) -> str:
    """Count the lookups of `record`. Return its ending: "-all" and so on, or "" if it has no `all`."""
    redirect = None
    for term in record.split()[1:]:
        modifier = _MODIFIER.match(term)
        if modifier is not None:
            redirect = modifier[2] if modifier[1].lower() == "redirect" else redirect
            continue
        match = _TERM.match(term)
        if match is None and not _is_network(term):
            raise _Broken(f"{domain} has a term that does not exist: {term[:60]}", "correct or remove it")
        if match is not None and match[2].lower() == "all":
            return f"{match[1] or '+'}all"
        if match is not None:
            _follow(match[2].lower(), match[3], domain, resolver, budget)
    return "" if redirect is None else _nested(redirect, resolver, budget)


def _is_network(term: str) -> bool:
    """Return whether this is a valid ip4 or ip6 mechanism (RFC 7208 5.6)."""
    found = _IP_TERM.match(term)
    if found is None:
        return False
    try:
        return ip_network(found["network"], strict=False).version == int(found["version"])
    except ValueError:
        return False


def _follow(mechanism: str, target: str | None, domain: str, resolver: Resolver, budget: _Budget) -> None:
    """Count the lookups of one mechanism."""
    if mechanism == "include":
        if target is None:
            raise _Broken(f"{domain} has an include without a name", "name the domain, as include:relay.example")
        _nested(target, resolver, budget)
        return
    budget.pay()
    name = target or domain
    if "%" in name or mechanism in {"ptr", "exists"}:
        return  # the answer depends on the email; only the lookup is counted
    try:
        found = resolver.mx(name) if mechanism == "mx" else resolver.addresses(name)
    except LookupFailed:
        budget.unclear.append(name)
    else:
        budget.void += not found


def _nested(target: str, resolver: Resolver, budget: _Budget) -> str:
    """Count the lookups of another domain's record, from include or redirect. Return its ending."""
    budget.pay()
    if "%" in target:
        budget.unclear.append(target)
        return ""
    try:
        record = _record(target, resolver)
    except LookupFailed:
        budget.unclear.append(target)
        return ""
    if record is None:
        raise _Broken(f"{target} is included and has no SPF record", "remove or correct that include")
    return _walk(record, target, resolver, budget)

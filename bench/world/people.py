"""The people of the world: who has a mailbox where, and what becomes of an email to them."""

import enum
import random
from dataclasses import dataclass

from bench.faults.stage import Stage
from notifier.mail import providers


class Fate(enum.StrEnum):
    """What becomes of an email to a person."""

    fine = "fine"
    #: There is no such mailbox.
    hard = "hard"
    #: The first email fails, because the mailbox is full; later ones arrive.
    soft = "soft"
    #: The person gets the email and reports it as spam.
    spam = "spam"


#: Shares of the people by domain. The customers' domains have mail servers of Microsoft (bench/world/dns.py).
DOMAINS = {
    "gmail.com": 0.40, "outlook.com": 0.10, "hotmail.com": 0.08, "live.com": 0.07, "yahoo.com": 0.15,
    "example.net": 0.20,
}  # fmt: skip
#: Shares of all people, and of those at the provider that complains.
HARD, SOFT, SPAM = 0.025, 0.05, 0.003
COMPLAINS = "gmail"


@dataclass(frozen=True)
class People:
    """Addresses by key of the user, and fates by address."""

    addresses: dict[int, str]
    fates: dict[str, Fate]

    def of(self, *fates: Fate) -> set[str]:
        """Return the addresses with one of these fates."""
        return {address for address, fate in self.fates.items() if fate in fates}


def move_in(stage: Stage, domains: list[str]) -> dict[int, str]:
    """Give the first users, in the order of their keys, addresses at these domains. Return them by key."""
    keys = [row[0] for row in stage.execute("SELECT id FROM notifier_users ORDER BY id LIMIT %s", len(domains))]
    addresses = {pk: f"p{pk}@{domain}" for pk, domain in zip(keys, domains, strict=True)}
    stage.execute(
        """
        UPDATE notifier_users AS u SET email = d.address, identity_key = d.address, abuse_key = d.address
        FROM unnest(%s::bigint[], %s::text[]) AS d (id, address) WHERE u.id = d.id""",
        list(addresses),
        list(addresses.values()),
    )
    return addresses


def settle(stage: Stage, number: int, seed: int) -> People:
    """Let `number` people move in, with exactly the shares above, in an order that `seed` decides."""
    rng = random.Random(seed)
    domains = [domain for domain, share in DOMAINS.items() for _ in range(round(number * share))]
    rng.shuffle(domains)
    addresses = move_in(stage, domains)
    everyone = list(addresses.values())
    fates = dict.fromkeys(everyone, Fate.fine)
    theirs = [each for each in everyone if scope_of(each) == COMPLAINS]
    for each in rng.sample(theirs, round(len(theirs) * SPAM)):
        fates[each] = Fate.spam
    rest = [each for each in everyone if fates[each] is Fate.fine]
    unlucky = rng.sample(rest, round(number * HARD) + round(number * SOFT))
    for index, each in enumerate(unlucky):
        fates[each] = Fate.hard if index < round(number * HARD) else Fate.soft
    return People(addresses, fates)


def scope_of(address: str) -> str:
    """Return the provider of an address, or its domain."""
    return providers.scope_of(providers.domain_of(address))

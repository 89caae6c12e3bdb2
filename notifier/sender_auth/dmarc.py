"""Find DMARC records and organizational domains by the DNS tree walk (RFC 9989 4.10)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from notifier.sender_auth.lookup import Resolver

#: A walk asks for at most this many names: from a longer domain it jumps to its last 7 labels (RFC 9989 4.10).
MOST_QUERIES = 8

_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(?:;|\Z)")
_URI = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>[^\s!]+)(?:!\d+[kmgt]?)?\Z", re.I)

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """One published record: `home` is the domain below whose `_dmarc` label it is."""

    home: str
    tags: Mapping[str, str]

    @classmethod
    def parse(cls, home: str, text: str) -> "DmarcRecord":
        """Read the tags; unknown ones and those without a value stay (RFC 9989 4.7)."""
        pairs = (part.partition("=") for part in text.split(";"))
        return cls(home, {name.strip(): value.strip() for name, found, value in pairs if found})

    @property
    def psd(self) -> str:
        """Return y (a public suffix), n (an organizational domain) or u (unknown, the default)."""
        return self.tags.get("psd", "u").lower()

    @property
    def tested(self) -> bool:
        """Return whether the policy is a test (t=y): receivers apply the next weaker one."""
        return self.tags.get("t", "n").lower() == "y"

    @property
    def reports(self) -> tuple[str, ...]:
        """Return the valid addresses of `rua`."""
        parts = (part.strip() for part in self.tags.get("rua", "").split(","))
        return tuple(part for part in parts if _URI.match(part))

    def policy_for(self, domain: str, *, exists: bool = True) -> str | None:
        """Return what applies to emails from `domain`; None if receivers ignore the record (RFC 9989 4.10.1).

        A policy that is missing or unknown counts as none if reports are wanted.
        """
        wanted = self.tags.get("p")
        if domain != self.home:
            wanted = self.tags.get("sp", wanted)
            wanted = wanted if exists else self.tags.get("np", wanted)
        if wanted is not None and wanted.lower() in POLICIES:
            return wanted.lower()
        return "none" if self.reports else None


@dataclass(frozen=True)
class TreeWalk:
    """The records from a domain up to its top-level domain, closest first."""

    domain: str
    records: tuple[DmarcRecord, ...]
    #: Names at which receivers find several records and so ignore all of them.
    crowded: tuple[str, ...] = field(default=())

    @cached_property
    def organizational(self) -> str:
        """Return the organizational domain; relaxed alignment compares these (RFC 9989 4.10.2)."""
        # A record with psd=n is the last one, because it ends the walk.
        for record in self.records:
            if record.psd == "y" and record.home != self.domain:
                labels = self.domain.split(".")
                return ".".join(labels[-(record.home.count(".") + 2) :])
        return self.records[-1].home if self.records else self.domain

    @cached_property
    def deciding(self) -> DmarcRecord | None:
        """Return the record whose policy applies: of the domain, its organizational domain, or the public suffix."""
        homes = {record.home: record for record in self.records}
        suffix = [record for record in self.records if record.psd == "y"]
        return homes.get(self.domain) or homes.get(self.organizational) or (suffix[0] if suffix else None)


def walk(domain: str, resolver: Resolver) -> TreeWalk:
    """Walk up the tree from `domain`. Raise LookupFailed."""
    records, crowded = [], []
    for home in _homes(domain):
        found = [text for text in resolver.txt(f"_dmarc.{home}") if _VERSION.match(text)]
        if len(found) > 1:
            crowded.append(f"_dmarc.{home}")
        if len(found) != 1:
            continue
        record = DmarcRecord.parse(home, found[0])
        records.append(record)
        if record.psd == "n" or (record.psd == "y" and home != domain):
            break
    return TreeWalk(domain, tuple(records), tuple(crowded))


def _homes(domain: str) -> Iterator[str]:
    """Yield the domain and those above it, at most MOST_QUERIES."""
    yield domain
    labels = domain.split(".")
    for count in range(min(len(labels) - 1, MOST_QUERIES - 1), 0, -1):
        yield ".".join(labels[-count:])


def is_aligned(one: str, other: str, resolver: Resolver, *, strict: bool) -> bool:
    """Return whether two domains are aligned: equal, or (relaxed) of one organizational domain (RFC 9989 4.4)."""
    if strict or one == other:
        return one == other
    return walk(one, resolver).organizational == walk(other, resolver).organizational


def domain_of_report(address: str) -> str | None:
    """Return the domain that gets the reports; None if the address is not `mailto:`."""
    found = _URI.match(address)
    if found is None or found["scheme"].lower() != "mailto":
        return None
    return found["rest"].rpartition("@")[2].lower().rstrip(".")

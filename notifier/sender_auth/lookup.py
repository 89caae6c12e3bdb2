"""Query DNS with a timeout for each question; answers are cached for the lifetime of the resolver."""

from functools import cache
from typing import Protocol

import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

#: Seconds for one question over all servers.
TIMEOUT_SECONDS = 5.0


class LookupFailed(Exception):
    """A server failed, so the answer is unknown. It differs from an answer that there is no record."""


class Unreachable(LookupFailed):
    """No DNS server answered."""


class Resolver(Protocol):
    """The queries of the checks. An empty list means that the name or the record does not exist."""

    def txt(self, name: str) -> list[str]:
        """Return TXT records, the strings of each joined (RFC 7208 3.3). Raise LookupFailed."""

    def mx(self, name: str) -> list[str]:
        """Return names of mail servers, best first; "" is the null MX (RFC 7505). Raise LookupFailed."""

    def addresses(self, name: str) -> list[str]:
        """Return A and AAAA records. Raise LookupFailed."""

    def ptr(self, address: str) -> list[str]:
        """Return the names of an IP address. Raise LookupFailed."""


class DnsResolver:
    """Query the DNS servers that this machine is configured with."""

    def __init__(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Read the DNS configuration; `timeout` is in seconds. Raise Unreachable if no DNS server is configured."""
        try:
            self._resolver = dns.resolver.Resolver()
        except (dns.exception.DNSException, OSError) as error:
            raise Unreachable(f"no DNS server is configured on this machine ({error})") from None
        self._resolver.lifetime = timeout
        self._records = cache(self._ask)

    def txt(self, name: str) -> list[str]:
        records = self._records(name, "TXT")
        return [b"".join(record.strings).decode("utf-8", "replace") for record in records if isinstance(record, TXT)]

    def mx(self, name: str) -> list[str]:
        records = [record for record in self._records(name, "MX") if isinstance(record, MX)]
        return [str(record.exchange).rstrip(".") for record in sorted(records, key=lambda record: record.preference)]

    def addresses(self, name: str) -> list[str]:
        return [str(record) for kind in ("A", "AAAA") for record in self._records(name, kind)]

    def ptr(self, address: str) -> list[str]:
        records = self._records(str(dns.reversename.from_address(address)), "PTR")
        return [str(record.target).rstrip(".") for record in records if isinstance(record, PTR)]

    def _ask(self, name: str, kind: str) -> list[object]:
        try:
            answer = self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return []
        except dns.resolver.LifetimeTimeout:
            raise Unreachable(f"no answer about {name} within {self._resolver.lifetime:g} s") from None
        except dns.resolver.NoNameservers:
            raise LookupFailed(f"the DNS servers failed to answer about {name}") from None
        except (dns.exception.DNSException, UnicodeError) as error:
            raise LookupFailed(f"{name} cannot be looked up: {type(error).__name__}") from None
        except OSError as error:
            raise Unreachable(f"no DNS server can be reached: {error.strerror}") from None
        return list(answer)

"""Questions to DNS, with a timeout for each; answers are remembered for as long as the object lives."""

from functools import cache
from typing import Protocol

import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT

#: Seconds for one question, whatever number of servers is asked.
TIMEOUT = 5.0


class LookupFailed(Exception):
    """Nobody can tell now: a server failed. Not the same as an answer that there is nothing."""


class Unreachable(LookupFailed):
    """No DNS server answered at all."""


class Resolver(Protocol):
    """What the checks ask. An empty answer is an answer (no such name, no such record)."""

    def txt(self, name: str) -> list[str]:
        """TXT records, the strings of each joined (RFC 7208 3.3). Raises LookupFailed."""

    def mx(self, name: str) -> list[str]:
        """Names of the mail servers, best first; "" is the null MX (RFC 7505). Raises LookupFailed."""

    def addresses(self, name: str) -> list[str]:
        """A and AAAA records. Raises LookupFailed."""

    def ptr(self, address: str) -> list[str]:
        """Names of an IP address. Raises LookupFailed."""


class DnsResolver:
    """Asks the servers that this machine is set up with."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """`timeout` in seconds. Raises Unreachable where the machine has no DNS servers set up."""
        try:
            self._resolver = dns.resolver.Resolver()
        except (dns.exception.DNSException, OSError) as error:
            raise Unreachable(f"this machine has no DNS servers set up ({error})") from None
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
            raise LookupFailed(f"{name} cannot be asked for: {type(error).__name__}") from None
        except OSError as error:
            raise Unreachable(f"no DNS server can be reached: {error.strerror}") from None
        return list(answer)

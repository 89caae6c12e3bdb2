"""Find the mailbox provider of a recipient's domain, by its name or by its mail servers.

A provider judges us for all its mailboxes at once, so a refusal about us affects all of them. The provider is derived
from the recipient's domain alone, never from a server's reply; otherwise any server could cause a hold on a provider.
A domain of no known provider is its own scope.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """A known mailbox provider."""

    name: str
    label: str
    #: The URL of its page for senders.
    page: str
    domains: frozenset[str]
    #: Suffixes of the names of its mail servers, to recognise its customers' domains.
    mail_servers: tuple[str, ...]


def _at(name: str, endings: str) -> list[str]:
    return [f"{name}.{ending}" for ending in endings.split()]


_MICROSOFT = [
    *_at("outlook", "com at be cl co.id co.il co.th com.ar com.au com.br com.gr com.tr com.vn cz de dk es fr hu ie in"),
    *_at("outlook", "it jp kr lv my ph pt sa sg sk"),
    *_at("hotmail", "com be ca cl co.id co.il co.jp co.kr co.nz co.th co.uk co.za com.ar com.au com.br com.hk com.tr"),
    *_at("hotmail", "com.tw cz de dk es fi fr gr hu it lt lv my nl no ph rs se sg sk"),
    *_at("live", "com at be ca cl cn co.kr co.uk co.za com.ar com.au com.mx com.my com.pt com.sg de dk fi fr hk ie in"),
    *_at("live", "it jp nl no ph ru se"),
    *("msn.com", "passport.com", "windowslive.com"),
]

_YAHOO = [
    *_at("yahoo", "com at be ca co.id co.il co.in co.nz co.th co.uk co.za com.ar com.au com.br com.co com.hk com.mx"),
    *_at("yahoo", "com.my com.pe com.ph com.sg com.tr com.tw com.vn cz de dk es fi fr gr hu ie in it nl no pl ro se"),
    *_at("aol", "com co.uk de fr it"),
    *("ymail.com", "rocketmail.com", "myyahoo.com", "aim.com"),
]

#: Providers by name. Yahoo Japan is another company.
PROVIDERS: Mapping[str, Provider] = {
    each.name: each
    for each in (
        Provider(
            "gmail",
            "Gmail",
            "https://support.google.com/mail/answer/81126",
            frozenset({"gmail.com", "googlemail.com"}),
            (".google.com", ".googlemail.com"),
        ),
        Provider(
            "microsoft",
            "Microsoft",
            "https://sendersupport.olc.protection.outlook.com/pm/",
            frozenset(_MICROSOFT),
            (".protection.outlook.com", ".mx.microsoft"),
        ),
        Provider("yahoo", "Yahoo", "https://senders.yahooinc.com/", frozenset(_YAHOO), (".yahoodns.net",)),
        Provider(
            "apple",
            "Apple",
            "https://support.apple.com/102322",
            frozenset({"icloud.com", "me.com", "mac.com", "privaterelay.appleid.com"}),
            (".mail.icloud.com",),
        ),
    )
}

#: Names of providers by domain (lower case, A-labels).
KNOWN: Mapping[str, str] = {domain: each.name for each in PROVIDERS.values() for domain in each.domains}


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def provider_of(domain: str) -> str | None:
    """Return the name of the provider whose own domain this is; None for all other domains."""
    return KNOWN.get(domain.lower())


def by_mail_servers(names: Iterable[str]) -> str | None:
    """Return the name of the provider that runs all these mail servers (a domain's MX); None if there is none."""
    found = {_of_server(name.lower()) for name in names}
    return found.pop() if len(found) == 1 else None


def scope_of(domain: str) -> str:
    """Return the scope of a refusal about us at this domain: its provider's name, or the domain itself."""
    return KNOWN.get(domain, domain)


def label_of(scope: str) -> str:
    """Return the name of a scope for people: "Microsoft", or the domain."""
    provider = PROVIDERS.get(scope)
    return scope if provider is None else provider.label


def key(transport: str, scope: str) -> str:
    """Return the key of a hold or a pause. It includes the transport, whose DKIM signature and IP may be the cause."""
    return f"{transport}:{scope}"


def parts(hold_key: str) -> tuple[str, str]:
    """Split such a key into transport and scope; neither contains a colon."""
    transport, _, scope = hold_key.partition(":")
    return transport, scope


def _of_server(server: str) -> str | None:
    return next((each.name for each in PROVIDERS.values() if f".{server}".endswith(each.mail_servers)), None)

"""Mailbox providers: which domains belong to one of the large ones.

Consumer domains only. A company that has its email at a provider keeps a domain of its own, which is not listed.
"""

from collections.abc import Mapping
from types import MappingProxyType


def _domains(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_COUNTRIES = {
    "yahoo": _domains(
        """
        ca co.in co.id co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br com.cn com.co com.hk com.mx
        com.my com.ph com.sg com.tr com.tw com.ve com.vn cz de dk es fi fr gr hu ie in it nl no pl pt ro ru se
        """
    ),
    "hotmail": _domains(
        """
        be ca ch cl co.id co.il co.in co.jp co.kr co.nz co.th co.uk co.za com com.ar com.au com.br com.hk com.tr
        com.tw com.vn cz de dk es fi fr gr hu it my nl no ph rs ru se sg sk
        """
    ),
    "live": _domains(
        """
        at be ca ch cl cn co.kr co.uk co.za com com.ar com.au com.mx com.my com.ph com.pt com.sg de dk fi fr hk ie
        in it jp nl no ru se
        """
    ),
    "outlook": _domains(
        """
        at be cl co.id co.il co.th com com.ar com.au com.br com.gr com.tr com.vn cz de dk es fr hu ie in it jp kr
        lv my ph pt sa sg sk
        """
    ),
}
_PROVIDERS = {
    "gmail": _domains("gmail.com googlemail.com"),
    "microsoft": (
        *_domains("msn.com passport.com windowslive.com"),
        *(f"{name}.{end}" for name in ("hotmail", "live", "outlook") for end in _COUNTRIES[name]),
    ),
    "yahoo": (*_domains("ymail.com rocketmail.com myyahoo.com"), *(f"yahoo.{end}" for end in _COUNTRIES["yahoo"])),
    "apple": _domains("icloud.com me.com mac.com"),
}

#: Domain (lower case, an A-label where it is international) -> provider.
KNOWN: Mapping[str, str] = MappingProxyType(
    {domain: provider for provider, domains in _PROVIDERS.items() for domain in domains}
)


def provider_of(domain: str) -> str | None:
    """Return the provider of a consumer domain, or None if it is not known."""
    return KNOWN.get(domain.lower())

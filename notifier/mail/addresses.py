"""Check and normalise email addresses, and decide whether two addresses belong to one person.

The syntax is the dot-atom of RFC 5321: quoted local parts and address literals are legal there, but people do not sign
up with them, and they are the classic way to smuggle in a second recipient. Local parts outside ASCII follow RFC 6531,
domains IDNA2008 with the non-transitional mapping of UTS #46.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from notifier.mail.characters import BLANKS, is_invisible, is_selector
from notifier.mail.header_text import hides_control
from notifier.mail.providers import provider_of

#: Characters. Longer input is refused before any other check. The longest address has 254 octets.
MAX_INPUT = 1000
#: RFC 5321 4.5.3.1.1 and 4.5.3.1.3 (with RFC 3696 erratum 1690), in octets.
MAX_LOCAL, MAX_ADDRESS = 64, 254

#: Blanks that pasting leaves at both ends are trimmed. Line breaks and control characters are not.
_OUTER_SPACE = " \t\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
_ATEXT_BREAKERS = re.compile(r"[^A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]")
_LOCAL_NAMES = frozenset({"localhost", "local", "test"})
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NOT_GLOBAL = ("alt", "arpa", "invalid", "local", "localhost", "onion", "test")


class AddressError(ValueError):
    """The text is not an address that we can send to. The message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address.

    `envelope` is used in SMTP: the local part as typed (NFC) at the A-label domain. `identity_key` is equal for
    addresses of the same person: the local part in NFC and lower case at the same domain.
    """

    envelope: str
    identity_key: str
    domain: str
    smtputf8: bool

    @property
    def local(self) -> str:
        """Return the part before the @, as typed (NFC)."""
        return self.envelope.rpartition("@")[0]


def parse_address(text: str, *, allow_smtputf8: bool = True, allow_local: bool = False) -> Address:
    """Check and normalise the address in `text`.

    `allow_local` accepts domains that only this machine or network knows: localhost, .localhost, .local and .test.

    Raise AddressError, and no other error, with a message for the person who typed it.
    """
    if len(text) > MAX_INPUT:
        raise AddressError("This address is too long: an email address has 254 characters at most.")
    text = text.strip(_OUTER_SPACE)
    _refuse_unsafe(text)
    local, domain = _split(text)
    local = _check_local(local, allow_smtputf8)
    domain = _check_domain(domain, allow_local=allow_local)
    envelope = f"{local}@{domain}"
    if _octets(envelope) > MAX_ADDRESS:
        raise AddressError("This address is too long: an email address has 254 characters at most.")
    return Address(envelope, f"{_identity(local)}@{domain}", domain, smtputf8=not local.isascii())


def abuse_key(address: Address | str) -> str:
    """Return the mailbox without tags, as the key for limits. It is never an identity.

    `address` is a checked address, or its envelope.

    A `+tag` is cut off everywhere. Gmail ignores dots, and its two domains are one; at Yahoo `-tag` marks a disposable
    address. Elsewhere dots and hyphens are part of the name.
    """
    identity = identity_of(address) if isinstance(address, str) else address.identity_key
    local, _, domain = identity.rpartition("@")
    provider = provider_of(domain)
    bare = local.partition("+")[0]
    if provider == "gmail":
        bare, domain = bare.replace(".", ""), "gmail.com"
    elif provider == "yahoo":
        bare = bare.partition("-")[0]
    return f"{bare or local}@{domain}"


def identity_of(envelope: str) -> str:
    """Return the identity of an address that was checked before. Never raise."""
    local, _, domain = envelope.rpartition("@")
    return f"{_identity(local)}@{domain.lower()}"


def _identity(local: str) -> str:
    """Fold a local part for comparison: NFC and lower case.

    `str.casefold` would turn the long s, the sharp s and ligatures into ASCII, so that a person with such a mailbox
    could block another person's. For the same reason a character outside ASCII whose lower case is ASCII (U+212A, the
    Kelvin sign) is kept.
    """
    if local.isascii():
        return local.lower()
    folded = unicodedata.normalize("NFC", local.lower())
    return folded if not folded.isascii() else "".join(map(_lower, local))


def _lower(char: str) -> str:
    lower = char.lower()
    return char if lower.isascii() and not char.isascii() else lower


def _octets(text: str) -> int:
    return len(text.encode("utf-8"))


def _refuse_unsafe(text: str) -> None:
    """Raise AddressError for a control, format, surrogate, private or unassigned character, or a space, anywhere."""
    if text.isascii() and text.isprintable() and " " not in text:
        return
    for char in text:
        category = unicodedata.category(char)
        if category in {"Zl", "Zp"} or char in "\r\n\v\f\x1c\x1d\x1e\x85":
            raise AddressError("This address contains a line break. Please type it on one line.")
        if category[0] == "Z" or char == "\t":
            raise AddressError("This address contains a space. Please remove it.")
        if category[0] == "C" or char in BLANKS or is_invisible(char) or is_selector(char):
            raise AddressError(
                f"This address contains an invisible or invalid character (U+{ord(char):04X}). "
                "Please type the address instead of pasting it."
            )


def _split(text: str) -> tuple[str, str]:
    if not text:
        raise AddressError("Please enter an email address.")
    local, at, domain = text.partition("@")
    if not at:
        if "\uff20" in text or "\ufe6b" in text:
            raise AddressError("This address has a full-width @. Please type a plain @.")
        raise AddressError("This address has no @. An address looks like name@example.com.")
    if "@" in domain:
        raise AddressError("This address has more than one @. Please enter a single address.")
    if not local:
        raise AddressError("Something is missing before the @.")
    if not domain:
        raise AddressError("Something is missing after the @.")
    return local, domain


def _composed(local: str) -> str:
    """Return the local part in NFC, which is sent (RFC 6532 3.1).

    The NFC of U+212A and U+1FEF is an ASCII character, but a mailbox with one is not the mailbox with the other. So a
    local part that would become ASCII as a whole stays as typed. U+037E becomes a semicolon, which no address may
    contain; it is composed, so that the later check refuses it.
    """
    composed = unicodedata.normalize("NFC", local)
    if composed.isascii() and not local.isascii() and not _ATEXT_BREAKERS.search(composed):
        return local
    return composed


def _check_local(local: str, allow_smtputf8: bool) -> str:
    local = _composed(local)
    if local[0] == '"':
        raise AddressError("Addresses with quotes before the @ are not supported.")
    breaker = _ATEXT_BREAKERS.search(local)
    if breaker:
        raise AddressError(f"The character {breaker.group()} is not possible before the @.")
    if hides_control(local.encode()):
        raise AddressError("The part before the @ looks like encoded text. Please type it as plain text.")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise AddressError("Before the @, a dot cannot come first, last or twice in a row.")
    if unicodedata.category(local[0])[0] == "M":
        raise AddressError("This address starts with an accent that has no letter.")
    if not allow_smtputf8 and not local.isascii():
        raise AddressError("Before the @, only plain letters without accents are supported.")
    if _octets(local) > MAX_LOCAL:
        raise AddressError("The part before the @ is too long: 64 characters at most.")
    return local


# Most people share a few domains, and checking one takes six times as long as the rest of the address. Refusals are not
# kept.
@lru_cache(maxsize=4096)
def _check_domain(domain: str, *, allow_local: bool = False) -> str:
    if domain[0] == "[":
        raise AddressError("An IP address in brackets after the @ is not supported.")
    # A final dot (or U+3002) is the fully qualified spelling of the same name, which SMTP does not allow.
    if domain[-1] in ".\u3002\uff0e\uff61" and len(domain) > 1:
        domain = domain[:-1]
    if allow_local and _is_local(domain):
        return domain.lower()
    try:
        # "x" replaces the local part, because the validator would lower-case names such as Postmaster.
        ascii_domain = validate_email(f"x@{domain}", check_deliverability=False).ascii_domain
        labels = [idna.ulabel(label) for label in ascii_domain.split(".") if label.startswith("xn--")]
    except (EmailNotValidError, idna.IDNAError) as error:
        raise AddressError(_domain_message(domain)) from error
    if any(label.isascii() for label in labels) or ascii_domain.rpartition(".")[2] in _NOT_GLOBAL:
        raise AddressError(_domain_message(domain))
    return ascii_domain


def _is_local(domain: str) -> bool:
    """Return whether this is a host name (RFC 1123) below one of the names that exist only in a machine or network."""
    labels = domain.lower().split(".")
    return labels[-1] in _LOCAL_NAMES and all(_HOST_LABEL.match(label) for label in labels)


def _domain_message(domain: str) -> str:
    if "." not in domain:
        return "The part after the @ needs a dot, as in example.com."
    if domain.casefold().rpartition(".")[2] in _NOT_GLOBAL:
        return "The domain after the @ cannot receive email from the internet."
    return "The part after the @ is not a valid domain name."

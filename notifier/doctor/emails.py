"""Hold one email of each kind, as it would leave, against what receivers demand."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.campaigns import content_versions
from notifier.config.cross_checks import EXAMPLE_POSTAL_ADDRESS, is_loopback
from notifier.config.settings import Settings
from notifier.consent.preferences import REFUSABLE
from notifier.doctor.parsed import problems_of
from notifier.emails import EmailKind
from notifier.emails.campaign_kind import CampaignKind
from notifier.mail.message import Message, build
from notifier.models import Campaign, CampaignState
from notifier.rendering.drafts import Drafts, NoExample
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.dkim_signing import SIGNED, DkimSigner
from notifier.sender_auth.report import ok, skipped, warn, wrong

log = structlog.get_logger(__name__)

RENDERS = Rule(Group.email, "email.renders", "docs/how-to-add-a-kind.md")
FORM = Rule(Group.email, "email.form", "RFC 5322 2.1.1 and 3.6; RFC 2045 2")
SUBJECT = Rule(Group.email, "email.subject", "RFC 5322 3.6.5; Gmail's sender guidelines")
SIZE = Rule(Group.email, "email.size", "Gmail clips the HTML at 102 kB")
ONE_CLICK = Rule(Group.email, "one-click.headers", "RFC 8058 3.1; Gmail's and Yahoo's sender guidelines")
SIGNED_CLICK = Rule(Group.email, "one-click.signed", "RFC 8058 4")
OVERSIGNED = Rule(Group.email, "dkim.fields", "RFC 6376 5.4 and 8.15")
UNSIGNED = Rule(Group.email, "dkim.transports", "Gmail's and Yahoo's sender guidelines")
VISIBLE = Rule(Group.email, "unsubscribe.visible", "Gmail's sender guidelines; CAN-SPAM Act, 15 U.S.C. 7704(a)(3)")
LINKS = Rule(Group.email, "links.public", "RFC 8058 3.1")
POSTAL = Rule(Group.email, "postal.address", "CAN-SPAM Act, 15 U.S.C. 7704(a)(5)")
CFBL = Rule(Group.email, "cfbl.address", "RFC 9477 3.1")

#: Octets of HTML that Gmail shows before it clips the rest, with the link to unsubscribe.
CLIPPED = 102 * 1024

_NAMES = re.compile(rb"\bh=([^;]+);")


@dataclass(frozen=True, slots=True)
class EmailSettings:
    """The settings, and the DKIM signer of each transport by its name; None for one that does not sign."""

    settings: Settings
    signers: Mapping[str, DkimSigner | None]

    @property
    def signer(self) -> DkimSigner | None:
        """Return a signer; all sign the same fields."""
        return next(filter(None, self.signers.values()), None)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One email that is built for the check alone. Without a message, `failure` or `missing` says why."""

    name: str
    kind: EmailKind
    message: Message | None = None
    data: bytes = b""
    failure: str = ""
    missing: str = ""


def specimens(session: Session, kinds: Mapping[str, EmailKind], drafts: Drafts) -> Iterator[Specimen]:
    """Yield an email of each kind to a made-up person, and of each campaign with its own content."""
    campaigns = session.scalars(
        select(Campaign)
        .where(Campaign.kind.in_(kinds), Campaign.state != CampaignState.archived)
        .order_by(Campaign.kind, Campaign.id)
    ).all()
    for campaign in campaigns:
        yield _built(f"Campaign {campaign.name}", kinds[campaign.kind], drafts, kinds, session, campaign)
    shown = {campaign.kind for campaign in campaigns}
    for name, kind in kinds.items():
        if name not in shown:
            yield _built(f"Email {name}", kind, drafts, kinds, session)


def _built(
    name: str,
    kind: EmailKind,
    drafts: Drafts,
    kinds: Mapping[str, EmailKind],
    session: Session,
    campaign: Campaign | None = None,
) -> Specimen:
    try:
        content = content_versions.now_said(session, campaign, kinds) if campaign else None
        message = drafts.specimen(kind, content if isinstance(kind, CampaignKind) else None)
        return Specimen(name, kind, message, build(message))
    except NoExample as error:
        return Specimen(name, kind, missing=str(error))
    except Exception as error:
        # A template or a kind may raise anything, and the report is for the person who mends it.
        log.warning("doctor.not_rendered", kind=kind.name, exc_info=error)
        return Specimen(name, kind, failure=f"{type(error).__name__}: {error}")


def check_settings(sender: EmailSettings) -> Iterator[Diagnosis]:
    """Yield what concerns all emails alike."""
    settings = sender.settings
    base = urlsplit(settings.link_base)
    if is_loopback(base.hostname or "") or base.scheme != "https":
        where = "this machine" if is_loopback(base.hostname or "") else "an address without https"
        said = f"links lead to {where} ({settings.link_base}), so one-click unsubscribing works for no recipient"
        yield wrong(LINKS, "Links", said, "set PUBLIC_URL to the https address that people can reach")
    else:
        yield ok(LINKS, "Links", f"below {settings.link_base}")
    if settings.postal_address == EXAMPLE_POSTAL_ADDRESS:
        said = "campaigns show the example's postal address"
        yield warn(POSTAL, "Postal address", said, "set POSTAL_ADDRESS to your own")
    unsigned = [name for name, signer in sender.signers.items() if signer is None]
    if unsigned and sender.signer is not None:
        said = f"other transports sign, {', '.join(unsigned)} does not"
        cure = "give it dkim_domain, dkim_selector and dkim_key_file, unless that server signs"
        yield warn(UNSIGNED, "DKIM of all transports", said, cure)
    if settings.mail_cfbl_address:
        yield _cfbl(settings.mail_cfbl_address, sender)


def _cfbl(address: str, sender: EmailSettings) -> Diagnosis:
    name, domain = f"CFBL-Address {address}", address.rpartition("@")[2]
    signer = sender.signer
    if signer is None:
        said = "notifier signs nothing, and a provider reports complaints only for a signed field"
        return warn(CFBL, name, said, "set MAIL_DKIM_*, or let your mail server sign CFBL-Address")
    signs = signer.domain.lower()
    if not (_below(domain, signs) and _below(sender.settings.sender_domain, signs)):
        said = f"the signature is of {signs}, which is not at or above {domain} and the From domain"
        return warn(CFBL, name, said, f"use an address at {sender.settings.sender_domain}")
    return ok(CFBL, name, f"signed by {signs}")


def _below(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")


def check(specimen: Specimen, sender: EmailSettings) -> Iterator[Diagnosis]:
    """Yield what is wrong with one email, or one line that nothing is."""
    name, message = specimen.name, specimen.message
    if message is None and specimen.missing:
        yield skipped(RENDERS, name, specimen.missing, "give the kind an `example` of its data")
    elif message is None:
        yield wrong(RENDERS, name, f"cannot be built: {specimen.failure}", "correct its template or content")
    else:
        lines = [*_form(name, message, specimen.data), *_subscription(specimen, message), *_signature(specimen, sender)]
        yield from lines
        if not lines:
            yield ok(FORM, name, f"{len(specimen.data):,} octets")


def _form(name: str, message: Message, data: bytes) -> Iterator[Diagnosis]:
    for problem in problems_of(data, smtputf8=message.smtputf8):
        yield wrong(FORM, name, problem, "correct its template; if ours is at fault, report it")
    if not message.subject.strip():
        yield wrong(SUBJECT, name, "the subject is empty", "write one in subject.txt, or in the campaign's content")
    size = len(str(message.html).encode())
    if size > CLIPPED:
        said = f"{size / 1024:.0f} kB of HTML: Gmail clips it, with the link to unsubscribe"
        yield wrong(SIZE, name, said, "shorten it, and link to a page with the rest")


def _subscription(specimen: Specimen, message: Message) -> Iterator[Diagnosis]:
    if specimen.kind.category not in REFUSABLE:
        return
    headers = dict(message.headers)
    url = headers.get("List-Unsubscribe", "").strip("<>")
    if not url or headers.get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click":
        yield wrong(ONE_CLICK, specimen.name, "has no one-click unsubscribe headers", "report this: notifier adds them")
    if url and not (url in str(message.text) and url in str(message.html).replace("&amp;", "&")):
        said = "its text or its HTML has no link to unsubscribe"
        yield wrong(VISIBLE, specimen.name, said, "let its template show unsubscribe_url, as _layout does")


def _signature(specimen: Specimen, sender: EmailSettings) -> Iterator[Diagnosis]:
    """Yield fields that the signature does not cover, or not once more than they occur."""
    signer = sender.signer
    if signer is None:
        if specimen.kind.category in REFUSABLE:
            cure = "send one to yourself: h= of its DKIM-Signature must name list-unsubscribe and list-unsubscribe-post"
            yield skipped(SIGNED_CLICK, specimen.name, "signed by the mail server, if at all", cure)
        return
    signed = signer.sign(specimen.data)
    signature = signed[: len(signed) - len(specimen.data)]
    found = _NAMES.search(signature.replace(b"\r\n ", b""))
    names = Counter(found[1].replace(b" ", b"").split(b":") if found else [])
    present = Counter(
        line.partition(b":")[0].lower() for line in specimen.data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    )
    loose = [name.decode() for name in SIGNED if names[name] <= present[name]]
    if loose:
        yield wrong(
            OVERSIGNED, specimen.name, f"not oversigned: {', '.join(loose)}", "report this: notifier signs them"
        )

"""Certificates of a test's own authority, good and bad."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Server contexts for 127.0.0.1 and `localhost`; `authority` is the PEM file to trust."""

    authority: Path
    good: ssl.SSLContext
    self_signed: ssl.SSLContext
    expired: ssl.SSLContext
    wrong_host: ssl.SSLContext


@cache
def certificates() -> Certificates:
    """Made once for the whole run."""
    authority, stranger = trustme.CA(), trustme.CA()
    folder = Path(tempfile.mkdtemp(prefix="certificates-"))
    authority.cert_pem.write_to_path(folder / "authority.pem")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    names = ("127.0.0.1", "localhost")
    return Certificates(
        authority=folder / "authority.pem",
        good=_context(authority.issue_cert(*names)),
        self_signed=_context(stranger.issue_cert(*names)),
        expired=_context(authority.issue_cert(*names, not_after=yesterday)),
        wrong_host=_context(authority.issue_cert("elsewhere.example")),
    )


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context

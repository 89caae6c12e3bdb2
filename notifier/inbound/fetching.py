"""Fetch a small text over HTTPS from a server that the caller has checked: no redirect, no proxy, bounded and quick."""

import http.client
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from notifier.inbound.refusals import TryLater

#: Seconds for connecting, and again for the whole answer; bytes of the answer.
TIMEOUT, MAX_BYTES = 5.0, 64 * 1024

#: Takes an https URL, returns the body of a 200. Raises TryLater.
Fetch = Callable[[str], bytes]


def fetch(url: str) -> bytes:
    """Return the body at an https URL. Raise TryLater if the server does not answer 200 in time."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise TryLater(f"{parts.hostname} answered {response.status}")
        return _read(response)
    except (OSError, http.client.HTTPException) as error:
        raise TryLater(f"{parts.hostname} did not answer: {type(error).__name__}") from None
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read the body. A server that sends a byte now and then must not hold the thread."""
    until, body = time.monotonic() + TIMEOUT, b""
    while chunk := response.read1(8192):
        body += chunk
        if len(body) > MAX_BYTES or time.monotonic() > until:
            raise TryLater("the answer is too long or too slow")
    return body

"""Check that a mail provider's one-click POST gets through to us, by a link that belongs to no one."""

from urllib.parse import urlsplit

from notifier.config.cross_checks import is_loopback
from notifier.sender_auth import Diagnosis, Group, Rule, WebAnswer, WebClient, WebUnreachable, WebUntrusted
from notifier.sender_auth.report import ok, skipped, wrong

POSTS = Rule(Group.running, "one-click.post", "RFC 8058 3.2")
CERTIFICATE = Rule(Group.running, "one-click.certificate", "RFC 8058 3.1; RFC 9110 4.3.4")

#: The body of the request (RFC 8058 3.2), and a link that we answer with 404 and that changes nothing.
BODY, NO_ONE = "List-Unsubscribe=One-Click", "/u/doctor"

_REFUSALS = {400, 401, 403, 405, 407, 411, 415, 429}


def check(base: str, web: WebClient) -> Diagnosis:
    """Return whether `base` (PUBLIC_URL) answers such a request as notifier does, from here."""
    url = f"{base}{NO_ONE}"
    name = f"One-click through {base}"
    by_hand = f"from outside your network, run: curl -i -d {BODY} {url} - it must answer 404, without a redirect"
    if is_loopback(urlsplit(base).hostname or ""):
        return skipped(POSTS, name, "PUBLIC_URL leads to this machine, so no provider can reach it", by_hand)
    try:
        answer = web.post(url, BODY)
    except WebUntrusted as error:
        said = f"the certificate is not valid: {error}"
        return wrong(CERTIFICATE, name, said, "renew the certificate, and serve its whole chain")
    except WebUnreachable as error:
        return skipped(POSTS, name, f"not reachable from here: {error}", by_hand)
    return _judge(name, answer)


def _judge(name: str, answer: WebAnswer) -> Diagnosis:
    status = answer.status
    if 300 <= status < 400:
        said = f"the POST is redirected to {answer.headers.get('location', 'another address')}; providers do not follow"
        return wrong(POSTS, name, said, "set PUBLIC_URL to the address that answers without a redirect")
    if status in _REFUSALS:
        said = f"the POST is refused with {status}"
        cure = "let POST requests to /u/ through your proxy without login, cookie, token, puzzle or rate limit"
        return wrong(POSTS, name, said, cure)
    if status >= 500:
        cure = "see the log of the web process, or whether the proxy reaches it"
        return wrong(POSTS, name, f"the POST fails with {status}", cure)
    # Our page of an invalid link, which no cache may keep; a proxy's own 404 says nothing of caches.
    if status == 404 and "no-store" in answer.headers.get("cache-control", ""):
        return ok(POSTS, name, "the POST reaches notifier")
    said = f"something else answers the POST, with {status}"
    return wrong(POSTS, name, said, "let the proxy pass everything below PUBLIC_URL to notifier, with its path")

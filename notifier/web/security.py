"""Security headers of every response, and one log line per request."""

import re
import time
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

import structlog
from flask import Flask, abort, current_app, g, request
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from notifier.security.clients import parse_client

log = structlog.get_logger(__name__)

CSP = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self'; script-src 'self'; style-src 'self'"
)

#: Load balancers request these by a process's address, not by our host name. Their answers name no host.
PROBES = frozenset({"/healthz", "/livez", "/readyz", "/metrics"})

_IPV6_HOST = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?\Z")

ROUTINE = frozenset(
    {"health.healthz", "health.livez", "health.readyz", "metrics.scrape", "web.static", "admin_assets.static"}
)

HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def init_app(app: Flask, public_url: str, *, owns_host: bool = True) -> None:
    """Protect every response of `app`; an https `public_url` adds HSTS.

    Without `owns_host` it does not: HSTS would bind the whole host, which belongs to another application.
    """
    https = urlsplit(public_url).scheme == "https" and owns_host
    extra = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"} if https else {}
    app.before_request(_start_clock)
    app.before_request(_refuse_undecodable_forms)
    app.after_request(partial(_harden, HEADERS | extra))
    app.after_request(_lead_to_ourselves)
    app.after_request(_record)


def accept_hosts(wsgi: "WSGIApplication", public_url: str) -> "WSGIApplication":
    """Return `wsgi` behind what accepts Host headers that Werkzeug's list of trusted hosts cannot hold."""
    hostname = urlsplit(public_url).hostname
    answering = answer_probes(wsgi)
    return accept_ipv6(answering, ip_address(hostname)) if hostname and ":" in hostname else answering


def answer_probes(app: "WSGIApplication") -> "WSGIApplication":
    """Accept any Host header, or none (HTTP/1.0), for PROBES and for nothing else."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") in PROBES:
            environ["HTTP_HOST"] = "localhost"  # always trusted
        return app(environ, start_response)

    return answer


def accept_ipv6(app: "WSGIApplication", own: IPv4Address | IPv6Address) -> "WSGIApplication":
    """Accept the IPv6 address of PUBLIC_URL as Host: Werkzeug's list of trusted hosts cannot hold one."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        found = _IPV6_HOST.match(environ.get("HTTP_HOST", ""))
        if found and parse_client(found[1]) == own:
            environ["HTTP_HOST"] = "localhost"  # always trusted; redirects are paths
        return app(environ, start_response)

    return answer


def _start_clock() -> None:
    g.request_started = time.perf_counter()


def _refuse_undecodable_forms() -> None:
    allowed = current_app.config.get("LARGEST_UPLOAD", _no_upload)()
    if allowed:
        request.max_content_length = allowed
    elif request.mimetype == "multipart/form-data" and request.files:
        abort(400)  # no other form of ours has a file, and a text field sent as a file cannot be checked as text
    # Werkzeug keeps bytes that are not UTF-8 as percent escapes, which are legal in an address: what would be stored is
    # then not what was typed.
    if request.mimetype == "application/x-www-form-urlencoded":
        try:
            unquote_to_bytes(request.get_data(cache=True)).decode()
        except UnicodeDecodeError:
            abort(400)


def _no_upload() -> int:
    return 0


def _lead_to_ourselves(response: Response) -> Response:
    """Turn a redirect to ourselves into a path: Werkzeug builds it from the request's Host and scheme."""
    target = response.location
    if target is not None:
        parts = urlsplit(target)
        if parts.netloc == request.host:
            response.location = urlunsplit(("", "", f"/{parts.path.lstrip('/')}", parts.query, parts.fragment))
    return response


def _harden(headers: dict[str, str], response: Response) -> Response:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _record(response: Response) -> Response:
    # The rule, not the path: a path may hold a token.
    rule = request.url_rule.rule if request.url_rule else "(none)"
    started = g.get("request_started", time.perf_counter())
    # Routine requests of machines would hide those of people.
    note = log.debug if request.endpoint in ROUTINE else log.info
    known = {"request_id": g.request_id} if "request_id" in g else {}
    note(
        "request",
        **known,
        method=request.method,
        rule=rule,
        status=response.status_code,
        ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return response

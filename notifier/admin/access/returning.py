"""The target after signing in: a page of this service, or the dashboard, and nothing else."""

import re

from flask import has_request_context, request

#: Below the path at which the service is published.
HOME = "/admin/"

#: A path as we write paths: no scheme or host, nothing that a browser reads as one (backslash, //, tab, line break), no
#: escapes, no "..".
_PATH = r"/(?:[A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*"
_QUERY = r"\?[A-Za-z0-9._~!$'()*+,;:@/?&=%-]*"
_LOCAL = re.compile(rf"({_PATH})({_QUERY})?", re.ASCII)
_QUERY_ONLY = re.compile(_QUERY, re.ASCII)

MAX_LENGTH = 2000


def local(target: str | None) -> str:
    """Return `target` if it is a path (with a query) of this service on this very origin, else the dashboard."""
    prefix = request.script_root if has_request_context() else ""
    home = prefix + HOME
    if not target or len(target) > MAX_LENGTH:
        return home
    if _QUERY_ONLY.fullmatch(target):
        return home + target
    found = _LOCAL.fullmatch(target)
    if found is None or any(part in {".", ".."} for part in found.group(1).split("/")):
        return home
    # Other applications may be published on the same origin.
    return target if target.startswith(f"{prefix}/") else home

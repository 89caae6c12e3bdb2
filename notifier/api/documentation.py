"""The documentation of the API, which needs no key: the OpenAPI document, a page made of it, and a page per problem.

The page needs no script: it is made here, so it runs under our Content-Security-Policy and asks no other server.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from flask import Response, abort, current_app, jsonify, render_template, request
from flask_openapi.openapi import OpenAPI

from notifier.api.operation import NEEDS, Needs
from notifier.api.problems import PROBLEMS

_OPEN: Final = Needs(scope=None)

_METHODS: Final = ("get", "put", "post", "delete")


def init_app(app: OpenAPI) -> None:
    """Serve the documentation of `app`."""
    for rule, view in (("/openapi.json", document), ("/docs", docs), ("/problems/<code>", problem)):
        setattr(view, NEEDS, _OPEN)
        app.add_url_rule(rule, view_func=view)


def document() -> Response:
    """Return the OpenAPI document."""
    return jsonify(_api().api_doc)


def docs() -> str:
    """Show all operations, with what they take and answer."""
    spec = _api().api_doc
    return render_template("api/docs.html", spec=spec, resources=list(_by_tag(spec)), root=_root())


def problem(code: str) -> str:
    """Show what a problem is, and what to do."""
    kind = PROBLEMS.get(code)
    if kind is None:
        abort(404)
    return render_template("api/problem.html", problem=kind, root=_root())


class Shown(NamedTuple):
    """An operation on the page."""

    method: str
    path: str
    facts: Mapping[str, Any]
    scopes: list[str]
    #: The name of the schema of the body.
    body: str | None
    #: The media types of a body that is a file.
    files: list[str]


def _by_tag(spec: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], list[Shown]]]:
    for tag in spec["tags"]:
        yield tag, [each for each in _operations(spec) if tag["name"] in each.facts["tags"]]


def _operations(spec: Mapping[str, Any]) -> Iterator[Shown]:
    for path, item in spec["paths"].items():
        for method in _METHODS:
            if method in item:
                facts = item[method]
                scopes = [scope for each in facts["security"] for names in each.values() for scope in names]
                content = facts.get("requestBody", {}).get("content", {})
                body = _body(content)
                yield Shown(method.upper(), path, facts, scopes, body, [] if body else list(content))


def _body(content: Mapping[str, Any]) -> str | None:
    """Return the name of the schema of the body; None: there is no body, or it is a file."""
    schema: Mapping[str, str] = content.get("application/json", {}).get("schema", {})
    return schema["$ref"].rpartition("/")[2] if schema else None


def _root() -> str:
    """Return the path of our pages, without a slash at its end."""
    return request.script_root.removesuffix("/v1")


def _api() -> OpenAPI:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(app, OpenAPI)
    return app

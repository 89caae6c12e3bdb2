"""The strict gate: JSON that two readers could read in two ways stores nothing and is never repeated."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from notifier.models import Activity, Notification, User
from notifier.operators.scopes import Scope
from tests.api.conftest import Api, code_of, count, filled, mistakes_of, operations
from tests.support.one_database import database_url

__all__ = ["database_url"]

JSON = "application/json"
#: Occurs in every body that can hold it, and must occur in no answer.
HUSH = b"hush-hush"

#: What is sent, as what, and the code of the answer.
PROBES: list[tuple[str, bytes, str | None, str]] = [
    ("empty", b"", JSON, "invalid-json"),
    ("white space", b" \r\n\t", JSON, "invalid-json"),
    ("cut off", b'{"a": "hush-hush"', JSON, "invalid-json"),
    ("trailing comma", b'{"a": "hush-hush",}', JSON, "invalid-json"),
    ("single quotes", b"{'a': 'hush-hush'}", JSON, "invalid-json"),
    ("two documents", b'{"a": "hush-hush"} {}', JSON, "invalid-json"),
    ("comment", b'{"a": 1 /* hush-hush */}', JSON, "invalid-json"),
    ("leading zero", b'{"hush-hush": 01}', JSON, "invalid-json"),
    ("hexadecimal", b'{"hush-hush": 0x10}', JSON, "invalid-json"),
    ("NaN", b'{"hush-hush": NaN}', JSON, "invalid-json"),
    ("Infinity", b'{"hush-hush": Infinity}', JSON, "invalid-json"),
    ("-Infinity", b'{"hush-hush": -Infinity}', JSON, "invalid-json"),
    ("infinite by its exponent", b'{"hush-hush": 1e999}', JSON, "invalid-json"),
    ("a thousand digits", b'{"hush-hush": ' + b"9" * 1000 + b"}", JSON, "invalid-json"),
    ("a thousand decimals", b'{"hush-hush": 0.' + b"9" * 1000 + b"}", JSON, "invalid-json"),
    ("a key twice", b'{"a": "hush-hush", "a": 2}', JSON, "invalid-json"),
    ("a key twice, once escaped", b'{"a": "hush-hush", "\\u0061": 2}', JSON, "invalid-json"),
    ("a key twice, below", b'{"b": [{"a": "hush-hush", "a": 2}]}', JSON, "invalid-json"),
    ("escaped NUL", b'{"a": "hush-hush\\u0000"}', JSON, "invalid-json"),
    ("escaped NUL in a key", b'{"hush-hush\\u0000": 1}', JSON, "invalid-json"),
    ("NUL", b'{"a": "hush-hush\x00"}', JSON, "invalid-json"),
    ("line end in a text", b'{"a": "hush-hush\n"}', JSON, "invalid-json"),
    ("lone high surrogate", b'{"a": "hush-hush\\ud800"}', JSON, "invalid-json"),
    ("lone low surrogate", b'{"a": "hush-hush\\udc00"}', JSON, "invalid-json"),
    ("surrogates in the wrong order", b'{"a": "\\udc00\\ud800"}', JSON, "invalid-json"),
    ("surrogate in a key", b'{"hush-hush\\ud800": 1}', JSON, "invalid-json"),
    ("byte order mark", b'\xef\xbb\xbf{"a": "hush-hush"}', JSON, "invalid-json"),
    ("UTF-16", '{"a": "hush-hush"}'.encode("utf-16"), JSON, "invalid-json"),
    ("UTF-16 without a mark", '{"a": "hush-hush"}'.encode("utf-16-le"), JSON, "invalid-json"),
    ("UTF-32", '{"a": "hush-hush"}'.encode("utf-32"), JSON, "invalid-json"),
    ("Latin-1", '{"a": "hush-hush é"}'.encode("latin-1"), JSON, "invalid-json"),
    ("overlong UTF-8", b'{"a": "hush-hush \xc0\xaf"}', JSON, "invalid-json"),
    ("a surrogate in UTF-8", b'{"a": "hush-hush \xed\xa0\x80"}', JSON, "invalid-json"),
    ("65 levels", b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", JSON, "invalid-json"),
    ("20,000 levels of lists", b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", JSON, "invalid-json"),
    ("20,000 levels of objects", b'{"a":' * 20_000 + b"1" + b"}" * 20_000, JSON, "invalid-json"),
    ("20,000 levels that never end", b"[" * 20_000, JSON, "invalid-json"),
    ("a list", b'["hush-hush"]', JSON, "invalid"),
    ("a text", b'"hush-hush"', JSON, "invalid"),
    ("JSON in a text", b'"{}"', JSON, "invalid"),
    ("a number", b"1", JSON, "invalid"),
    ("null", b"null", JSON, "invalid"),
    ("plain text", b'{"a": "hush-hush"}', "text/plain", "unsupported-media-type"),
    ("no media type", b'{"a": "hush-hush"}', None, "unsupported-media-type"),
    ("a form", b"a=hush-hush", "application/x-www-form-urlencoded", "unsupported-media-type"),
    ("a form with files", b"--x--", "multipart/form-data; boundary=x", "unsupported-media-type"),
    ("another character set", b'{"a": 1}', "application/json; charset=latin-1", "unsupported-media-type"),
    ("a field that is not there", b'{"unknown": "hush-hush"}', JSON, "invalid"),
    ("an address as a field", b'{"hush-hush@example.com": 1}', JSON, "invalid"),
]  # fmt: skip


def with_body(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(method, filled(path)) for method, path, each in operations(spec) if "requestBody" in each]


def test_no_probe_passes_anywhere(client_with: Callable[..., Api], spec: Mapping[str, Any]) -> None:
    wrong, api = [], client_with(*Scope)
    for method, path in with_body(spec):
        for name, body, kind, expected in PROBES:
            headers = {"Authorization": f"Bearer {api.key}", "Idempotency-Key": "k"}
            more = {} if kind is None else {"content_type": kind}
            answer = api.client.open(f"/v1{path}", method=method, data=body, headers=headers, **more)
            if code_of(answer) != expected or HUSH in answer.data:
                wrong.append((method, path, name, answer.data))
    assert wrong == []
    assert [count(api.app, model) for model in (User, Notification, Activity)] == [0, 0, 0]


def test_there_are_probes_for_every_body(spec: Mapping[str, Any]) -> None:
    assert len(PROBES) >= 28
    assert ("POST", "/notifications") in with_body(spec)
    assert all(method in ("POST", "PUT") for method, _ in with_body(spec))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"a": "\\\\u0000"}', {"a": "\\u0000"}),
        ('{"a": ' + "[" * 63 + "]" * 63 + "}", None),
        (' {"a": 1.5e3}\r\n', {"a": 1500.0}),
    ],
)
def test_what_is_strict_passes(api: Api, text: str, read: Any) -> None:
    read = json.loads(text) if read is None else read
    body = '{"attributes": ' + text + "}"
    answer = api.client.put(
        "/v1/users/u1", data=body, content_type=JSON, headers={"Authorization": f"Bearer {api.key}"}
    )
    assert (answer.status_code, answer.get_json()["attributes"]) == (201, read)


def test_a_parameter_that_is_there_twice_is_refused(api: Api) -> None:
    assert mistakes_of(api("GET", "/users?limit=1&limit=2")) == {"limit": "twice"}
    assert mistakes_of(api("GET", "/users?hush%20hush=1&hush%20hush=1")) == {"": "twice"}


def test_a_parameter_that_no_operation_knows_is_refused(
    client_with: Callable[..., Api], spec: Mapping[str, Any]
) -> None:
    """Otherwise `dry_run`, which an import has, would change what it seems to spare."""
    api, wrong = client_with(*Scope), []
    for method, path, each in operations(spec):
        bodies = each.get("requestBody", {}).get("content", {})
        query = {"kind": "people"} if "text/csv" in bodies else {}
        answer = api.client.open(
            f"/v1{filled(path)}", method=method, data=b"{}" if bodies else None, content_type=JSON if bodies else None,
            headers={"Authorization": f"Bearer {api.key}", "Idempotency-Key": "k"},
            query_string=query | {"pretend": "true"},
        )  # fmt: skip
        if answer.status_code != 422 or mistakes_of(answer).get("pretend") != "extra-forbidden":
            wrong.append((method, path, answer.status_code, answer.data))
    assert wrong == []
    assert api("GET", "/docs?utm_source=x").status_code == 200


@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=UTF-8"])
def test_utf_8_may_be_named(api: Api, charset: str) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    answer = api.client.put("/v1/users/u1", data=b"{}", content_type=JSON + charset, headers=headers)
    assert answer.status_code == 201


def test_a_body_that_is_packed_is_not_read(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}", "Content-Encoding": "gzip"}
    answer = api.client.put("/v1/users/u1", data=gzip.compress(b"{}"), content_type=JSON, headers=headers)
    assert (answer.status_code, code_of(answer)) == (415, "unsupported-media-type")


def test_a_body_that_is_too_large_is_not_read(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.key}"}
    body = b'{"name": "' + b"a" * (256 * 1024) + b'"}'
    answer = api.client.put("/v1/users/u1", data=body, content_type=JSON, headers=headers)
    assert (answer.status_code, code_of(answer)) == (413, "too-large")
    assert "262,144 bytes" in answer.get_json()["detail"]

"""The OpenAPI document: valid, complete, served to everyone, and never changed in a way that breaks a client."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from notifier.api.gate import largest_body
from notifier.api.mounting import KEY, LARGEST_BODY
from notifier.api.operation import NEEDS
from notifier.api.problems import PROBLEMS
from notifier.app import ready
from tests.api.conftest import Api, operations
from tests.support.one_database import database_url
from tests.support.spec_changes import breaking

__all__ = ["database_url"]

STORED = Path(__file__).parents[1] / "data" / "api" / "openapi.json"
DOCS = Path(__file__).parents[2] / "docs"


def test_it_is_valid(spec: Mapping[str, Any]) -> None:
    assert spec["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(dict(spec)).iter_errors()) == []


def test_every_operation_documents_its_answers(spec: Mapping[str, Any]) -> None:
    wrong = []
    for method, path, each in operations(spec):
        statuses = set(each["responses"])
        expected = {"400", "401", "403", "422", "429", "500", "503"}
        expected |= {"413", "415"} if "requestBody" in each else set()
        expected |= {"404"} if "{" in path else set()
        success = [status for status in statuses if status.startswith("2")]
        if not expected <= statuses or not success or not each.get("summary"):
            wrong.append((method, path, sorted(expected - statuses)))
    assert wrong == []


def test_the_operations_have_names_of_their_own(spec: Mapping[str, Any]) -> None:
    names = [each["operationId"] for _, _, each in operations(spec)]
    assert len(names) == len(set(names))


def test_the_stored_copy_is_the_document(spec: Mapping[str, Any]) -> None:
    """UPDATE_DOCS=1 stores it anew, once nothing in it breaks a client."""
    text = json.dumps(spec, indent=1, sort_keys=True) + "\n"
    assert breaking(json.loads(STORED.read_text()), spec) == []
    if os.environ.get("UPDATE_DOCS"):
        STORED.write_text(text)
    assert STORED.read_text() == text


def path_gone(spec: Any) -> None:
    del spec["paths"]["/users"]


def operation_gone(spec: Any) -> None:
    del spec["paths"]["/users/{external_id}"]["get"]


def field_gone(spec: Any) -> None:
    del spec["components"]["schemas"]["AskedAnswer"]["properties"]["key"]


def field_of_a_body_gone(spec: Any) -> None:
    del spec["components"]["schemas"]["EmailBody"]["properties"]["until"]


def field_needed(spec: Any) -> None:
    spec["components"]["schemas"]["UserBody"]["required"] = ["email"]


def field_may_be_missing(spec: Any) -> None:
    spec["components"]["schemas"]["UserAnswer"]["required"].remove("email")


def value_gone(spec: Any) -> None:
    spec["components"]["schemas"]["Status"]["enum"].remove("sent")


def shorter(spec: Any) -> None:
    spec["components"]["schemas"]["UserBody"]["properties"]["name"]["maxLength"] = 10


def parameter_needed(spec: Any) -> None:
    spec["paths"]["/users"]["get"]["parameters"][0]["required"] = True


def another_scope(spec: Any) -> None:
    spec["paths"]["/users"]["get"]["security"] = [{"apiKey": ["users:write"]}]


def another_status(spec: Any) -> None:
    answers = spec["paths"]["/notifications"]["post"]["responses"]
    answers["202"] = answers.pop("201")


@pytest.mark.parametrize(
    "change",
    [
        path_gone, operation_gone, field_gone, field_of_a_body_gone, field_needed, field_may_be_missing, value_gone,
        shorter, parameter_needed, another_scope, another_status,
    ],
)  # fmt: skip
def test_a_breaking_change_is_found(change: Any) -> None:
    old = json.loads(STORED.read_text())
    new = deepcopy(old)
    change(new)
    assert breaking(old, new) != []


def test_an_addition_breaks_nothing() -> None:
    old = json.loads(STORED.read_text())
    new = deepcopy(old)
    new["paths"]["/more"] = new["paths"]["/users"]
    new["components"]["schemas"]["UserBody"]["properties"]["nickname"] = {"type": "string"}
    new["components"]["schemas"]["UserAnswer"]["properties"]["nickname"] = {"type": "string"}
    new["components"]["schemas"]["UserAnswer"]["required"].append("nickname")
    assert breaking(old, new) == []


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", *(f"/problems/{code}" for code in PROBLEMS)])
def test_the_documentation_needs_no_key(app: Flask, path: str) -> None:
    answer = Api(app, None)("GET", path)
    assert answer.status_code == 200
    assert b"<script" not in answer.data
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_page_names_every_operation_and_shape(app: Flask, spec: Mapping[str, Any]) -> None:
    page = Api(app, None)("GET", "/docs").get_data(as_text=True)
    assert [path for method, path, _ in operations(spec) if f"{method} {path}" not in page] == []
    assert [name for name in spec["components"]["schemas"] if f'id="schema-{name}"' not in page] == []


def test_what_takes_a_body_says_so(app: Flask, spec: Mapping[str, Any]) -> None:
    """The probes of the gate, and programs made from the document, send bodies where it has them."""
    views = cast("Flask", ready(app).extensions[KEY].ready()).view_functions.items()
    taking = {name.rpartition(".")[2] for name, view in views if getattr(view, NEEDS).takes_body}
    assert {each["operationId"] for _, _, each in operations(spec) if "requestBody" in each} == taking
    assert set(spec["paths"]["/imports"]["post"]["requestBody"]["content"]) == {"text/csv", "application/json"}
    page = Api(app, None)("GET", "/docs").get_data(as_text=True)
    assert "Body: a file, as <code>" in page


def test_the_docs_tell_every_problem() -> None:
    """UPDATE_DOCS=1 writes the page anew."""
    page, begin = DOCS / "errors.md", "\n## "
    head = page.read_text().partition(begin)[0]
    told = "".join(f"{begin}{kind.code}\n\n{kind.status}. {kind.title} {kind.cure}\n" for kind in PROBLEMS.values())
    if os.environ.get("UPDATE_DOCS"):
        page.write_text(head + told)
    assert page.read_text() == head + told


def test_the_largest_body_is_known_before_the_api_is_built(app: Flask) -> None:
    assert largest_body(cast("Flask", ready(app).extensions[KEY].ready())) == LARGEST_BODY


def test_the_api_is_built_when_it_is_asked_and_once(make_app: Callable[..., Flask]) -> None:
    """Workers and commands never ask it: they carry neither its library nor its models."""
    app = ready(make_app(publish=lambda keys, bulk: True))
    api = app.extensions[KEY]
    assert api._built is None
    assert app.test_client().get("/v1/openapi.json").status_code == 200
    built = api.ready()
    assert app.test_client().get("/v1/docs").status_code == 200
    assert api.ready() is built


@pytest.mark.parametrize("module", ["flask_openapi", "flask_admin", "flask_limiter", "flask_wtf", "alembic"])
def test_a_process_that_serves_nothing_loads_neither_api_nor_pages(module: str) -> None:
    program = f"import sys, notifier.wsgi; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""One event is one line of JSON, for any text that people and servers send."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner
from flask import Flask

from notifier.cli.main import build
from notifier.extensions import db
from notifier.observability import logs
from notifier.security.tokens import Signer
from notifier.smtp.classify import classify
from notifier.smtp.outcome import Phase
from notifier.smtp.replies import parse_reply
from notifier.testing.browse import Visitor

CASES = json.loads((Path(__file__).parent.parent / "data" / "log_injection.json").read_text())

#: Characters of a line: some values of 2,000 characters, each of which may need six, and a traceback of 8,000.
LONGEST = 100_000


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log to a file as a process in production does. Returns what reads its events, and checks its lines."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    logs.configure(logging.DEBUG, file=tmp_path / "log")

    def read() -> list[dict[str, Any]]:
        said = (tmp_path / "log").read_bytes()
        assert said.isascii()
        assert not set(said) & ({*range(32), 127} - {10}), "a control character"
        lines = said.decode().splitlines()
        assert max(map(len, lines), default=0) <= LONGEST
        return [json.loads(line) for line in lines]

    yield read
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


@pytest.fixture
def crashing(sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application whose pages of a token fail with it in the text of the error."""

    def crash(_signer: Signer, token: str, *_: object, **__: object) -> None:
        raise LookupError(f"no token {token}")

    monkeypatch.setattr(Signer, "read_verification", crash)
    sqlite_app.config |= {"TESTING": False, "PROPAGATE_EXCEPTIONS": False}
    return sqlite_app


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_an_event_is_one_line_through_every_door(
    crashing: Flask, log: Callable[[], list[dict[str, Any]]], case: dict[str, Any]
) -> None:
    text: str = case["input"]
    visitor, header = Visitor(crashing), " ".join(text.splitlines())[:4000].encode().decode("latin-1")
    doors = (
        lambda: visitor.sign_up("ada@example.com", text),
        lambda: visitor.sign_up(f"ada{text}@example.com"),
        lambda: visitor.get("/signup", headers={"User-Agent": header, "Referer": header}),
        lambda: visitor.client.get("/signup", headers={"Host": header}),
        lambda: visitor.get("/nowhere", query_string={"q": text}),
    )
    for door in doors:
        before = len(log())
        door()
        new = log()[before:]
        assert [event["event"] for event in new if event["event"] == "request"], "the request has its event"
    path = f"/verify/{text[:4000]}".encode().decode("latin-1")
    answer = visitor.client.get("/verify/x", base_url="http://notifier.test", environ_overrides={"PATH_INFO": path})
    assert answer.status_code in (404, 500)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_what_a_server_or_a_library_says_is_one_line(
    sqlite_app: Flask, log: Callable[[], list[dict[str, Any]]], case: dict[str, Any]
) -> None:
    text: str = case["input"]
    before = len(log())
    outcome = classify(Phase.RCPT, parse_reply(b"550 " + text.encode("utf-8", "replace").replace(b"\n", b" ")))
    structlog.get_logger("one").warning("mail.refused", text=outcome.text, raw=text, listed=[text, {"x": text}])
    logging.getLogger("werkzeug").warning("said %s", text)
    logging.getLogger(text[:50]).warning(text)
    with suppress(LookupError):
        _raise_logged(text)
    said = log()[before:]
    assert len(said) == 4
    assert said[0]["event"] == "mail.refused"
    assert len(said[0]["raw"]) <= logs.MAX_VALUE + 60
    assert len(str(said[0]["listed"])) <= logs.MAX_VALUE * 2
    with sqlite_app.app_context():
        result = CliRunner().invoke(
            build(lambda: sqlite_app), ["campaign", "create", "x", "--kind", "announcement", "--set", f"title={text}"]
        )
        db.session.rollback()
    assert "\x1b" not in result.output
    log()


def _raise_logged(text: str) -> None:
    try:
        raise LookupError(text)
    except LookupError:
        structlog.get_logger("one").exception("it.broke", text=text)
        raise


def test_delete_is_escaped_too(log: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.get_logger("one").warning("x", text="a\x7fb")
    assert log()[-1]["text"] == "a\x7fb"

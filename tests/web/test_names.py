"""Names from the signup form to the bytes on the wire: never a header that is not ours."""

import json
import shutil
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask

from notifier.app import create_app
from notifier.extensions import db
from tests.conftest import make_settings
from tests.support.browse import Visitor
from tests.support.smtp_server import SmtpServer

DATA = Path(__file__).parent.parent / "data"

OURS = {
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted",
}  # fmt: skip


@pytest.fixture(scope="module")
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture(scope="module")
def app(smtp: SmtpServer, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    path = tmp_path_factory.mktemp("names") / "notifier.db"
    shutil.copy(migrated_sqlite, path)
    settings = make_settings(
        database_url=f"sqlite:///{path}", mail_server=smtp.host, mail_port=smtp.port, mail_suppress_send=False
    )
    app = create_app(settings)
    yield app
    app.extensions["notifier.transport"].close()
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("case", json.loads((DATA / "header_text.json").read_text()), ids=lambda case: case["id"])
def test_any_text_as_a_name(app: Flask, smtp: SmtpServer, case: dict[str, Any]) -> None:
    app.extensions["celery"].conf.task_always_eager = True
    smtp.accepted.clear()
    address = f"{case['id']}@example.com"
    visitor = Visitor(app)
    text = case["input"].encode("utf-8", "surrogatepass")
    answer = visitor.post("/signup", {"csrf_token": visitor.token("/signup"), "email": address, "display_name": text})
    assert answer.status_code in {303, 400}
    if answer.status_code == 400:
        assert case["expect"] != "literal" or len(case["input"]) > 64, "a harmless name was refused"
        assert smtp.accepted == []
        return
    (mail,) = smtp.accepted
    assert mail.rcpt_to == (address,)
    head = mail.data.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.data.replace(b"\r\n", b"")
    assert b"\r" not in mail.data.replace(b"\r\n", b"")
    parsed = cast("EmailMessage", message_from_bytes(mail.data, policy=default))
    assert sorted(parsed.keys()) == sorted(OURS)
    assert [str(person.addr_spec) for person in parsed["To"].addresses] == [address]
    if case["field"] == "display_name" and case["decoded"]:
        assert parsed["To"].addresses[0].display_name == case["decoded"]

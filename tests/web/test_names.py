"""Names from the signup form to the bytes on the wire: never a header that is not ours."""

import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask
from sqlalchemy import select, update

from notifier import clock, ledger
from notifier.app import create_app
from notifier.database.expressions import number_of
from notifier.extensions import db
from notifier.models import User
from notifier.services import services_of
from notifier.testing.browse import Visitor
from notifier.testing.smtp_server import Accepted, SmtpServer
from tests.support.applications import make_settings

DATA = Path(__file__).parent.parent / "data"

OURS = {
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted", "X-Notifier-Id",
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
    services_of(app).transports.primary.close()
    with app.app_context():
        db.engine.dispose()


CASES = json.loads((DATA / "header_text.json").read_text())
FOUND = json.loads((DATA / "found.json").read_text())
NAMES = [case for suite in ("display_name", "display_name_blank") for case in FOUND[suite]["cases"]]


def sign_up(app: Flask, case: dict[str, Any]) -> tuple[str, int]:
    """The address, and the answer of the form to this name."""
    address = f"{case['id']}@example.com"
    visitor = Visitor(app)
    text = case["input"].encode("utf-8", "surrogatepass")
    answer = visitor.post("/signup", {"csrf_token": visitor.token("/signup"), "email": address, "display_name": text})
    assert answer.status_code in {303, 400}
    return address, answer.status_code


def harmless(mail: Accepted, address: str) -> EmailMessage:
    """The mail as its reader's program has it; it has our headers and no other."""
    assert mail.rcpt_to == (address,)
    head = mail.data.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert max(map(len, mail.data.split(b"\r\n"))) <= 998
    assert b"\n" not in mail.data.replace(b"\r\n", b"")
    assert b"\r" not in mail.data.replace(b"\r\n", b"")
    parsed = cast("EmailMessage", message_from_bytes(mail.data, policy=default))
    assert sorted(parsed.keys()) == sorted(OURS)
    assert [str(person.addr_spec) for person in parsed["To"].addresses] == [address]
    return parsed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_any_text_as_the_name_of_somebody_who_confirmed(app: Flask, smtp: SmtpServer, case: dict[str, Any]) -> None:
    services_of(app).celery.conf.task_always_eager = True
    smtp.accepted.clear()
    address, status = sign_up(app, case)
    if status == 400:
        assert case["expect"] != "literal" or len(case["input"]) > 64, "a harmless name was refused"
        assert smtp.accepted == []
        return
    with app.app_context():
        db.session.execute(update(User).where(User.email == address).values(verified_at=clock.now()))
        db.session.commit()
    sign_up(app, case | {"input": ""})  # "you already have an account"
    unconfirmed, mail = smtp.accepted
    assert harmless(unconfirmed, address)["To"] == address
    parsed = harmless(mail, address)
    if case["field"] == "display_name" and case["decoded"]:
        assert parsed["To"].addresses[0].display_name == case["decoded"]


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case["id"])
def test_a_name_reaches_nobody_who_did_not_confirm(app: Flask, smtp: SmtpServer, case: dict[str, Any]) -> None:
    """The names of found.json, in verification and reminder emails: no header and no part of a body has a trace."""
    services_of(app).celery.conf.task_always_eager = True
    smtp.accepted.clear()
    address, status = sign_up(app, case)
    if case["id"].startswith("display_name_blank"):
        assert status == 303
        with app.app_context():
            assert db.session.scalar(select(User.display_name).where(User.email == address)) == ""
    if status == 303:
        remind(app, address)
    assert len(smtp.accepted) == (2 if status == 303 else 0)
    for mail in smtp.accepted:
        parsed = harmless(mail, address)
        assert parsed["To"] == address
        texts = [str(part.get_content()) for part in parsed.walk() if not part.is_multipart()]
        assert all("Hello,\r\n" in text or "Hello,</p>" in text for text in texts)
        for word in re.findall(r"[^\s?@]{4,}", case["input"]):
            assert not any(word in text for text in (mail.data.decode(), str(parsed["Subject"]), *texts))


def remind(app: Flask, address: str) -> None:
    """A reminder to this person, due now."""
    with app.app_context():
        user = db.session.scalars(select(User).where(User.email == address)).one()
        ledger.add(
            db.session(),
            kind="verification_reminder",
            user=user,
            dedupe_key=f"reminder:{user.id}",
            now=clock.now(),
            grace=timedelta(0),
            params={"send_at": number_of(clock.now())},
        )
        db.session.commit()

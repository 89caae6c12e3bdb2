"""The real Flask-Security-Too beside an embedded notifier: its emails are rows, and their secrets do not stay."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from flask_security import RoleMixin, Security, SQLAlchemyUserDatastore, UserMixin
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Column, DateTime, ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from notifier import retention, sqlite
from notifier.contrib.flask_security import MailUtil
from notifier.embedding import Notifier, UserFields
from notifier.extensions import db as our_db
from notifier.models import Notification, Status
from notifier.rendering.previews import PreviewError
from notifier.services import services_of
from notifier.testing.inline import Inline
from notifier.testing.mail_server import BUSY, FakeMailServer

PASSWORD = "correct horse battery"


class Host:
    """An application with Flask-Security-Too: new classes each time, because hooks belong to classes."""

    def __init__(self, url: str, folder: Path) -> None:
        class Base(DeclarativeBase):
            pass

        self.db = SQLAlchemy(model_class=Base)
        self.User, role = _models(self.db)
        self.notifier = Notifier()
        self.notifier.user(self.User, watch=("email", "confirmed_at"))(self._fields)
        self.app = Flask("host", instance_path=str(folder))
        self.app.config |= {
            "TESTING": True,
            "SECRET_KEY": "the host's key",
            "SECURITY_PASSWORD_SALT": "salt",
            "SECURITY_PASSWORD_HASH": "plaintext",
            "SECURITY_PASSWORD_SCHEMES": ["plaintext"],
            "SECURITY_REGISTERABLE": True,
            "SECURITY_RECOVERABLE": True,
            "SECURITY_CONFIRMABLE": True,
            "SECURITY_CHANGE_EMAIL": True,
            "SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": False},
            "SECURITY_USE_REGISTER_V2": True,
            "SQLALCHEMY_DATABASE_URI": url,
            "WTF_CSRF_ENABLED": False,
        }
        self.db.init_app(self.app)
        datastore = SQLAlchemyUserDatastore(self.db, self.User, role)
        self.security = Security(self.app, datastore, mail_util_cls=MailUtil)
        with self.app.app_context():
            sqlite.prepare(self.db.engine)
            self.db.create_all()
        self.notifier.init_app(self.app, session=self.db.session, mount="/mail")

    def _fields(self, user: Any) -> UserFields:
        return UserFields(id=user.id, email=user.email, verified_at=user.confirmed_at)

    def rows(self) -> list[Notification]:
        """What another session sees: only what is committed."""
        with self.app.app_context(), Session(self.db.engine) as session:
            return list(session.scalars(select(Notification).order_by(Notification.id)))

    def close(self) -> None:
        with self.app.app_context():
            self.db.session.remove()
            self.db.drop_all()
            self.db.engine.dispose()


def _models(db: SQLAlchemy) -> tuple[Any, Any]:
    roles_users = db.Table(
        "roles_users", Column("user_id", ForeignKey("users.id")), Column("role_id", ForeignKey("roles.id"))
    )

    class Role(db.Model, RoleMixin):  # type: ignore[name-defined,misc]
        __tablename__ = "roles"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)

    class User(db.Model, UserMixin):  # type: ignore[name-defined,misc]
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(unique=True)
        password: Mapped[str | None]
        active: Mapped[bool] = mapped_column(default=True)
        fs_uniquifier: Mapped[str] = mapped_column(unique=True)
        confirmed_at = mapped_column(DateTime(timezone=True))
        roles = relationship(Role, secondary=roles_users)

    return User, Role


@pytest.fixture
def host(database_url: str, tmp_path: Path) -> Iterator[Host]:
    made = Host(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def emails(host: Host) -> Iterator[FakeMailServer]:
    """What would be sent, right after each commit."""
    inline = Inline().attach(host.notifier.app)
    yield FakeMailServer().attach(host.notifier.app)
    inline.raise_errors()


@pytest.fixture
def visitor(host: Host) -> FlaskClient:
    return host.app.test_client()


def register(visitor: FlaskClient, email: str = "ada@example.com") -> None:
    form = {"email": email, "password": PASSWORD, "password_confirm": PASSWORD}
    answer = visitor.post("/register", data=form)
    assert answer.status_code == 302, answer.text


def link(text: str, path: str) -> str:
    [found] = set(re.findall(rf"http://localhost({path}/\S+)", text))
    return str(found)


def test_a_sign_up_is_confirmed_by_the_link_in_a_row_of_ours(
    host: Host, emails: FakeMailServer, visitor: FlaskClient
) -> None:
    register(visitor)
    [email] = emails.to("ada@example.com")
    assert email.subject == "Welcome"
    assert [(row.kind, row.status) for row in host.rows()] == [("security_message", Status.sent)]
    assert "http://localhost/confirm/" in email.html
    assert visitor.get(link(email.text, "/confirm")).status_code == 302
    with host.app.app_context():
        assert host.db.session.scalars(select(host.User.confirmed_at)).one() is not None


def test_a_reset_goes_out_although_its_view_commits_nothing(
    host: Host, emails: FakeMailServer, visitor: FlaskClient, frozen: time_machine.Traveller
) -> None:
    register(visitor)
    visitor.get(link(emails.sent[0].text, "/confirm"))
    visitor.post("/logout")
    emails.forget()
    visitor.post("/reset", data={"email": "ada@example.com"})
    [email] = emails.sent
    assert email.subject == "Password reset instructions"
    new = "another horse entirely"
    visitor.post(link(email.text, "/reset"), data={"password": new, "password_confirm": new})
    assert [each.subject for each in emails.sent] == ["Password reset instructions", "Your password has been reset"]
    row = host.rows()[1]
    assert row.deadline == row.created_at + timedelta(days=1)


def test_no_link_can_be_read_in_the_database_or_the_admin(
    host: Host, emails: FakeMailServer, visitor: FlaskClient
) -> None:
    register(visitor)
    address = link(emails.sent[0].text, "/confirm")
    [row] = host.rows()
    stored = json.dumps(row.params)
    assert address.rpartition("/")[2] not in stored
    assert "http" not in stored
    with host.notifier.app.app_context(), pytest.raises(PreviewError, match="holds secrets"):
        services_of(host.notifier.app).previews.of(our_db.session(), row.id)


def test_what_was_sent_is_deleted_and_what_waits_is_kept(
    host: Host, emails: FakeMailServer, visitor: FlaskClient
) -> None:
    register(visitor)
    emails.answer = BUSY
    register(host.app.test_client(), "bo@example.com")
    with host.notifier.app.app_context():
        assert retention.purge(our_db.session)["secrets"] == 1
        assert retention.purge(our_db.session)["secrets"] == 0
    assert ["sealed" in row.params for row in host.rows()] == [False, True]


def test_a_request_that_fails_sends_nothing(host: Host, emails: FakeMailServer, visitor: FlaskClient) -> None:
    host.app.config["PROPAGATE_EXCEPTIONS"] = False

    @host.app.post("/fails")
    def fails() -> str:
        user = host.security.datastore.create_user(email="eve@example.com", password="-")
        MailUtil(host.app).send_mail("x", "Subject", user.email, "", "text", None, user=user)
        raise RuntimeError("a fault of the host")

    assert visitor.post("/fails").status_code == 500
    assert (host.rows(), emails.sent) == ([], [])


def test_a_new_address_is_asked_at_that_address(host: Host, emails: FakeMailServer, visitor: FlaskClient) -> None:
    register(visitor)
    visitor.get(link(emails.sent[0].text, "/confirm"))
    visitor.post("/login", data={"email": "ada@example.com", "password": PASSWORD})
    emails.forget()
    visitor.post("/change-email", data={"email": "augusta@example.com"})
    assert [email.recipient for email in emails.sent] == ["augusta@example.com"]


def test_an_address_without_a_user_has_no_row(host: Host, emails: FakeMailServer) -> None:
    with host.app.app_context():
        MailUtil(host.app).send_mail("x", "Subject", "eve@example.com", "", "text", None)
    assert host.rows() == []


@pytest.mark.parametrize(
    "html", [None, "<html><head><style>p{}</style></head><body class=a><p>One &amp; two</p></body>"]
)
def test_each_body_stands_in_for_the_other(host: Host, emails: FakeMailServer, html: str | None) -> None:
    with host.app.app_context():
        user = host.security.datastore.create_user(email="ada@example.com", password="-")
        text = None if html else "One & two"
        MailUtil(host.app).send_mail("x", "Subject", ("Ada", user.email), "", text, html, user=user)
        host.db.session.commit()
    [email] = emails.sent
    assert "One & two" in email.text
    assert "One &amp; two" in email.html
    assert email.html.count("<body") == 1

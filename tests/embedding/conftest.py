"""An application that embeds notifier: its own users, likes, `db` and commits, on both databases."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, Engine, ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from notifier import clock, sqlite
from notifier.embedding import Notifier, UserFields
from notifier.models import User as Mirrored
from notifier.services import services_of
from notifier.testing.mail_server import FakeMailServer


class Host:
    """A host: new classes each time, because hooks belong to classes."""

    def __init__(self, url: str, folder: Path, reader: Any = None, **options: Any) -> None:
        class Base(DeclarativeBase):
            pass

        self.db = SQLAlchemy(model_class=Base)
        self.base = self.db.Model
        self.User, self.Like = _models(self.db.Model)
        self.notifier = Notifier(**options)
        self.reads = 0
        self.app = Flask("host", instance_path=str(folder))
        self.app.config["SQLALCHEMY_DATABASE_URI"] = url
        # No thread beside the pages, whose connections would outlive the test.
        self.app.config["NOTIFIER_STATUS_CHECK_INTERVAL"] = 0
        self.notifier.user(self.User, watch=("email", "name", "confirmed_at"))(reader or self.fields)

    def fields(self, user: Any) -> UserFields:
        self.reads += 1
        return UserFields(id=user.id, email=user.email, name=user.name, verified_at=user.confirmed_at)

    def start(self, **options: Any) -> None:
        self.db.init_app(self.app)
        with self.app.app_context():
            sqlite.prepare(self.db.engine)
            self.db.create_all()
        self.notifier.init_app(self.app, session=self.db.session, **options)

    @property
    def engine(self) -> Engine:
        with self.app.app_context():
            return self.db.engine

    def add(self, email: str | None = "ada@example.com", name: str = "Ada", **values: Any) -> Any:
        """Store a user, and commit."""
        user = self.User(email=email, name=name, **values)
        self.db.session.add(user)
        self.db.session.commit()
        return user

    def stored(self, query: Any) -> list[Any]:
        """What another session sees: only what is committed."""
        with Session(self.engine) as session:
            return list(session.scalars(query))

    def mirrored(self) -> dict[str, Mirrored]:
        """The people whom notifier knows, by external id."""
        return {str(row.external_id): row for row in self.stored(select(Mirrored))}

    def close(self) -> None:
        with self.app.app_context():
            self.db.session.remove()
            self.db.drop_all()
            self.db.engine.dispose()


def deliver(host: Host, key: int) -> FakeMailServer:
    """Send this email of the ledger, and return what took it."""
    server = FakeMailServer().attach(host.notifier.app)
    with host.notifier.app.app_context():
        services_of(host.notifier.app).sender.deliver([key])
    return server


def links_of(host: Host, email: str = "ada@example.com") -> dict[str, str]:
    """Store a user of the host; return the paths of the links in emails to them, and the address of the front page."""
    with host.app.app_context():
        key = str(host.add(email).id)
    mirrored = host.mirrored()[key]
    links = services_of(host.notifier.app).links
    about: Any = {"user_id": mirrored.id, "identity_key": mirrored.identity_key, "issued_at": clock.now()}
    made = {
        "verify": links.verify(nonce=mirrored.link_nonce, **about),
        "not_me": links.not_me(nonce=mirrored.link_nonce, **about),
        "unsubscribe": links.unsubscribe(category="report", notification_id=None, **about),
        "preferences": links.preferences(notification_id=None, **about),
    }
    assert {link.removesuffix(urlsplit(link).path) + "/" for link in made.values()} == {origin_of(links.base)}
    return {name: urlsplit(link).path for name, link in made.items()} | {"home": links.home()}


def origin_of(url: str) -> str:
    """Scheme and host of an address, with a slash."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def form_of(host: Host) -> str:
    """The path of a page with a form, and so a token, for everyone: the preferences of a new user of the host."""
    return links_of(host, "reader@example.com")["preferences"]


def _models(base: Any) -> tuple[Any, Any]:
    class User(base):  # type: ignore[misc]
        __tablename__ = "users"
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str | None]
        name: Mapped[str] = mapped_column(default="")
        confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
        last_seen: Mapped[int] = mapped_column(default=0)

    class Like(base):  # type: ignore[misc]
        __tablename__ = "likes"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
        note: Mapped[str] = mapped_column(default="")
        owner: Mapped[User | None] = relationship()

    # Annotations of local classes are texts that the mapper cannot resolve otherwise.
    return User, Like


@pytest.fixture
def make_host(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Build hosts on the test's database, which has notifier's tables."""
    hosts: list[Host] = []

    def make(**options: Any) -> Host:
        host = Host(database_url, tmp_path, **options)
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def host(make_host: Callable[..., Host]) -> Iterator[Host]:
    """A started host, with its context pushed."""
    made = make_host()
    made.start()
    with made.app.app_context():
        yield made

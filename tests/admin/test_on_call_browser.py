"""An operator on call, in a real browser under the strict policy: each fault is named within 10 s, and then gone."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import delete

from notifier import clock
from notifier.dev.ports import free_port
from notifier.extensions import db
from notifier.models import Heartbeat, ProviderHold, Role
from notifier.observability import heartbeats
from notifier.tasks import broker_probe
from notifier.tasks.queues import ALL_QUEUES, CONTROL
from notifier.testing.operators import PASSWORD
from notifier.testing.servers.valkey import ValkeyServer
from notifier.testing.website import serving
from tests.support.browser import browser
from tests.support.browser import page as browsing
from tests.support.looking import look

__all__ = ["browser"]

# A browser that leaves a page hangs up in the middle of a file, which the development server leaves to the collector.
pytestmark = [pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"), pytest.mark.timeout(300)]

#: Milliseconds in which a person on call must see what is wrong.
SOON = 10_000
#: Milliseconds in which it is gone: a question to the server that hung may still wait for its answer.
GONE = 20_000


class MailServer:
    """Greets, or takes connections and says nothing."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.hangs = False
        self.open: list[socket.socket] = []

    def serve(self) -> None:
        """Until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            if not self.hangs:
                connection.sendall(b"220 mail.example ESMTP\r\n")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    server = MailServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield server
    server.listener.shutdown(socket.SHUT_RDWR)
    server.listener.close()
    thread.join()
    for connection in server.open:
        connection.close()


@pytest.fixture
def broker() -> Iterator[ValkeyServer]:
    with ValkeyServer(own=True) as server:
        yield server


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The queues that the worker says that it reads."""
    read = set(ALL_QUEUES)
    monkeypatch.setattr(broker_probe, "read_by_workers", lambda _celery: {"mail@here": read})
    return read


def beat(app: Flask, ago: timedelta = timedelta(0)) -> None:
    with app.app_context():
        for name in heartbeats.CHORES:
            db.session.merge(Heartbeat(name=name, at=clock.now() - ago))
        db.session.commit()


@pytest.mark.parametrize("width", [1280, 360])
def test_each_fault_is_named_on_every_page_and_is_gone_when_it_is_well(
    width: int, make_app: Callable[..., Flask], make_operator: Callable[..., int], browser: Browser,
    broker: ValkeyServer, mail_server: MailServer, queues: set[str],
) -> None:  # fmt: skip
    port = free_port()
    make_operator(Role.viewer)
    app = make_app(
        public_url=f"http://127.0.0.1:{port}", redis_url=broker.url, status_check_interval=1,
        mail_server="127.0.0.1", mail_port=mail_server.listener.getsockname()[1],
    )  # fmt: skip
    beat(app)
    site = f"http://127.0.0.1:{port}/admin"
    with serving(app, port), browsing(browser, width=width) as person:
        person.set_default_timeout(20_000)
        sign_in(person, site)
        banner = person.locator(".banner")
        expect(banner).to_have_count(0)
        look(person, f"on-call-well-{width}")

        broker.pause()
        try:
            named(person, "The broker does not answer.", f"on-call-broker-{width}")
        finally:
            broker.cont()
        expect(banner).to_have_count(0, timeout=GONE)

        mail_server.hangs = True
        person.goto(f"{site}/people/")
        named(person, "The mail server does not answer.", f"on-call-mail-server-{width}")
        mail_server.hangs = False
        expect(banner).to_have_count(0, timeout=GONE)

        hold(app)
        person.goto(f"{site}/held/")
        named(person, "Microsoft refuses our emails.", f"on-call-provider-{width}")
        expect(person.get_by_text("5.7.515 Access denied")).to_be_visible()
        with app.app_context():
            db.session.execute(delete(ProviderHold))
            db.session.commit()
        expect(banner).to_have_count(0, timeout=GONE)
        expect(person.get_by_text("Nothing is held")).to_be_visible(timeout=GONE)

        queues.discard(CONTROL)
        beat(app, timedelta(minutes=10))
        person.goto(f"{site}/tasks/")
        named(person, "No worker reads the queue notifier.control.", f"on-call-queue-{width}")
        person.goto(f"{site}/health/")
        expect(person.get_by_text("2 other checks fail because of it")).to_be_visible()
        look(person, f"on-call-health-{width}")
        queues.add(CONTROL)
        beat(app)
        expect(banner).to_have_count(0, timeout=GONE)


def sign_in(person: Page, site: str) -> None:
    person.goto(f"{site}/")
    person.get_by_label("Email address").fill("viewer@example.com")
    person.get_by_label("Password").fill(PASSWORD)
    person.get_by_role("button", name="Sign in").click()
    expect(person.get_by_role("heading", name="Dashboard")).to_be_visible()


def named(person: Page, cause: str, name: str) -> None:
    expect(person.locator(".banner strong").first).to_have_text(cause, timeout=SOON)
    look(person, name)


def hold(app: Flask) -> None:
    with app.app_context():
        times = {"held_since": clock.now(), "next_probe_at": clock.now() + timedelta(minutes=5), "probes": 1}
        said = {"phase": "eod", "code": 550, "text": "5.7.515 Access denied"}
        db.session.add(ProviderHold(key="smtp:microsoft", transport="smtp", scope="microsoft", **said, **times))
        db.session.commit()

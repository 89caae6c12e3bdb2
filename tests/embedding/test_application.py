"""Our own application inside a host: on its engine, below a path, confirming the addresses of its users."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from notifier.emails import Category, EmailKind, Owed
from notifier.embedding import SetupError
from notifier.models import User as Mirrored
from notifier.services import services_of
from notifier.testing.forms import csrf_token
from tests.embedding.conftest import Host, deliver

Make = Callable[..., Host]


def mounted(make_host: Make, **options: Any) -> Host:
    host = make_host(**options)
    host.app.testing = True
    host.start(mount="/mail")
    return host


def link(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:5000(/mail/verify/\S+)", text)
    assert found is not None, text
    return found[1]


def press(host: Host, path: str, before: Callable[[], None] = lambda: None) -> TestResponse:
    """Open the page of a link, and press its button; `before` that something happens."""
    client = host.app.test_client()
    page = client.get(path)
    assert page.status_code == 200
    before()
    return client.post(path, data={"csrf_token": csrf_token(page.text)})


def ask(host: Host, user: Any) -> str:
    """Send the email that asks this user to confirm; return the path of its link."""
    key = host.notifier.send("verification", to=user).id
    host.db.session.commit()
    return link(deliver(host, key).to(user.email)[0].text)


def still_unconfirmed(host: Host) -> None:
    assert host.stored(select(host.User.confirmed_at)) == [None]


def test_the_button_confirms_in_one_transaction_of_the_host(make_host: Make) -> None:
    host = mounted(make_host)
    contexts = []

    @host.notifier.on_verified
    def confirmed(user: Any) -> None:
        contexts.append(host.db.session.object_session(user) is host.db.session())
        user.confirmed_at = host.notifier.now()

    with host.app.app_context():
        path = ask(host, host.add())
        page = press(host, path, lambda: still_unconfirmed(host))
        assert page.status_code == 200
        assert "confirmed" in page.text
        [at] = host.stored(select(host.User.confirmed_at))
        [ours] = host.stored(select(Mirrored.verified_at))
        assert None not in (at, ours)
        assert contexts == [True]


def test_a_hook_that_fails_confirms_nothing(make_host: Make) -> None:
    host = mounted(make_host)
    host.app.testing = False
    host.notifier.app.testing = False

    @host.notifier.on_verified
    def confirmed(user: Any) -> None:
        raise LookupError("the host's own fault")

    with host.app.app_context():
        path = ask(host, host.add())
        assert press(host, path).status_code == 500
        assert host.stored(select(Mirrored.verified_at)) == [None]


def test_the_link_of_a_deleted_user_is_invalid(make_host: Make) -> None:
    host = mounted(make_host)
    with host.app.app_context():
        user = host.add()
        path = ask(host, user)

        def delete() -> None:
            host.db.session.delete(user)
            host.db.session.commit()

        assert press(host, path, delete).status_code == 404


def test_the_pages_use_the_engine_of_the_host(make_host: Make) -> None:
    host = mounted(make_host)
    with host.notifier.app.app_context():
        ours = services_of(host.notifier.app).sender
        assert ours is not None
        from_extension = host.notifier.app.extensions["sqlalchemy"]
        assert from_extension.engine is host.engine
        assert from_extension.session.get_bind() is host.engine


def test_other_pages_stay_those_of_the_host(make_host: Make) -> None:
    host = make_host()
    host.app.add_url_rule("/", "index", lambda: "the host")
    host.app.add_url_rule("/mailing", "mailing", lambda: "mailing of the host")
    host.app.testing = True
    host.start(mount="/mail")
    client = host.app.test_client()
    assert client.get("/").text == "the host"
    assert client.get("/mailing").text == "mailing of the host"
    assert client.get("/healthz").status_code == 404
    assert client.get("/mail/healthz").status_code == 200


def test_a_middleware_that_wraps_the_host_already_is_refused_by_name(make_host: Make) -> None:
    host = make_host()
    host.app.wsgi_app = ProxyFix(host.app.wsgi_app)  # type: ignore[method-assign]
    with pytest.raises(SetupError, match=r"wrapped in ProxyFix already: call init_app\(mount='/mail'\) before"):
        host.start(mount="/mail")


@pytest.mark.parametrize("path", ["mail", "/", "/mail/", "//mail", "/ma il", "/../mail", "/m?x"])
def test_a_mount_that_is_no_path_is_refused(make_host: Make, path: str) -> None:
    with pytest.raises(SetupError, match="mount= takes a path such as /mail"):
        make_host().start(mount=path)


def test_a_public_url_without_the_mount_stops_the_start(make_host: Make) -> None:
    host = make_host()
    host.app.config["NOTIFIER_PUBLIC_URL"] = "https://shop.example"
    with pytest.raises(SystemExit, match="NOTIFIER_PUBLIC_URL: must end in /mail, where the pages are mounted"):
        host.start(mount="/mail")


def test_without_pages_and_workers_there_is_no_application(host: Host) -> None:
    with pytest.raises(SetupError, match="call init_app with mount= or celery="):
        _ = host.notifier.app


def test_the_host_finds_its_notifier_among_its_extensions(host: Host) -> None:
    assert host.app.extensions["notifier"] is host.notifier
    assert isinstance(host.app, Flask)


class Bare(EmailKind):
    name: ClassVar[str] = "bare"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(days=1)
    because: ClassVar[str] = "You have an account."

    def unwanted(self, owed: Owed) -> str | None:
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        return {}


def test_a_kind_without_a_template_stops_the_start_by_name(make_host: Make, tmp_path: Path) -> None:
    folder = tmp_path / "emails" / "bare"
    folder.mkdir(parents=True)
    for name in ("subject.txt", "body.txt"):
        (folder / name).write_text("Hello")
    with pytest.raises(SetupError, match=r"the kind 'bare' has no template emails/bare/body\.html in "):
        make_host(kinds=[Bare()], templates=tmp_path).start(mount="/mail")

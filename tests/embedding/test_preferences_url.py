"""Notifier.preferences_url: the page on which a user of the host chooses their emails."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from celery import Celery

from notifier.embedding import Erased, NoAddress, SetupError, UnknownUser
from notifier.testing.forms import csrf_token
from tests.embedding.conftest import Host

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    return host


def test_it_leads_to_the_page_of_this_user(host: Host) -> None:
    with host.app.app_context():
        ada = host.add()
        url = host.notifier.preferences_url(ada)
        assert host.notifier.preferences_url(ada.id).startswith("http://127.0.0.1:5000/mail/preferences/")
    browser = host.app.test_client()
    page = browser.get(urlsplit(url).path)
    assert "@example.com" in page.text
    saved = browser.post(
        urlsplit(url).path, data={"csrf_token": csrf_token(page.text), "digest": "daily"}, follow_redirects=True
    )
    assert "activity digests (once a day)" in saved.text


def test_a_user_who_was_just_added_has_one(host: Host) -> None:
    with host.app.app_context():
        user = host.User(email="bo@example.com", name="Bo")
        host.db.session.add(user)
        assert host.notifier.preferences_url(user)


def test_people_without_such_a_page(host: Host) -> None:
    with host.app.app_context():
        erased, nowhere = host.add(), host.add(email=None)
        host.notifier.erase(erased)
        host.db.session.commit()
        for user, error in ((erased, Erased), (nowhere, NoAddress), (17_000, UnknownUser)):
            with pytest.raises(error):
                host.notifier.preferences_url(user)


@pytest.mark.parametrize("options", [{}, {"celery": Celery("host", set_as_current=False)}])
def test_without_pages_it_says_what_to_do(make_host: Make, options: dict[str, Celery]) -> None:
    host = make_host()
    host.app.testing = True
    host.start(**options)
    with host.app.app_context(), pytest.raises(SetupError, match="mount="):
        host.notifier.preferences_url(host.add())

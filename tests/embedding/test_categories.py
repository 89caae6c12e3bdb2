"""Notifier(categories=…): the host's names on the pages of consent and in footers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from notifier import clock
from notifier.embedding import Notifier, SetupError
from notifier.services import services_of
from notifier.testing.forms import csrf_token
from tests.embedding.conftest import Host, links_of

Make = Callable[..., Host]

CATEGORIES = {"news": ("Comments", "When someone answers you."), "digest": ("API changes", "What <b>changed</b>.")}


def started(make_host: Make, **options: Any) -> Host:
    host = make_host(**options)
    host.app.testing = True
    host.start(mount="/mail")
    return host


def test_preferences_show_the_names_of_the_host(make_host: Make) -> None:
    host = started(make_host, categories=CATEGORIES)
    path = links_of(host)["preferences"]
    browser = host.app.test_client()
    page = browser.get(path).text
    for text in (
        "Comments",
        "When someone answers you.",
        "API changes",
        "What &lt;b&gt;changed&lt;/b&gt;.",
        "Monthly report",
    ):
        assert text in page
    assert "Product news" not in page
    token = csrf_token(page)
    saved = browser.post(path, data={"csrf_token": token, "news": "y", "digest": "weekly"}, follow_redirects=True)
    assert "You&#39;ll get API changes (once a week), comments." in saved.text
    refused = browser.post(path, data={"csrf_token": token, "digest": "hourly"})
    assert "Choose how often you want API changes." in refused.text


def test_pages_to_unsubscribe_show_them(make_host: Make) -> None:
    host = started(make_host, categories=CATEGORIES)
    with host.app.app_context():
        key = str(host.add().id)
    links, person = services_of(host.notifier.app).links, host.mirrored()[key]
    about: dict[str, Any] = {"user_id": person.id, "identity_key": person.identity_key, "issued_at": clock.now()}
    path = urlsplit(links.unsubscribe(category="news", notification_id=None, **about)).path
    browser = host.app.test_client()
    page = browser.get(path).text
    assert "Unsubscribe from comments?" in page
    assert "We send comments to" in page
    done = browser.post(path, data={"csrf_token": csrf_token(page)}).text
    assert "no longer send comments to" in done
    assert "keep getting comments" in browser.post(f"{path}/undo", data={"csrf_token": csrf_token(done)}).text


def test_footers_of_our_kinds_use_them_and_those_of_others_stay(make_host: Make) -> None:
    host, plain = started(make_host, categories=CATEGORIES), started(make_host)
    kinds, usual = services_of(host.notifier.app).kinds, services_of(plain.notifier.app).kinds
    preferred = "You're receiving this because your email preferences include "
    assert kinds["activity_digest"].because == f"{preferred}API changes."
    assert kinds["announcement"].because == f"{preferred}comments."
    changed = {name for name in kinds if kinds[name].because != usual[name].because}
    assert changed == {"activity_digest", "announcement"}
    assert kinds["verification"].lifetime == timedelta(hours=24)


@pytest.mark.parametrize(
    ("categories", "says"),
    [
        ({"account": ("Account", "Yours.")}, "there is no category 'account' to name: name report, digest, news"),
        ({"news": "Comments"}, "is named by two texts"),
        ({"news": ("", "When someone answers you.")}, "the label of the category news has 1 to 40"),
        ({"news": ("A\nB", "When someone answers you.")}, "the label of the category news has 1 to 40"),
        ({"news": ("Comments", "x" * 201)}, "the hint of the category news has 1 to 200"),
    ],
)
def test_names_that_cannot_be_shown_are_refused_at_once(categories: Any, says: str) -> None:
    with pytest.raises(SetupError, match="categories=: ") as raised:
        Notifier(categories=categories)
    assert says in str(raised.value)

"""What a mail that may be refused carries, to the letter, and what no other mail may carry."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from notifier.consent.preferences import REFUSABLE
from notifier.emails import Category, EmailKind, Owed
from notifier.ledger import Claimed, Recipient
from notifier.mail.header_check import verify_header_block
from notifier.mail.message import _PLAIN_HEAD, Message, build
from notifier.mail.mime import EncodedBody, as_given
from notifier.rendering.compose import Composer
from notifier.rendering.render import Renderer
from notifier.security.links import Links
from notifier.security.tokens import Signer
from tests.support.applications import NOON, make_settings

ROOT = Path(__file__).parents[2]
SIGNER = Signer(["test-key-that-is-long-enough-for-everything"])
#: Not one octet more would fit into a header line that is not folded.
LONG_BASE = "https://" + "a-rather-long-name." * 30 + "example.com"
FIELDS = ("List-Unsubscribe", "List-Unsubscribe-Post", "List-ID", "Feedback-ID")


def letter(category: Category) -> EmailKind:
    """A kind of mail with this category."""
    values = {
        "name": f"letter_{category}",
        "category": category,
        "lifetime": timedelta(days=1),
        "because": "You're receiving this because a test wants you to.",
        "unwanted": lambda self, owed: None,
        "context": lambda self, owed: {"word": owed.notification.params["word"]},
    }
    return type("Letter", (EmailKind,), values)()


KINDS = {kind.name: kind for kind in map(letter, Category)}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own layout, with a body of one line."""
    folder = tmp_path_factory.mktemp("templates")
    shutil.copytree(ROOT / "templates" / "emails" / "_layout", folder / "emails" / "_layout")
    for name in KINDS:
        kind = folder / "emails" / name
        kind.mkdir()
        (kind / "subject.txt").write_text("A letter")
        block = "{% block content %}<p>{{ word }}</p>{% endblock %}"
        (kind / "body.html").write_text('{% extends "_layout/base.html" %}' + block)
        (kind / "body.txt").write_text('{% extends "_layout/base.txt" %}' + re.sub("</?p>", "", block))
    return folder


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def compose(
    templates: Path,
    category: str,
    *,
    base: str = "https://app.example.com",
    complaints: str | None = None,
    **values: Any,
) -> Message:
    given: dict[str, Any] = {
        "id": 7,
        "claim": 1,
        "kind": f"letter_{category}",
        "recipient": "ada@example.com",
        "dedupe_key": "test",
        "params": {"word": "Hello"},
        "on_unknown": "never",
        "attempts": 0,
        "unknowns": 0,
        "deadline": None,
        "created_at": NOON,
        "campaign_id": 3,
        "run_id": 9,
        "user": Recipient(42, "ada@example.com", "Ada", "en", "UTC", None, "nonce"),
    } | values
    row = Claimed(**given)
    assert row.user
    settings = make_settings(mail_default_sender="Acme <hello@mail.acme.example>", mail_cfbl_address=complaints)
    composer = Composer(settings, renderer(templates), KINDS)
    return composer.compose(Owed(row, row.user, Links(base, SIGNER))).message


_RENDERERS: dict[Path, Renderer] = {}


def renderer(templates: Path) -> Renderer:
    return _RENDERERS.setdefault(templates, Renderer(templates))


def fields(message: Message) -> Mapping[str, str]:
    """The raw fields of subscription mail, one line each."""
    head = build(message).partition(b"\r\n\r\n")[0].decode("ascii")
    found = re.findall(rf"(?m)^({'|'.join(FIELDS)}): (.*)\r?$", head)
    assert len(found) == len(dict(found)) == len(re.findall(r"(?im)^(?:list-|feedback-)", head))
    return {name: value.rstrip("\r") for name, value in found}


def links(base: str = "https://app.example.com", category: str = "report", number: int = 7) -> tuple[str, str]:
    """As they must be: unsubscribe, preferences."""
    who: dict[str, Any] = {"user_id": 42, "identity_key": "ada@example.com", "issued_at": NOON}
    made = Links(base, SIGNER)
    unsubscribe = made.unsubscribe(category=category, notification_id=number, **who)
    return unsubscribe, unsubscribe.replace("/u/", "/preferences/")


@pytest.mark.parametrize("category", REFUSABLE)
@pytest.mark.parametrize("base", ["https://app.example.com", LONG_BASE])
def test_what_may_be_refused_says_how_to_the_letter(templates: Path, category: str, base: str) -> None:
    unsubscribe, _ = links(base, category)
    assert len(unsubscribe) > 78, "longer than a line that would be folded"
    assert fields(compose(templates, category, base=base)) == {
        "List-Unsubscribe": f"<{unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-ID": f"<letter-{category}-3.mail.acme.example>",
        "Feedback-ID": f"3:letter_{category}:notifier:ee15a0b49ea5",
    }


@pytest.mark.parametrize("category", REFUSABLE)
def test_what_may_be_refused_shows_both_links_and_where_we_are(templates: Path, category: str) -> None:
    message = compose(templates, category)
    unsubscribe, preferences = links(category=category)
    for url in (unsubscribe, preferences):
        assert f"\n{url}\n" in message.text
        assert f'href="{url}"' in message.html
    for body in (message.text, message.html):
        assert "Notifier, 1 Example Street, Example Town" in body


@pytest.mark.parametrize("category", sorted(set(Category) - set(REFUSABLE)))
def test_other_mail_offers_nothing_to_refuse(templates: Path, category: str) -> None:
    message = compose(templates, category)
    assert message.headers == ()
    assert fields(message) == {}
    for body in (message.text, message.html):
        assert "/u/" not in body
        assert "/preferences/" not in body
        assert "nsubscribe" not in body


@pytest.mark.parametrize("category", list(Category))
def test_every_email_asks_for_complaints_if_there_is_an_address_for_them(templates: Path, category: str) -> None:
    """RFC 9477; the common header block is still recognised without a look at every field."""
    data = build(compose(templates, category, complaints="fbl@mail.acme.example"))
    head = data.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert head.count(b"\r\nCFBL-Address: fbl@mail.acme.example; report=arf\r\n") == 1
    assert _PLAIN_HEAD.match(head)
    verify_header_block(head)
    assert b"CFBL" not in build(compose(templates, category))


def test_every_try_and_every_worker_gives_the_same_links(templates: Path) -> None:
    first = compose(templates, "report")
    with time_machine.travel(NOON + timedelta(days=2), tick=False):
        second = compose(templates, "report", claim=2, attempts=1)
    assert first.headers == second.headers
    assert (first.text, first.html) == (second.text, second.html)


def test_a_new_nonce_of_the_account_changes_no_link(templates: Path) -> None:
    renewed = Recipient(42, "ada@example.com", "Ada", "en", "UTC", NOON, "another nonce")
    assert compose(templates, "news", user=renewed).headers == compose(templates, "news").headers


def test_links_name_the_mail_that_carries_them(templates: Path) -> None:
    (_, value), *_ = compose(templates, "digest", id=4711).headers
    assert SIGNER.read_unsubscribe(value.strip("<>").rpartition("/")[2]).notification_id == 4711


def test_mail_of_no_campaign_has_a_list_too(templates: Path) -> None:
    assert fields(compose(templates, "report", campaign_id=None))["List-ID"] == "<letter-report-0.mail.acme.example>"


@pytest.mark.parametrize("category", list(Category))
def test_the_compiled_way_gives_the_same_mail(templates: Path, category: str) -> None:
    for number, word in enumerate(["Hello", "Hi = there", "Grüße, " * 12, "x" * 200], start=11):
        values: dict[str, Any] = {"id": number, "params": {"word": word}}
        _RENDERERS.clear()
        plain = compose(templates, category, **values)
        assert isinstance(as_given(plain, "html"), str), "rendered"
        compose(templates, category)  # what has been seen once is compiled
        quick = compose(templates, category, **values)
        assert isinstance(as_given(quick, "html"), EncodedBody), "filled in"
        assert isinstance(as_given(quick, "text"), EncodedBody)
        assert replace(quick, text=quick.text, html=quick.html) == replace(plain, text=plain.text, html=plain.html)
        assert (quick.text, quick.html, quick.headers) == (plain.text, plain.html, plain.headers)
        assert build(quick).partition(b"\r\n\r\n")[0] == build(plain).partition(b"\r\n\r\n")[0]

"""One text finds people and emails: parts of names and addresses, and every id that an email has."""

import pytest
import time_machine
from flask import Flask

from notifier import clock
from notifier.accounts import erasure
from notifier.consent import suppressions
from notifier.explain.finding import MOST, Finder, Found
from notifier.extensions import db
from notifier.mail.message_ids import Ids, message_id
from notifier.mail.return_path import ReturnPath
from notifier.models import Status, SuppressionReason
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services
from notifier.testing.factories import make_notification, make_people, make_user


@pytest.fixture
def ada(context: Flask, frozen: time_machine.Traveller) -> int:
    """A person with a name and an id of an application, and one email, beside others."""
    make_people(3)
    user = make_user("Ada.Lovelace@example.com", display_name="Zoë Ada Lovelace", external_id="user-17")
    key = Ids(services().settings.secret_keys).names[-1]
    row = {"status": Status.sent, "sent_at": clock.now(), "server_id": "4cYxA97LkjzPvk", "id_key": key}
    make_notification(user, key="key:receipt:1234", **row)
    return user.id


def find(typed: str) -> Found:
    return Finder(db.session(), services().settings.secret_keys, allow_local=False).find(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "lovel", "LOVELACE ada", "zoë", "ZOË", "ada.love", "lovelace@exam", "ada.lovelace@EXAMPLE.com",
        "<Ada.Lovelace@example.com>", "Ada <ada.lovelace@example.com>", "From: ada.lovelace@example.com", "user-17",
        "  ada\tlovelace ",
    ],
)  # fmt: skip
def test_a_person_is_found_by_a_part_of_the_name_or_the_address(ada: int, typed: str) -> None:
    found = find(typed)
    assert [user.id for user in found.people] == [ada]
    assert not found.is_empty


@pytest.mark.parametrize("typed", ["ada%", "a_a", "lovelace bo", "nobody", "%", "_@", "ada.lovelace@example.org"])
def test_signs_of_patterns_are_only_themselves(ada: int, typed: str) -> None:
    assert find(typed).is_empty


def test_a_single_letter_is_too_short(ada: int) -> None:
    found = find("a")
    assert (found.is_empty, found.is_short) == (True, True)
    assert find("   ").is_empty


def test_an_email_is_found_by_every_id_that_it_has(ada: int) -> None:
    ids = Ids(services().settings.secret_keys)
    notifier_id = ids.make(1, "key:receipt:1234")
    typed = [
        message_id(notifier_id, "example.com"), message_id(notifier_id, "example.com").strip("<>"),
        f"Message-ID: {message_id(notifier_id, 'other.example')}", notifier_id, f"X-Notifier-Id: {notifier_id}",
        ReturnPath("b+@bounces.example.com").of(notifier_id), "4cYxA97LkjzPvk", "<4cYxA97LkjzPvk@eu.mail.example>",
        "1", "#1", "receipt:1234", "key:receipt:1234",
    ]  # fmt: skip
    for text in typed:
        assert [row.id for row in find(text).emails] == [1], text


def test_an_id_that_is_not_ours_finds_no_email_and_says_so(ada: int) -> None:
    found = find(f"<n1.{'a' * 16}@example.com>")
    assert (found.emails, found.forged) == ([], 1)
    assert find(f"<n999.{'a' * 16}@example.com>").is_empty


def test_a_number_finds_the_email_the_person_and_addresses_with_it(ada: int) -> None:
    user = make_user("bo4711@example.com")
    assert [each.id for each in find("4711").people] == [user.id]
    assert ada in [each.id for each in find(str(ada)).people]


def test_an_international_domain_is_found_as_it_is_written(ada: int) -> None:
    user = make_user("bo@xn--mller-kva.example")
    assert [each.id for each in find("müller.example").people] == [user.id]
    assert [each.id for each in find("bo@müller.example").people] == [user.id]


def test_many_people_are_cut_and_said_to_be(ada: int) -> None:
    make_people(MOST)
    found = find("example.com")
    assert (len(found.people), found.more) == (MOST, True)
    assert found.people[0].id > found.people[-1].id


def test_an_erasure_is_found_by_its_reference(ada: int) -> None:
    user = make_user("bo@example.com")
    pk = str(user.id)
    keys = services().settings.secret_keys
    erasure.erase(db.session(), user, keys=keys, by=COMMAND_LINE, reference="ticket 4711")
    erasure.erase(db.session(), make_user("cy@example.com"), keys=keys, by=COMMAND_LINE)
    db.session.commit()
    found = find(" ticket 4711 ")
    assert [(entry.object_id, entry.after["reference"]) for entry in found.erasures] == [(pk, "ticket 4711")]
    assert not found.is_empty
    assert (find("4711").erasures, find("ticket").erasures) == ([], [])


def test_a_suppressed_and_an_erased_address_are_told(ada: int) -> None:
    suppressions.add(
        db.session(), "gone@example.com", reason=SuppressionReason.manual, source="operator", evidence="asked"
    )
    assert find("gone@example.com").suppression is not None
    user = make_user("bo@example.com")
    pk = user.id
    erasure.erase(db.session(), user, keys=services().settings.secret_keys, by=COMMAND_LINE)
    db.session.commit()
    found = find("BO@example.com")
    assert (found.people, found.erased_at, found.erased_person) == ([], clock.now(), pk)

"""The id of an email: only those with a key can make it, and whatever servers do to it, it is found again."""

import hashlib
import re

import pytest

from notifier.mail import message_ids
from notifier.mail.message_ids import Ids, NotifierId, read
from notifier.mail.return_path import ReturnPath, read_return_path, without_id

OLD, NEW = "the-old-key", "the-new-key"
IDS = Ids([OLD, NEW])
KEY = "c7:2026-11:42"
MADE = IDS.make(7, KEY)
MAC = MADE.partition(".")[2]


def proven(text: str, ids: Ids = IDS, key: str | None = IDS.names[-1], message_id: str | None = None) -> bool:
    found = read(text) or read_return_path(text)
    return found is not None and ids.proves(found, pk=7, dedupe_key=KEY, key=key, message_id=message_id)


def test_the_same_row_has_the_same_id_and_it_tells_nothing_of_its_key() -> None:
    assert MADE == Ids([OLD, NEW]).make(7, KEY) == "7.zs6qgw76nnyxwfvp"
    assert re.fullmatch(r"7\.[a-z2-7]{16}", MADE)
    assert IDS.make(7, KEY + "3") != MADE
    assert Ids([OLD]).make(7, KEY) != MADE
    assert message_ids.message_id(MADE, "notifier.example") == f"<n{MADE}@notifier.example>"


@pytest.mark.parametrize(
    "text",
    [
        f"<n{MADE}@notifier.example>", f"n{MADE}@another.example", f" {MADE}\r\n", f"N{MADE.upper()}@X.EXAMPLE",
        f"b+{MADE}@bounces.example.com", f"B+{MADE.upper()}@bounces.example.com", f"b-7-{MAC}@bounces.example.com",
        # Servers that drop the marker or replace it, and forwarders that rewrite the sender.
        f"b{MADE}@bounces.example.com", f"b={MADE}@bounces.example.com", f"b_7_{MAC}@bounces.example.com",
        f"SRS0=xY9z=QR=example.com=b+{MADE}@forwarder.example", f"prvs=4812abcdef=b+{MADE}@bounces.example.com",
    ],
)  # fmt: skip
def test_an_id_is_read_whatever_servers_do_to_it(text: str) -> None:
    assert (read(text) or read_return_path(text)) == NotifierId(7, MAC)
    assert proven(text)


@pytest.mark.parametrize(
    "text",
    [
        # What anyone can compute who knows how keys are built.
        f"<n7.{hashlib.sha256(KEY.encode()).hexdigest()[:16]}@notifier.example>",
        f"<n7.{Ids(['a guess']).make(7, KEY)[2:]}@notifier.example>",
        # The neighbour, with the MAC of this email.
        f"<n8.{MAC}@notifier.example>", f"b+8.{MAC}@x.example", f"b+77.{MAC}@x.example", f"b+07{MAC}@x.example",
        f"<n7.{MAC[:-1]}@x.example>", f"<n7.{MAC}a@x.example>", f"b+7.{MAC[:-1]}@x.example", f"b+7.{MAC}a@x.example",
        f"b+{MADE}", "7", "", "@" * 20_000, f"\u0667.{MAC}",
        # No database has such a key.
        f"9223372036854775808.{MAC}", f"b+9223372036854775808.{MAC}@x.example",
    ],
)  # fmt: skip
def test_what_was_not_made_with_our_key_proves_nothing(text: str) -> None:
    assert not proven(text)


def test_the_key_of_a_row_signs_after_a_newer_one_was_added() -> None:
    before, after = Ids([OLD]), Ids([OLD, NEW])
    assert after.make(7, KEY, before.names[-1]) == before.make(7, KEY)
    assert after.make(7, KEY) != before.make(7, KEY)
    assert proven(before.make(7, KEY), key=before.names[-1])
    assert not proven(before.make(7, KEY), key=after.names[-1])
    assert set(after.macs(KEY)) == {ids.make(7, KEY)[2:] for ids in (Ids([OLD]), Ids([NEW]))}
    assert all(len(name) == 8 and name not in OLD + NEW for name in after.names)


def test_an_id_of_a_key_that_is_gone_is_proven_by_the_stored_message_id() -> None:
    before, after = Ids([OLD]), Ids([NEW])
    made = before.make(7, KEY)
    assert not proven(made, after, before.names[-1])
    stored = message_ids.message_id(made, "notifier.example")
    assert proven(made, after, before.names[-1], stored)
    assert proven(f"b+{made.upper()}@x.example", after, before.names[-1], stored)
    assert not proven(made, after, before.names[-1], f"<n8.{made[2:]}@notifier.example>")
    # The row can only be signed anew.
    assert after.make(7, KEY, before.names[-1]) == after.make(7, KEY)


@pytest.mark.parametrize(
    ("address", "path", "mailbox"),
    [
        ("b+@Bounces.example.com", f"b+{MADE}@bounces.example.com", "b@bounces.example.com"),
        ("b-@bounces.example.com", f"b-7-{MAC}@bounces.example.com", "b@bounces.example.com"),
        ("mail-returns-@example.com", f"mail-returns-7-{MAC}@example.com", "mail-returns@example.com"),
        ("mail-returns@example.com", "mail-returns@example.com", "mail-returns@example.com"),
        ("x" * 27 + "+@b.example", "x" * 27 + f"+{MADE}@b.example", "x" * 27 + "@b.example"),
    ],
)
def test_the_form_of_the_return_path_is_a_choice(address: str, path: str, mailbox: str) -> None:
    returns = ReturnPath(address)
    assert returns.of(MADE) == path
    assert returns.mailbox == without_id(path) == mailbox


def test_the_longest_return_path_is_an_address() -> None:
    longest = ReturnPath("x" * 27 + "+@b.example").of(IDS.make(message_ids.MAX_KEY, KEY))
    assert len(longest.partition("@")[0]) == 64
    assert read_return_path(longest) == NotifierId(message_ids.MAX_KEY, MAC)

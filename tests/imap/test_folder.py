"""Folders of a real server: what waits, how much of it is read, and that nothing of other clients is removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from notifier.imap import folder as folders
from notifier.imap.account import Account, ImapAway, ImapRefused, Security
from notifier.imap.connection import Connection
from notifier.imap.folder import Folder
from notifier.imap.names import as_set, folder_name
from notifier.testing.servers import dovecot as dovecots
from notifier.testing.servers.dovecot import DovecotServer
from tests.support.mailboxes import Box, Script, dovecot, email
from tests.support.needs import need


@pytest.fixture(scope="module")
def server() -> Iterator[DovecotServer]:
    need(dovecots.find, "DOVECOT")
    with dovecot() as running:
        yield running


@pytest.fixture
def box(server: DovecotServer) -> Box:
    return Box(server)


@contextmanager
def opened(account: Account, name: str = "INBOX", *, writes: bool = True) -> Iterator[Folder]:
    connection = Connection.open(account)
    try:
        yield Folder.open(connection, name, writes=writes)
    finally:
        connection.close()


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_tls_is_verified(box: Box, server: DovecotServer, security: Security) -> None:
    port = server.tls_port if security is Security.TLS else server.port
    account = box.account(port, security)
    box.put(email("one"))
    with opened(account) as folder:
        assert list(folder.waiting(unmarked=False)) == [1]
    with pytest.raises(ImapRefused, match="INBOUND_IMAP_CA_FILE"):
        Connection.open(replace(account, ca_file=None))
    with pytest.raises(ImapRefused, match="does not let user"):
        Connection.open(replace(account, password="wrong"))


def test_an_email_is_read_up_to_a_bound_and_stays_unread(box: Box) -> None:
    box.put(email("long", size=300_000))
    with opened(box.account()) as folder:
        content = folder.fetch(1, 1000)
        assert content is not None
        assert (len(content), content[:5]) == (1000, b"From:")
        assert folder.fetch(2, 1000) is None
    assert box.subjects(criteria="UNSEEN") == ["long"]


def test_what_other_clients_flagged_as_deleted_is_neither_read_nor_removed(box: Box) -> None:
    box.put(email("one"), email("two"), email("three"))
    box.put(email("theirs"), flags="(\\Deleted)")
    with opened(box.account()) as folder:
        assert list(folder.waiting(unmarked=False)) == [1, 2, 3]
        folder.delete([1, 3])
    assert box.subjects() == ["two", "theirs"]


def test_without_uidplus_emails_are_only_flagged(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "can", lambda self, name: name != "UIDPLUS")
    box.put(email("one"), email("two"))
    with opened(box.account()) as folder:
        folder.delete([1])
        assert list(folder.waiting(unmarked=False)) == [2]
    assert box.subjects(criteria="DELETED") == ["one"]


def test_what_an_interrupted_deletion_left_is_removed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.put(email("ours"), email("two"))
    box.put(email("theirs"), flags="(\\Deleted)")
    with opened(box.account()) as folder, monkeypatch.context() as cut:
        cut.setattr(Folder, "removes", False)
        folder.delete([1])
    with opened(box.account()) as folder:
        folder.remove_leftovers()
    assert box.subjects() == ["two", "theirs"]


@pytest.mark.parametrize("able", [True, False], ids=["move", "copy"])
def test_emails_move_to_a_folder_of_any_name(box: Box, able: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    can = Connection.can
    monkeypatch.setattr(Connection, "can", lambda self, name: can(self, name) and (able or name != "MOVE"))
    name = 'R\u00fcckl\u00e4ufer & "alte" \U0001f4ec'
    box.put(email("one"), email("two"))
    with opened(box.account()) as folder:
        with pytest.raises(ImapRefused, match="Create it, or name another"):
            folder.require(name)
        box.make(folder_name(name))
        folder.require(name)
        folder.move([2], name)
    assert box.subjects() == ["one"]
    assert box.subjects(folder_name(name)) == ["two"]


def test_all_emails_of_a_large_folder_are_listed(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_WINDOW", 3)
    monkeypatch.setattr(folders, "_AT_ONCE", 2)
    box.put(*(email(str(number)) for number in range(8)))
    with opened(box.account()) as folder:
        assert list(folder.waiting(unmarked=False)) == [1, 2, 3, 4, 5, 6, 7, 8]
        folder.delete([1, 2, 3, 6, 7])
        folder.keep([4])
    with opened(box.account()) as folder:
        assert list(folder.waiting(unmarked=True)) == [5, 8]


def test_a_folder_that_is_read_only_is_refused_or_examined(box: Box) -> None:
    box.put(email("one"))
    (box.maildir() / "cur").chmod(0o555)
    with pytest.raises(ImapRefused, match="read-only"), opened(box.account()):
        pass
    with opened(box.account(), writes=False) as folder:
        assert (folder.keeps_keywords, list(folder.waiting(unmarked=False))) == (False, [1])


def test_no_such_folder_is_refused(box: Box) -> None:
    with pytest.raises(ImapRefused, match="'Nowhere' cannot be opened"), opened(box.account(), "Nowhere"):
        pass


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (b"* 1 FETCH (BODY[]<0> {3}\r\nabc UID 7)\r\n", b"abc"),
        (b'* 1 FETCH (UID 7 BODY[]<0> "a\\"b")\r\n', b'a"b'),
        (b"* 1 FETCH (UID 7 BODY[] NIL)\r\n", None),
        (b"* 2 FETCH (UID 8 BODY[]<0> {3}\r\nxyz)\r\n* 1 FETCH (UID 7 BODY[]<0> {3}\r\nabc)\r\n", b"abc"),
        (b"* 1 FETCH (FLAGS (\\Seen))\r\n", None),
        (b"* 2 FETCH (UID 8 BODY[]<0> {3}\r\nxyz)\r\n", None),
        (b"* 1 FETCH (UID 7 BODY[]<0> {12}\r\nabcdefghijkl)\r\n", b"abcdefghij"),
    ],
)
def test_servers_write_contents_in_several_ways(answer: bytes, content: bytes | None) -> None:
    able = b"* CAPABILITY IMAP4rev1\r\n%s OK done\r\n"
    opening = b"* 2 EXISTS\r\n* OK [UIDVALIDITY 5] valid\r\n%s OK [READ-WRITE] open\r\n"
    with (
        Script(b"* PREAUTH ready\r\n", able, able, opening, answer + b"%s OK done\r\n") as server,
        opened(server.account()) as folder,
    ):
        assert folder.fetch(7, 10) == content


def test_a_server_that_says_goodbye_is_away(box: Box, server: DovecotServer) -> None:
    able = b"* CAPABILITY IMAP4rev1\r\n%s OK done\r\n"
    with (
        Script(b"* PREAUTH ready\r\n", able, able, b"* BYE going down\r\n") as leaving,
        pytest.raises(ImapAway, match="going down"),
        opened(leaving.account()),
    ):
        pass


def test_sets_of_uids() -> None:
    assert as_set([7, 1, 2, 3, 9, 8, 3]) == "1:3,7:9"
    assert as_set([5]) == "5"

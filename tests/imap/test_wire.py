"""What a hostile, broken or strange server sends: bounded in size and time, and never the password without TLS."""

import time
from dataclasses import replace

import pytest

from notifier.imap import wire
from notifier.imap.account import ImapAway, ImapRefused, Security
from notifier.imap.connection import Connection
from notifier.testing.servers.dovecot import PASSWORD
from tests.support.mailboxes import Script, authority

HELLO = b"* OK ready\r\n"
ABLE = b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n%s OK done\r\n"
GO_ON = b"+ \r\n"
IN = b"%s OK you are in\r\n"
#: imaplib asks for the capabilities, and so do we, before and after the sign-in.
SIGNED_IN = (ABLE, ABLE, GO_ON, IN, ABLE)


def failure(*answers: bytes, security: Security = Security.NONE, then: str = "") -> tuple[str, str, list[bytes]]:
    """What opening a connection (and asking for `then`) raises: its class, its text, and what the server heard."""

    def talk() -> None:
        connection = Connection.open(server.account(security))
        try:
            connection.ask(then)
        finally:
            connection.close()

    with Script(*answers) as server:
        with pytest.raises((ImapAway, ImapRefused)) as raised:
            talk()
        return type(raised.value).__name__, str(raised.value), server.heard


def test_a_literal_of_ten_gigabytes_is_never_read() -> None:
    name, text, _ = failure(HELLO, *SIGNED_IN, b"* 1 FETCH (BODY[] {10000000000}\r\n", then="NOOP")
    assert (name, "announced more than was asked for" in text) == ("ImapAway", True)


def test_an_endless_line_ends() -> None:
    name, text, _ = failure(HELLO, *SIGNED_IN, b"* OK " + b"x" * 1_200_000, then="NOOP")
    assert (name, "a line that is too long" in text) == ("ImapAway", True)


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_ANSWER", 100_000)
    name, text, _ = failure(HELLO, *SIGNED_IN, b"* 1 EXISTS\r\n" * 10_000, then="NOOP")
    assert (name, "the answer is too long" in text) == ("ImapAway", True)


def test_a_silent_server_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "READ_SECONDS", 0.1)
    name, text, _ = failure(HELLO, *SIGNED_IN, b"", then="NOOP")
    assert (name, "no answer in time" in text) == ("ImapAway", True)


def test_a_server_that_sends_a_byte_now_and_then_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "ANSWER_SECONDS", 0.0)
    begun = time.monotonic()
    name, text, _ = failure(HELLO)
    assert (name, "takes too long" in text) == ("ImapAway", True)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("greeting", "security", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Security.NONE, "does not speak IMAP"),
        (b"220 smtp ready\r\n", Security.STARTTLS, "does not speak IMAP"),
        (b"\xff\xfe\r\n", Security.NONE, "does not speak IMAP"),
        (HELLO, Security.TLS, "does not speak TLS"),
    ],
)
def test_another_protocol_is_a_wrong_port(greeting: bytes, security: Security, said: str) -> None:
    """Trying again does not help."""
    name, text, _ = failure(greeting, security=security)
    assert (name, said in text) == ("ImapRefused", True)


@pytest.mark.parametrize("greeting", [b"* BYE too many connections\r\n", b""])
def test_a_greeting_that_is_none_is_a_server_that_is_away(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "READ_SECONDS", 0.1)
    assert failure(greeting)[0] == "ImapAway"


def test_without_starttls_the_password_is_not_sent() -> None:
    bare = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n%s OK done\r\n"
    name, text, heard = failure(HELLO, bare, security=Security.STARTTLS)
    assert (name, "offers no STARTTLS" in text, len(heard)) == ("ImapRefused", True, 1)
    known = failure(b"* PREAUTH hello\r\n", ABLE, security=Security.STARTTLS)
    assert (known[0], len(known[2])) == ("ImapRefused", 1)


def test_words_before_tls_are_no_answer_of_the_server() -> None:
    name, text, heard = failure(HELLO, ABLE, b"%s OK go\r\n* CAPABILITY EVIL\r\n", security=Security.STARTTLS)
    assert (name, "before TLS began" in text, len(heard)) == ("ImapAway", True, 2)


def test_a_wrong_password_is_refused_without_repeating_it() -> None:
    no = b"%s NO [AUTHENTICATIONFAILED] not " + PASSWORD.encode() + b"\r\n"
    name, text, _ = failure(HELLO, ABLE, ABLE, GO_ON, no)
    assert name == "ImapRefused"
    assert "does not let ada in: [AUTHENTICATIONFAILED] not ***" in text
    assert PASSWORD not in text


@pytest.mark.parametrize("answer", [b"%s NO [UNAVAILABLE] later\r\n", b"* BYE restarting\r\n"])
def test_a_server_that_cannot_look_up_passwords_now_is_away(answer: bytes) -> None:
    assert failure(HELLO, ABLE, ABLE, GO_ON, answer)[0] == "ImapAway"


@pytest.mark.parametrize(
    ("able", "user", "said"),
    [("LOGINDISABLED", "ada", "no sign-in with a password"), ("", "\u00e4da", "only passwords and users in ASCII")],
)
def test_a_sign_in_that_the_server_cannot_take_is_refused(able: str, user: str, said: str) -> None:
    bare = b"* CAPABILITY IMAP4rev1 " + able.encode() + b"\r\n%s OK done\r\n"
    with Script(HELLO, bare, bare) as server, pytest.raises(ImapRefused, match=said):
        Connection.open(replace(server.account(), user=user))


def test_a_user_with_quotes_stays_one_word() -> None:
    bare = b"* CAPABILITY IMAP4rev1\r\n%s OK done\r\n"
    with Script(HELLO, bare, bare, IN, bare) as server:
        Connection.open(replace(server.account(), user='a"d a')).close()
    assert server.heard[2].split(b" ", 1)[1] == b'LOGIN "a\\"d a" "hush-hush"\r\n'


def test_a_port_without_a_server_is_away() -> None:
    with Script(b"") as server:
        pass
    account = server.account()
    assert authority()[0] == account.ca_file
    with pytest.raises(ImapAway, match="Connection refused"):
        Connection.open(account)

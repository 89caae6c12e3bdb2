"""`notifier bounces listen`: real clients, and clients that mean no good."""

import json
import smtplib
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from notifier.bounces.parts import MAX_BYTES
from notifier.dev.ports import wait_until
from notifier.extensions import db
from notifier.feedback.intake import Intake
from notifier.listener import conversation
from notifier.listener.admission import Admission
from notifier.listener.receiver import STORED, Receiver
from notifier.models import Notification, Status
from notifier.services import KEY, services_of
from tests.support.commands import Run
from tests.support.feedback import everything, feedback, key_of, row, send, suppression
from tests.support.listener import dialogue, listening

HARD = next(
    case["raw"]
    for case in json.loads((Path(__file__).parent.parent / "data" / "dsn.json").read_text())
    if case["name"] == "bad_domain"
)
TRACE = b"Return-Path: <>\r\nDelivery-date: now\r\nReceived: from a\r\n\tby b; then\r\n"


def bounce(notifier_id: str) -> bytes:
    return HARD.replace("{verp}", notifier_id).replace("{message_id}", "").encode()


#: It names no email: only the recipient of the envelope does.
ANONYMOUS = HARD.replace("b+{verp}@", "ada@").replace("{message_id}", "").encode()


def put(pk: int, status: Status) -> None:
    db.session.execute(update(Notification).where(Notification.id == pk).values(status=status))
    db.session.commit()


#: For what has nothing to do with the database.
SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def snapshot() -> tuple[list[Any], ...]:
    """All that is stored, without a transaction left open: on SQLite the listener would wait for it."""
    stored = everything()
    db.session.rollback()
    return stored


@pytest.mark.parametrize("protocol", ["lmtp", "smtp"])
def test_a_bounce_is_stored_before_the_answer(context: Flask, protocol: str) -> None:
    message = send(context)
    with listening(context, bounce_listen_protocol=protocol) as listener, listener.client() as client:
        assert client.has_extn("pipelining")
        assert client.has_extn("enhancedstatuscodes")
        assert client.esmtp_features["size"] == str(10 * 1024 * 1024)
        assert dialogue(client, ANONYMOUS, message.envelope_sender.upper()) == [(250, "2.1.5 Ok")]
        assert row(key_of(message)).status == Status.bounced
    assert suppression(message.recipient) is not None


@SQLITE
def test_any_sender_is_accepted(context: Flask) -> None:
    message = send(context)
    with listening(context) as listener, listener.client() as client:
        client.command_encoding = "utf-8"
        senders = ("", "MAILER-DAEMON", "prvs=1=a+b@x.example", '"odd one"@x.example', "gr\u00fc\u00dfe@x.example")
        for sender in senders:
            answers = dialogue(client, ANONYMOUS, message.envelope_sender, sender=sender)
            assert answers == [(250, "2.1.5 Ok")], sender


def test_each_recipient_gets_an_answer_of_its_own_by_lmtp(context: Flask) -> None:
    first, second = send(context), send(context)
    put(key_of(second), Status.sending)
    with listening(context) as listener, listener.client() as client:
        recipients = (first.envelope_sender, "b+1.aaaaaaaaaaaaaaaa@notifier.example", second.envelope_sender)
        codes = [code for code, _ in dialogue(client, ANONYMOUS, *recipients)]
    assert codes == [550, 250, 451]
    assert [each.notification_id for each in feedback()] == [key_of(first)]


def test_by_smtp_one_recipient_that_must_come_again_brings_all_again(context: Flask) -> None:
    first, second = send(context), send(context)
    put(key_of(second), Status.sending)
    with listening(context, bounce_listen_protocol="smtp") as listener, listener.client() as client:
        both = (first.envelope_sender, second.envelope_sender)
        assert [code for code, _ in dialogue(client, ANONYMOUS, *both)] == [451]
        put(key_of(second), Status.sent)
        assert [code for code, _ in dialogue(client, ANONYMOUS, *both)] == [250]
    assert len(feedback()) == 2


def test_a_second_try_changes_nothing(context: Flask) -> None:
    """A mail server whose answer was lost sends the same email, perhaps with another trace of its way."""
    message = send(context)
    first: tuple[list[Any], ...] = ()
    with listening(context) as listener, listener.client() as client:
        for data in (ANONYMOUS, ANONYMOUS, TRACE + ANONYMOUS, TRACE.replace(b"now", b"later") + ANONYMOUS):
            assert dialogue(client, data, message.envelope_sender) == [(250, "2.1.5 Ok")]
            first = first or snapshot()
    assert snapshot() == first
    assert len(first[2]) == 1


def test_what_is_no_return_path_of_ours_is_refused(context: Flask) -> None:
    message = send(context)
    right = message.envelope_sender
    wrong = [right.replace("b+", "b+1"), right.replace("b+", "\u00fc+"), right.replace("@", "a@")]
    wrong += ["b@notifier.example", "ada@example.com", "b+\u0661.x@x.example"]
    with listening(context) as listener, listener.client() as client:
        for address in wrong:
            client.command_encoding = "utf-8"
            answers = dialogue(client, bounce(message.notifier_id), address)
            assert answers == [(550, "5.1.1 This is no return path of ours")], address
    assert feedback() == []


@SQLITE
def test_plain_addresses_are_accepted_if_the_settings_name_them(context: Flask) -> None:
    message = send(context)
    settings = {"bounce_listen_addresses": ["fbl@x.example"], "mail_cfbl_address": "cfbl@x.example"}
    with listening(context, mail_bounce_address="back@x.example", **settings) as listener, listener.client() as client:
        for address in ("Fbl@x.example", "cfbl@X.example", "back@x.example"):
            assert dialogue(client, bounce(message.notifier_id), address)[0][0] == 250, address
        assert dialogue(client, bounce(message.notifier_id), "other@x.example")[0][0] == 550
    assert row(key_of(message)).status == Status.bounced


@SQLITE
def test_trying_addresses_ends_the_connection(context: Flask) -> None:
    with listening(context) as listener, listener.client() as client:
        client.mail("")
        codes = [client.rcpt(f"b+{n}.aaaaaaaaaaaaaaaa@x.example")[0] for n in range(20)]
        assert codes == [550] * 20
        assert client.getreply()[0] == 421
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()


@SQLITE
def test_an_email_that_is_too_big_is_refused(context: Flask) -> None:
    message = send(context)
    with listening(context, bounce_listen_max_size=2 * MAX_BYTES) as listener, listener.client() as client:
        assert client.mail("", ["size=9999999"])[0] == 552
        client.rset()
        assert dialogue(client, b"x" * (2 * MAX_BYTES + 10), message.envelope_sender)[0][0] == 552
        # What is looked at is at the beginning, and the connection still works.
        long_line = b"\r\n" + b"y" * MAX_BYTES
        assert dialogue(client, bounce(message.notifier_id) + long_line, message.envelope_sender)[0][0] == 250
    assert row(key_of(message)).status == Status.bounced


@SQLITE
def test_a_client_that_never_ends_its_email_is_cut_off(context: Flask) -> None:
    message = send(context)
    with listening(context, bounce_listen_max_size=65536) as listener, listener.client() as client:
        client.mail("")
        client.rcpt(message.envelope_sender)
        client.docmd("DATA")
        assert client.sock is not None
        with pytest.raises(ConnectionError):
            client.sock.sendall(b"x" * 50_000_000)
    assert feedback() == []


@SQLITE
def test_lines_with_dots_are_read_as_they_were_meant(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5321, section 4.5.2. Only a dot between two CRLF ends an email."""
    message = send(context)
    taken: list[bytes] = []

    def keep(self: Receiver, data: bytes, recipient: str) -> str:
        taken.append(data)
        return STORED

    monkeypatch.setattr(Receiver, "_take", keep)
    long_line = b"." * 400_000
    with listening(context) as listener, listener.client() as client:
        for _ in range(2):
            client.mail("")
            client.rcpt(message.envelope_sender)
            assert client.docmd("DATA")[0] == 354
            client.send(b"..a\r\n...\r\nb\n.\nc\n.\r\nd\r\n..." + long_line + b"\r\n.\r\n")
            assert client.getreply()[0] == 250
    assert taken == [b".a\r\n..\r\nb\n.\nc\n.\r\nd\r\n.." + long_line + b"\r\n"] * 2


@SQLITE
def test_a_slow_client_has_as_long_as_a_connection_may_last(context: Flask) -> None:
    with listening(context, bounce_listen_session=0.4) as listener, listener.socket() as slow:
        assert slow.recv(1000).startswith(b"220")
        began, is_open = time.monotonic(), True
        while is_open and time.monotonic() - began < 3:
            # Each command gives it a minute for the next one.
            with suppress(ConnectionError):
                slow.sendall(b"NOOP\r\n")
            try:
                is_open = slow.recv(1000) != b""
            except ConnectionError:
                is_open = False
            time.sleep(0.05)
        assert 0.3 < time.monotonic() - began < 3


@SQLITE
def test_an_email_may_take_longer_than_a_command_while_it_comes(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "IDLE", 0.3)
    message = send(context)
    with listening(context) as listener, listener.client() as client:
        client.mail("")
        client.rcpt(message.envelope_sender)
        client.docmd("DATA")
        for line in [ANONYMOUS, *[b"x\r\n"] * 5, b".\r\n"]:
            time.sleep(0.1)
            client.send(line)
        assert client.getreply() == (250, b"2.1.5 Ok")
        # Then nothing comes.
        assert client.getreply()[0] == 421


@SQLITE
def test_commands_that_tell_about_people_or_about_us_tell_nothing(context: Flask) -> None:
    with listening(context) as listener, listener.client() as client:
        assert {client.docmd("VRFY", each)[0] for each in ("ada", "")} == {252}
        assert {client.docmd("HELP", each)[0] for each in ("AUTH", "")} == {502}


@SQLITE
def test_too_many_connections_are_turned_away(context: Flask) -> None:
    limits = {"bounce_listen_connections": 3, "bounce_listen_connections_per_client": 2}
    with listening(context, **limits) as listener:
        open_ones = [listener.socket() for _ in range(2)]
        for each in open_ones:
            assert each.recv(1000).startswith(b"220")
        with listener.socket() as third:
            assert third.recv(1000) == b"421 4.7.0 Too many connections, try again later\r\n"
            assert third.recv(1000) == b""
        with listener.socket("127.0.0.3") as other, listener.socket("127.0.0.4") as last:
            assert other.recv(1000).startswith(b"220")
            assert last.recv(1000).startswith(b"421")
        open_ones[0].close()

        def has_room() -> bool:
            with listener.socket() as again:
                return again.recv(1000).startswith(b"220")

        assert wait_until(has_room, 5)
        open_ones[1].close()


@SQLITE
def test_a_foreign_client_gets_no_greeting(context: Flask) -> None:
    with listening(context, bounce_listen_networks=["127.0.0.1/32"]) as listener:
        with listener.socket("127.0.0.2") as foreign, suppress(ConnectionResetError):
            assert foreign.recv(1000) == b""
        with listener.socket() as ours:
            assert ours.recv(1000).startswith(b"220")


def test_networks_of_both_families() -> None:
    ours = Admission(["10.0.4.0/24", "2001:db8::/64"], most=1, most_per_client=1)
    clients = ["10.0.4.9", "::ffff:10.0.4.9", "2001:db8::1%eth0", "127.0.0.1", "10.0.5.1", "::1"]
    assert [ours.is_allowed(client) for client in clients] == [True, True, True, False, False, False]
    loopback = Admission([], most=1, most_per_client=1)
    assert [loopback.is_allowed(client) for client in ("127.9.9.9", "::1", "10.0.4.9")] == [True, True, False]


@SQLITE
def test_a_client_that_talks_nonsense_is_cut_off(context: Flask) -> None:
    with listening(context) as listener, listener.client() as client:
        assert client.docmd("NOOP " + "x" * 2000)[0] == 500
        assert client.docmd("NOOP " + "x" * 100_000)[0] == 500
        assert client.docmd("DATA")[0] == 503
        codes = [client.docmd("VRFY", "ada")[0] for _ in range(20)]
        assert set(codes) == {252}
        assert client.docmd("VRFY", "ada")[0] == 421


def test_while_the_email_is_being_sent_it_is_offered_again(context: Flask) -> None:
    message = send(context)
    put(key_of(message), Status.sending)
    with listening(context) as listener, listener.client() as client:
        assert dialogue(client, ANONYMOUS, message.envelope_sender)[0][0] == 451
        put(key_of(message), Status.sent)
        assert dialogue(client, ANONYMOUS, message.envelope_sender)[0][0] == 250
    assert row(key_of(message)).status == Status.bounced


@pytest.mark.parametrize("method", ["knows", "take"])
def test_a_database_that_is_away_is_a_reason_to_try_again(
    context: Flask, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    message = send(context)

    def away(*args: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the server is away"))

    with listening(context) as listener, listener.client() as client:
        with monkeypatch.context() as broken:
            broken.setattr(Intake, method, away)
            assert dialogue(client, ANONYMOUS, message.envelope_sender) == [
                (451, "4.3.0 It could not be stored, try again later")
            ]
        assert dialogue(client, ANONYMOUS, message.envelope_sender)[0][0] == 250


def test_a_commit_that_fails_is_no_success(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    message = send(context)

    def fail(self: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("the server went away"))

    with listening(context) as listener, listener.client() as client:
        with monkeypatch.context() as broken:
            broken.setattr("sqlalchemy.orm.Session.commit", fail)
            assert dialogue(client, ANONYMOUS, message.envelope_sender)[0][0] == 451
        assert snapshot()[2] == []
        assert dialogue(client, ANONYMOUS, message.envelope_sender)[0][0] == 250


def test_a_stop_ends_idle_connections_and_lets_an_email_be_stored(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = send(context)
    storing, go_on = threading.Event(), threading.Event()
    take = Intake.take

    def slowly(self: Intake, *args: Any) -> Any:
        storing.set()
        assert go_on.wait(10)
        return take(self, *args)

    monkeypatch.setattr(Intake, "take", slowly)
    with listening(context) as listener, listener.client() as client, listener.socket() as idle:
        assert idle.recv(1000).startswith(b"220")
        answers: list[tuple[int, str]] = []
        sending = threading.Thread(target=lambda: answers.extend(dialogue(client, ANONYMOUS, message.envelope_sender)))
        sending.start()
        assert storing.wait(10)
        listener.ask_to_stop()
        assert idle.recv(1000).startswith(b"421 4.3.2")
        assert idle.recv(1000) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listener.port), 5)
        go_on.set()
        sending.join(10)
        assert answers == [(250, "2.1.5 Ok")]
        assert client.getreply()[0] == 421
    assert row(key_of(message)).status == Status.bounced


@SQLITE
def test_a_taken_port_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, context: Flask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        services = services_of(context)
        settings = services.settings.model_copy(update={"bounce_listen_port": port})
        context.extensions[KEY] = replace(services, settings=settings)
        done = run("bounces", "listen")
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert line.startswith("Error: BOUNCE_LISTEN_HOST, BOUNCE_LISTEN_PORT: ")
    assert str(port) in line
    assert line.endswith("address already in use")

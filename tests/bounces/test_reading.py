"""What comes back, read: emails of many systems and languages, written for these tests in the forms that they use."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.bounces.parts import MAX_BYTES
from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import ABOUT_US, DEAD, NOTHING_FAILED, SENTENCES, Kind, Reason, Verdict

DATA = Path(__file__).parent.parent / "data"
ROWS = [line.split("\t") for line in (DATA / "bounces" / "expected.tsv").read_text().splitlines()[1:]]
CASES = json.loads((DATA / "dsn.json").read_text())

VERP, MESSAGE_ID = "17.abcdefgh234567ij", "<n17.abcdefgh234567ij@shop.example>"


def email(name: str) -> bytes:
    return (DATA / "bounces" / f"{name}.eml").read_bytes()


def report(text: str, **headers: str) -> Report:
    """Read a report without fields."""
    written = {"From": "MAILER-DAEMON@mx.example.net", "Subject": "Undelivered Mail Returned to Sender"} | headers
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in written.items())
    return read(f"{head}\n{text}\n".encode())


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_system_is_understood(row: list[str]) -> None:
    name, *expected = row
    found = read(email(name))
    said = (found.kind, found.verdict, found.reason or "-", str(found.code or "-"), found.enhanced or "-")
    assert said == tuple(expected), found.text


@pytest.mark.parametrize("name", [row[0] for row in ROWS])
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_line_ends_change_nothing(name: str, end: bytes) -> None:
    assert read(email(name).replace(b"\n", end)) == read(email(name))


def test_every_file_has_an_expectation() -> None:
    assert {path.stem for path in (DATA / "bounces").glob("*.eml")} == {row[0] for row in ROWS}


#: What the corpus expects, as kinds, verdicts and reasons.
EXPECTED = {
    "hard": lambda found: (found.kind, found.verdict) == (Kind.BOUNCE, Verdict.HARD),
    "soft": lambda found: (found.kind, found.verdict) == (Kind.BOUNCE, Verdict.SOFT),
    "content": lambda found: (found.verdict, found.reason, found.about_us) == (Verdict.SOFT, Reason.CONTENT, True),
    "complaint": lambda found: (found.kind, found.reason) == (Kind.COMPLAINT, Reason.ABUSE),
    "ignore": lambda found: found.verdict is Verdict.NONE and found.kind is not Kind.COMPLAINT,
    "unattributed": lambda found: found.notification is None,
}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_corpus(case: dict[str, str]) -> None:
    forged = case["expect"] == "unattributed"
    raw = case["raw"].replace("{verp}", VERP).replace("{message_id}", "<x@other.example>" if forged else MESSAGE_ID)
    found = read(raw.encode())
    assert EXPECTED[case["expect"]](found)
    acts = found.verdict is Verdict.HARD or found.kind is Kind.COMPLAINT
    assert (acts and found.notification == VERP) is case["suppress"]


def test_a_bomb_of_parts_is_another_email() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (n, n) for n in range(2000))
    assert read(nested) == Report(Kind.OTHER)
    assert read(b"Content-Type: multipart/mixed; boundary=B\n\n" + b"--B\n" * 200_000).kind is Kind.OTHER


@given(st.binary(max_size=3000))
def test_any_bytes_are_read(data: bytes) -> None:
    found = read(data)
    assert (found.verdict is Verdict.NONE) == (found.reason is None or found.reason not in set(Reason) - NOT_FAILED)


NOT_FAILED = NOTHING_FAILED | {
    Reason.ABUSE, Reason.FRAUD, Reason.OPT_OUT, Reason.NOT_SPAM, Reason.AUTH_FAILURE, Reason.FEEDBACK
}  # fmt: skip
SEEDS = [email(row[0]) for row in ROWS]


@given(st.sampled_from(SEEDS), st.sampled_from(SEEDS), st.data())
def test_broken_reports_are_read_and_line_ends_still_change_nothing(
    one: bytes, other: bytes, data: st.DataObject
) -> None:
    cut, begin = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    broken = one[:cut] + data.draw(st.binary(max_size=20)).replace(b"\r", b"") + other[begin:]
    found = read(broken)
    assert read(broken.replace(b"\n", b"\r\n")) == found
    assert read(broken.replace(b"\n", b"\r")) == found


def test_only_the_beginning_is_looked_at() -> None:
    begin = b"From: MAILER-DAEMON@x.example\nSubject: Undelivered Mail\n\n"
    late = b"\n\n<user@example.net>: 550 5.1.1 user unknown\n"
    assert read(begin + late).verdict is Verdict.HARD
    assert read(begin + b"x" * MAX_BYTES + late).reason is Reason.UNSPECIFIED


def test_a_big_email_that_is_returned_hides_no_fields() -> None:
    """Some systems put it first."""
    one, _, rest = email("postfix-unknown").partition(b"--==report\nContent-Type: message/delivery-status")
    big = b"--==report\nContent-Type: message/rfc822\n\nSubject: x\n\n" + b"data\n" * 40_000
    found = read(
        one.replace(b"said: 550 5.1.1", b"said no") + big + b"--==report\nContent-Type: message/delivery-status" + rest
    )
    assert (found.verdict, found.code) == (Verdict.HARD, 550)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("550 5.1.1 user unknown", Reason.USER_UNKNOWN),
        ("550 5.1.1 user unknown, please try again later", Reason.REFUSED),
        ("550 5.7.1 Message rejected due to content policy", Reason.CONTENT),
        ("550 5.7.26 This email is unauthenticated", Reason.AUTHENTICATION),
        ("550 5.1.8 Sender address rejected: Domain not found", Reason.SENDER_REFUSED),
        ("450 4.1.1 user unknown", Reason.REFUSED),
        ("552 5.3.4 Message too big", Reason.TOO_BIG),
        ("554 5.7.1 Client host [192.0.2.7] blocked using bl.example", Reason.BLOCKED),
        ("550 5.4.1 Recipient address rejected: Access denied", Reason.USER_UNKNOWN),
        ("550 5.1.1 no (in reply to MAIL FROM command)", Reason.SENDER_REFUSED),
        ("550 no", Reason.REFUSED),
    ],
)
def test_replies_mean_what_they_mean_in_our_own_dialogue(said: str, reason: Reason) -> None:
    assert report(f"<user@example.net>: host mx.example.net said: {said}").reason is reason


def test_words_of_the_address_itself_decide_nothing() -> None:
    found = read(email("postfix-unknown").replace(b"user@example.net", b"spam.policy@example.net"))
    assert found.verdict is not Verdict.NONE
    assert found.recipients == ("spam.policy@example.net",)


def test_words_of_the_returned_email_decide_nothing() -> None:
    below = "\n--- Below this line is a copy of the message.\n\nSubject: 550 5.1.1 user unknown\n"
    assert report("<user@example.net>:\nSorry, it did not work out." + below).reason is Reason.UNSPECIFIED


def test_parts_after_the_returned_email_decide_nothing() -> None:
    after = b"--==report\nContent-Type: text/plain\n\n550 5.1.1 user unknown\n--==report--\n"
    assert read(email("refused-in-words-with-5.1.1").replace(b"--==report--\n", after)).reason is Reason.UNSPECIFIED


def test_recipients_are_named_by_fields_a_header_or_words() -> None:
    assert read(email("two-recipients-mixed")).recipients == ("user@example.net", "other@example.net")
    assert read(email("international")).recipients == ("jörg@example.net",)
    assert report("Sorry.", X_Failed_Recipients="a@b.example, c@d.example").recipients == ("a@b.example", "c@d.example")
    assert report("Not delivered to:\n  a@b.example\n", To="ours@shop.example").recipients == ("a@b.example",)
    assert report("ours@shop.example: your email was not delivered.", To="ours@shop.example").recipients == ()


def test_each_recipient_of_a_report_has_a_finding() -> None:
    one, other = read(email("two-recipients-mixed")).findings
    assert (one.recipient, one.verdict, other.recipient, other.verdict) == (
        "user@example.net", Verdict.HARD, "other@example.net", Verdict.SOFT
    )  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"To": f"b+{VERP}@bounces.shop.example"},
        {"To": f"B+{VERP}@BOUNCES.shop.example"},
        {"To": "b-17-abcdefgh234567ij@bounces.shop.example"},
        {"To": "b17.abcdefgh234567ij@bounces.shop.example"},
        {"To": "Bounces <b=17.abcdefgh234567ij@bounces.shop.example>"},
        {"X_Original_To": f"b+{VERP}@bounces.shop.example", "To": "bounces@shop.example"},
        {"To": "returns-17-abcdefgh234567ij@bounces.shop.example"},
        {"To": f"SRS0=xY=QR=shop.example=b+{VERP}@forwarder.example"},
        {"In_Reply_To": MESSAGE_ID},
        {"References": f"<1@other.example> {MESSAGE_ID}"},
    ],
)
def test_our_email_is_named_by_the_headers(headers: dict[str, str]) -> None:
    found = report("<user@example.net>: 550 5.1.1 user unknown", **headers).notification
    assert (found or "").lower() == VERP


@pytest.mark.parametrize(
    "returned", [f"Message-ID: {MESSAGE_ID}", f"X-Notifier-Id: {VERP}", f"Return-Path: <b+{VERP}@bounces.shop.example>"]
)
def test_our_email_is_named_by_what_comes_back(returned: str) -> None:
    below = f"Sorry, no mailbox here by that name.\n\n--- Below this line is a copy of the message.\n\n{returned}\n"
    assert report(below).notification == VERP
    attached = email("postfix-unknown").replace(b"Message-ID: <42@shop.example>", returned.encode())
    assert read(attached).notification == VERP


def test_the_envelope_names_our_email() -> None:
    assert read(email("qmail-unknown"), f"b+{VERP}@bounces.shop.example").notification == VERP
    assert read(email("qmail-unknown")).notification is None


def test_a_report_that_names_two_of_our_emails_names_none() -> None:
    found = report(f"Message-ID: {MESSAGE_ID}", To="b+18.abcdefgh234567ij@bounces.shop.example")
    assert found.notification is None
    assert {(claim.source, claim.id) for claim in found.claims} == {("return_path", 18), ("message_id", 17)}


@pytest.mark.parametrize(
    "text",
    [
        "b+17.0123456789abcdef@shop.example",
        "b+17.short@shop.example",
        "<n17@shop.example>",
        "xn17.abcdefgh234567ij@y",
    ],
)
def test_what_only_looks_like_ours_is_no_claim(text: str) -> None:
    assert report(f"Not delivered: {text}").claims == ()


def test_ids_of_the_system_that_reports_are_kept() -> None:
    fields = b"Reporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: 4F2A1\nOriginal-Envelope-Id: env-17"
    found = read(email("postfix-unknown").replace(b"Reporting-MTA: dns; mx.example.net", fields))
    assert (found.reporting_mta, found.queue_ids) == ("mx.example.net", ("4F2A1", "env-17"))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("It was queued as 4bQxZs3yVhz1wKp.", "4bQxZs3yVhz1wKp"),  # Postfix
        ("queue id: 1sXyZ0-00000000ABC-1dEf", "1sXyZ0-00000000ABC-1dEf"),  # Exim
        ("queue-id=0a1B2c/3+4_5==", "0a1B2c/3+4_5=="),
        ("queued as <0102019a3f-7c1e-000000@email.amazonses.com>", "0102019a3f-7c1e-000000@email.amazonses.com"),
        (
            "The message identifier is: <AM0PR04MB1234.eurprd04.prod@AM0PR04MB1234.example>.",
            "AM0PR04MB1234.eurprd04.prod@AM0PR04MB1234.example",
        ),
        ("queued as 0a129aee-e1cd-480d-b08d-4f48548ff48d, and refused", "0a129aee-e1cd-480d-b08d-4f48548ff48d"),
    ],
)
def test_the_id_of_a_server_is_read_out_of_its_words(words: str, name: str) -> None:
    assert report(f"Your email failed: 550 5.1.1 no such user.\n{words}").queue_ids == (name,)


def test_a_gateway_that_attaches_the_report_hides_nothing() -> None:
    inner = email("mailbox-full").replace(b"==report", b"==inner")
    outer = (
        b"From: postmaster@example.net\nSubject: Delivery Status Notification\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/mixed; boundary=outer\n\n--outer\nContent-Type: message/rfc822\n\n"
    )
    assert read(outer + inner + b"\n--outer--\n").reason is Reason.MAILBOX_FULL


def test_the_list_of_reasons_is_closed_and_documented() -> None:
    page = (DATA.parent.parent / "docs" / "bounces.md").read_text()
    assert list(SENTENCES) == list(Reason)
    for reason, sentence in SENTENCES.items():
        assert f"| `{reason}` | {sentence} |" in page
    assert not DEAD & (ABOUT_US | NOTHING_FAILED)

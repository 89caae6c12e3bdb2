"""Signatures: what receivers verify, and what they must refuse (B11)."""

import re
import shutil
import subprocess
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import dkim
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from dkim.canonicalization import Relaxed

from notifier.mail.message import build, subscription_headers
from notifier.sender_auth.dkim_keys import KeyProblem, PublicKey, load_private_key
from notifier.sender_auth.dkim_signing import EXPIRES_SECONDS, SIGNED, DkimSigner, SigningError, relaxed_body
from notifier.testing.smtp_server import SmtpServer
from tests.mail.test_message import PLAIN
from tests.support.keys import FORMS, key_file
from tests.support.mail import envelope, transport_to

URL = "https://app.example.com/unsubscribe/" + "x" * 300
SUBSCRIPTION = build(replace(PLAIN, headers=subscription_headers(URL, "monthly.example.com", "1:monthly:notifier:x")))


def signer(folder: Path, form: str = "rsa-pkcs8", selector: str = "s1", number: int = 1) -> DkimSigner:
    return DkimSigner("notifier.example", selector, load_private_key(key_file(folder, form, number)))


def verifies(data: bytes, *signers: DkimSigner) -> bool:
    """As a receiver does it; DNS knows the keys of `signers`."""
    records = {f"{each.selector}._domainkey.{each.domain}.".encode(): each.key.public.record for each in signers}
    answer: bool = dkim.verify(data, dnsfunc=lambda name, timeout=5: records.get(name, "").encode())
    return answer


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_verifies(form: str, tmp_path: Path) -> None:
    one = signer(tmp_path, form)
    signed = one.sign(SUBSCRIPTION)
    assert signed.startswith(b"DKIM-Signature: ")
    assert signed.endswith(SUBSCRIPTION)
    assert verifies(signed, one)
    assert verifies(one.sign(build(PLAIN)), one)


ODD = b"a: 1\r\nFrom:  x \t y\r\n\tz\r\nfrom: second@x.example\r\nSubject:\r\nb:\r\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "data",
    [
        SUBSCRIPTION,
        build(PLAIN),
        ODD,
        ODD + b"\r\n",
        ODD + b"\r\n\r\n\r\n",
        ODD + b"\r\n a \t b\t\r\n\r\n.\r\n  \r\n \r\n",
        ODD + b"\r\nno line end",
    ],
)
def test_it_is_what_dkimpy_signs(data: bytes, form: str, tmp_path: Path) -> None:
    """Octet for octet: both kinds of signature are the same whenever they are made."""
    material = key_file(tmp_path, form).read_bytes()
    if form == "ed25519":
        secret = load_pem_private_key(material, None)
        assert isinstance(secret, Ed25519PrivateKey)
        material = b64encode(secret.private_bytes_raw())
    for domain, selector in (("notifier.example", "s1"), ("a" * 55 + ".example", "b" * 63)):
        one = replace(signer(tmp_path, form), domain=domain, selector=selector)
        with time_machine.travel(1_790_000_000.9, tick=False):
            ours = one.sign(data)
            theirs = Expiring(data).sign(
                selector.encode(), domain.encode(), material, canonicalize=(b"relaxed", b"relaxed"),
                signature_algorithm=one.key.algorithm, include_headers=names_of(ours),
            )  # fmt: skip
            assert ours == theirs + data


class Expiring(dkim.DKIM):  # type: ignore[misc]
    """dkimpy, which writes no x= of its own."""

    def gen_header(self, fields: list[tuple[bytes, bytes]], *rest: object, **named: object) -> object:
        place = [name for name, _ in fields].index(b"t") + 1
        expires = b"%d" % (int(fields[place - 1][1]) + EXPIRES_SECONDS)
        return super().gen_header([*fields[:place], (b"x", expires), *fields[place:]], *rest, **named)


def tags_of(signed: bytes) -> dict[bytes, bytes]:
    """The tags of the signature on top, without white space."""
    field = re.split(rb"\r\n(?![ \t])", signed, maxsplit=1)[0]
    parts = re.sub(rb"\s", b"", field.partition(b":")[2]).split(b";")
    return {name: value for name, _, value in (part.partition(b"=") for part in parts)}


def names_of(signed: bytes) -> list[bytes]:
    return tags_of(signed)[b"h"].split(b":")


def test_every_short_body_is_relaxed_as_dkimpy_does_it() -> None:
    for size in range(7):
        for parts in product((b"a", b" ", b"\t", b"\r\n", b"\n"), repeat=size):
            body = b"".join(parts)
            assert relaxed_body(body) == Relaxed.canonicalize_body(body), body


def test_it_is_relaxed_names_its_fields_and_folds(tmp_path: Path) -> None:
    long = replace(signer(tmp_path), domain="a" * 55 + ".example", selector="b" * 63)
    signed = long.sign(SUBSCRIPTION)
    assert verifies(signed, long)
    field = signed.removesuffix(SUBSCRIPTION)
    assert field.count(b"\n") == field.count(b"\r\n") == field.count(b"\r")
    assert max(map(len, field.split(b"\r\n"))) <= 78
    tags = tags_of(signed)
    assert tags[b"c"] == b"relaxed/relaxed"
    assert tags[b"a"] == b"rsa-sha256"
    present = {line.partition(b":")[0].lower() for line in re.findall(rb"(?m)^[A-Za-z-]+:", head_of(SUBSCRIPTION))}
    assert Counter(names_of(signed)) == {name: 2 if name in present else 1 for name in SIGNED}
    assert present <= set(SIGNED)


def head_of(data: bytes) -> bytes:
    return data.partition(b"\r\n\r\n")[0]


def test_a_signature_expires(tmp_path: Path) -> None:
    """A recorded email cannot be sent to others in our name for ever; a mail server that tries for days may be late."""
    one = signer(tmp_path)
    with time_machine.travel(1_790_000_000, tick=False) as now:
        signed = one.sign(SUBSCRIPTION)
        assert int(tags_of(signed)[b"x"]) == int(tags_of(signed)[b"t"]) + EXPIRES_SECONDS
        now.shift(timedelta(days=6))
        assert verifies(signed, one)
        now.shift(timedelta(days=2))
        assert not verifies(signed, one)


FULL = build(
    replace(
        PLAIN,
        reply_to="help@notifier.example",
        headers=subscription_headers(URL, "monthly.example.com", "1:monthly:notifier:x"),
    )
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"List-Unsubscribe: <https://app", b"List-Unsubscribe: <https://evil"),
        (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click", b"List-Unsubscribe-Post: no"),
        (b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click", b""),
        (b"\r\nList-ID: <monthly", b"\r\nList-ID: <yearly"),
        (b"\r\nFeedback-ID: 1:", b"\r\nFeedback-ID: 2:"),
        (b"\r\nReply-To: help", b"\r\nReply-To: eve"),
        (b"\r\nAuto-Submitted: auto-generated", b"\r\nAuto-Submitted: no"),
        (b"\r\nAuto-Submitted: auto-generated", b""),
        (b"multipart/alternative", b"multipart/mixed"),
        (b"\r\nMIME-Version: 1.0", b""),
        (b"\r\nTo: ada", b"\r\nTo: eve"),
        (b"\r\nSubject: Hello", b"\r\nSubject: You won"),
        (b"\r\nDate: ", b"\r\nDate: Mon, "),
        (b"\r\nMessage-ID: <", b"\r\nMessage-ID: <x"),
        (b"Hello", b"Hi"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n", b"Content-Transfer-Encoding: 7bit\r\n\r\n"),
        *[
            (b"\r\nMIME-Version", b"\r\n" + field + b"\r\nMIME-Version")
            for field in (
                *(b"From: boss@notifier.example", b"Sender: boss@notifier.example", b"Reply-To: eve@evil.example"),
                *(b"To: eve@example.com", b"Cc: eve@example.com", b"Subject: You won", b"Message-ID: <x@y.example>"),
                *(b"Date: Mon, 01 Jan 2024 00:00:00 +0000", b"Content-Type: text/plain", b"MIME-Version: 2.0"),
                *(b"Content-Transfer-Encoding: base64", b"List-Unsubscribe: <https://evil.example>", b"List-ID: <x.y>"),
                *(b"List-Unsubscribe-Post: x", b"Feedback-ID: a:b:c:d", b"Auto-Submitted: no", b"In-Reply-To: <a@b.c>"),
                *(b"X-Notifier-Id: 1.aaaaaaaaaaaaaaaa", b"CFBL-Address: eve@evil.example; report=arf"),
            )
        ],
    ],
)
def test_whatever_is_changed_breaks_it(old: bytes, new: bytes, tmp_path: Path) -> None:
    one = signer(tmp_path)
    signed = one.sign(FULL)
    head, body = signed[: signed.index(b"\r\nFrom: ")], signed[signed.index(b"\r\nFrom: ") :]
    assert old in body
    assert not verifies(head + body.replace(old, new, 1), one)


@pytest.mark.parametrize("name", SIGNED)
def test_a_second_one_of_any_field_breaks_it_above_and_below(name: bytes, tmp_path: Path) -> None:
    one = signer(tmp_path)
    signed = one.sign(FULL)
    field = name + b": x\r\n"
    assert not verifies(field + signed, one)
    assert not verifies(signed.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n", 1), one)


def test_nobody_can_add_an_unsubscribe_field_to_mail_without_one(tmp_path: Path) -> None:
    one = signer(tmp_path)
    signed = one.sign(build(PLAIN))
    added = signed.replace(b"\r\nMIME-Version", b"\r\nList-Unsubscribe: <https://evil.example>\r\nMIME-Version", 1)
    assert not verifies(added, one)


def test_white_space_that_a_relay_changes_does_not_break_it(tmp_path: Path) -> None:
    one = signer(tmp_path)
    assert verifies(one.sign(SUBSCRIPTION).replace(b"\r\nSubject: ", b"\r\nsubject:  ", 1) + b"\r\n\r\n", one)


def test_keys_are_changed_by_selector(tmp_path: Path) -> None:
    """Mail of both is verified while both records are published; the old one's no more once it is gone."""
    old, new = signer(tmp_path, selector="2026a"), signer(tmp_path, selector="2026b", number=2)
    mails = [each.sign(SUBSCRIPTION) for each in (old, new)]
    assert all(verifies(mail, old, new) for mail in mails)
    assert [verifies(mail, new) for mail in mails] == [False, True]
    assert not verifies(mails[0], replace(old, key=new.key))


@pytest.mark.parametrize(
    "data", [b"", b"no header\r\n\r\nbody\r\n", b" folded: 1\r\n\r\n", b"\r\nbody\r\n", b"From: a\n\nbody\r\n\r\n"]
)
def test_a_thing_without_a_header_block_is_not_signed(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SigningError):
        signer(tmp_path).sign(data)


@pytest.mark.parametrize("driver", ["one", "loop"])
def test_a_transport_signs_what_it_sends(driver: str, tmp_path: Path) -> None:
    one = signer(tmp_path)
    mails = [envelope(key, data=SUBSCRIPTION) for key in (1, 2)]
    with SmtpServer() as server, transport_to(server, sign=one.sign, connections=1) as transport:
        if driver == "one":
            transport.send(mails[0])
            transport.send(mails[1])
        else:
            list(transport.send_batch(mails))
    assert len(server.accepted) == 2
    for mail in server.accepted:
        assert verifies(mail.data, one)
        assert f"SIZE={len(mail.data)}" in mail.parameters
    assert mails[0].data == SUBSCRIPTION


# --- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_the_record_holds_the_key(form: str, tmp_path: Path) -> None:
    path = key_file(tmp_path, form)
    key = load_private_key(path)
    assert PublicKey.from_record(key.public.record) == key.public
    assert PublicKey.from_record(key.public.record.replace("p=", "t=s; p=") + ";") == key.public
    assert "PRIVATE" not in repr(key)
    assert path.read_text().splitlines()[1] not in repr(key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="NOT RUN: openssl was not found")
def test_the_record_is_what_openssl_makes_of_the_key(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    command = ["openssl", "pkey", "-in", str(path), "-pubout"]
    public = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert load_private_key(path).public.record == "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])


def test_a_key_with_windows_line_ends_is_read(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    key = load_private_key(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_private_key(path) == key


RUBBISH = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
ELLIPTIC = ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no private key in PEM form"),
        (b"\x30\x82\xff", "holds no private key in PEM form"),
        (RUBBISH, "holds no RSA or Ed25519 key"),
        (RUBBISH.replace(b"AAAA", b"MC4CAQAwBQYDK2VwBCIEIAAA"), "holds no RSA or Ed25519 key"),
        (ELLIPTIC, "holds no RSA or Ed25519 key"),
        (RUBBISH.replace(b"PRIVATE", b"PUBLIC"), "does not contain a private key but: public key"),
        (RUBBISH.replace(b"PRIVATE", b"ENCRYPTED PRIVATE"), "is encrypted"),
        (RUBBISH.replace(b"\nAAAA", b"\nProc-Type: 4,ENCRYPTED\n\nAAAA"), "is encrypted"),
    ],
)
def test_what_is_no_key_is_said(content: bytes | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyProblem, match=problem):
        load_private_key(path)


def test_a_damaged_key_is_found_at_the_start(tmp_path: Path) -> None:
    """It would sign, and nobody would verify it."""
    path = key_file(tmp_path, "rsa-pkcs1")
    lines = path.read_text().splitlines()
    lines[6] = lines[6].swapcase()
    path.write_text("\n".join([*lines, ""]))
    with pytest.raises(KeyProblem, match="holds no RSA or Ed25519 key"):
        load_private_key(path)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("hello", "not a list of tags"),
        ("v=DKIM2; p=AAAA", "unknown version or kind"),
        ("v=DKIM1; k=dsa; p=AAAA", "unknown version or kind"),
        ("v=DKIM1; k=rsa", "has no p="),
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1; p=MIIBIjANBgkqhki", "was it cut"),
        ("v=DKIM1; k=ed25519; p=AAAA", "32 octets"),
        ("v=DKIM1; p=\u00e4", "not a list of tags|was it cut"),
    ],
)
def test_what_is_no_record_is_said(record: str, problem: str) -> None:
    with pytest.raises(KeyProblem, match=problem):
        PublicKey.from_record(record)

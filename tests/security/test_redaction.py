"""What is taken out of texts that others wrote, and what must stay readable."""

import time

import pytest

from notifier.security.redaction import redacted, without_addresses
from notifier.smtp.masking import without_recipient
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Key (identity_key)=(ada@example.com) already exists.", "Key (identity_key)=(<address>) already exists."),
        ("GET /admin/people/?email=ada%40example.com", "GET /admin/people/?email=<address>"),
        ('to "ada l"@example.com, jörg@bücher.example', "to <address>, <address>"),
        ("no such user o'brien@example.com.", "no such user <address>."),
        ("in 'ada@example.com'", "in <address>'"),
        ("ada%2540example.com, ada\uff20example.com", "<address>, <address>"),
        ("ada@[192.0.2.1] refused", "<address> refused"),
        ("celery@web-1 ready", "celery@web-1 ready"),
        ("nothing here", "nothing here"),
    ],
)
def test_addresses_go(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_the_audit_log_takes_no_chance_with_a_domain_without_a_dot() -> None:
    assert without_addresses("ada@localhost asked") == "<address> asked"


@pytest.mark.parametrize("form", ["Ada L. Ng", "Ada+L.+Ng", "Ada%20L.%20Ng"])
def test_known_values_go_however_they_are_written(form: str) -> None:
    assert redacted(f"no {form}, and Adamant", ["Ada L. Ng", "Ad"]) == "no <private>, and Adamant"


def test_a_long_text_without_anything_costs_little() -> None:
    began = time.process_time()
    for text in ("x" * 100_000, "x-" * 50_000, "x@" * 2000, "a." * 50_000):
        redacted(text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("recipient", "said", "kept"),
    [
        ("Ada@example.com", "<ada@EXAMPLE.com>: unknown", "<recipient>: unknown"),
        ("ada@example.com", "user ada unknown, Adam too", "user <recipient> unknown, Adam too"),
        ("ada+x@example.com", "see http://h/?e=ada%2Bx%40example.com", "see http://h/?e=<recipient>"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example is gone", "<recipient> is gone"),
        ("ada@example.com", "queued as 7F3A", "queued as 7F3A"),
    ],
)
def test_a_kept_reply_repeats_no_recipient(recipient: str, said: str, kept: str) -> None:
    outcome = Outcome(Decision.BOUNCE, Phase.RCPT, Scope.RECIPIENT, 550, "5.1.1", said)
    assert without_recipient(outcome, recipient) == outcome._replace(text=kept)

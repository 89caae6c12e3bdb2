"""Tokens: bound to a purpose, a person, an address, a key and a time."""

import base64
import hashlib
import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from itsdangerous import URLSafeTimedSerializer

from notifier.security.links import Links
from notifier.security.tokens import BadToken, ConsentClaim, ExpiredToken, Signer, fingerprint

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
OLD, NEW, OTHER = "old-key-" * 5, "new-key-" * 5, "other-key-" * 5
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def signer() -> Signer:
    return Signer([OLD, NEW])


@pytest.fixture
def token(signer: Signer) -> str:
    return signer.issue_verification(42, "user@example.com", "n0nce", NOW)


def test_a_token_says_who_and_when_and_binds_address_and_nonce(signer: Signer, token: str) -> None:
    claim = signer.read_verification(token, DAY)
    assert (claim.user_id, claim.issued_at) == (42, NOW)
    assert claim.matches("n0nce", "user@example.com")
    assert not claim.matches("n0nce", "other@example.com")
    assert not claim.matches("other", "user@example.com")
    assert claim.fingerprint == fingerprint("n0nce", "user@example.com")


def test_fingerprints_cannot_be_shifted_between_nonce_and_address() -> None:
    assert fingerprint("ab", "c@example.com") != fingerprint("a", "bc@example.com")
    assert fingerprint("1:a", "b") != fingerprint("1", "a:b")


def test_a_token_shows_neither_address_nor_nonce(token: str) -> None:
    payload = token.split(".")[0]
    assert b"example" not in base64.urlsafe_b64decode(payload + "==")
    assert "n0nce" not in token


def test_a_retried_mail_has_the_same_link(signer: Signer, token: str) -> None:
    with time_machine.travel(NOW + timedelta(hours=3), tick=False):
        assert signer.issue_verification(42, "user@example.com", "n0nce", NOW) == token


def test_tokens_are_short_and_url_safe(token: str) -> None:
    assert len(token) <= 100
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


@pytest.mark.parametrize(("age", "good"), [(0, True), (86_400, True), (86_401, False), (10**9, False)])
def test_age(signer: Signer, token: str, age: int, good: bool) -> None:
    with time_machine.travel(NOW + timedelta(seconds=age), tick=False):
        if good:
            assert signer.read_verification(token, 86_400).user_id == 42
        else:
            with pytest.raises(ExpiredToken):
                signer.read_verification(token, DAY)


def test_a_clock_that_is_behind_a_little_does_not_matter(signer: Signer, token: str) -> None:
    with time_machine.travel(NOW - timedelta(seconds=30), tick=False):
        assert signer.read_verification(token, DAY).user_id == 42
    with time_machine.travel(NOW - timedelta(hours=1), tick=False), pytest.raises(BadToken):
        signer.read_verification(token, DAY)


def test_rotation() -> None:
    signed_with_old = Signer([OLD]).issue_verification(1, "a@example.com", "n", NOW)
    assert Signer([OLD, NEW]).read_verification(signed_with_old, DAY).user_id == 1
    with pytest.raises(BadToken):
        Signer([NEW, OTHER]).read_verification(signed_with_old, DAY)
    signed = Signer([OLD, NEW]).issue_verification(1, "a@example.com", "n", NOW)
    assert Signer([NEW]).read_verification(signed, DAY).user_id == 1
    with pytest.raises(BadToken):
        Signer([OLD]).read_verification(signed, DAY)


def test_purposes_are_apart(signer: Signer, token: str) -> None:
    unsubscribe = signer.issue("unsubscribe", [42, fingerprint("n0nce", "user@example.com")])
    with pytest.raises(BadToken):
        signer.read_verification(unsubscribe, DAY)
    with pytest.raises(BadToken):
        signer.read("unsubscribe", token)
    assert signer.read("unsubscribe", unsubscribe) == [42, fingerprint("n0nce", "user@example.com")]


def test_a_purpose_without_expiry_lasts(signer: Signer) -> None:
    token = signer.issue("unsubscribe", {"user": 7, "category": "reports"}, NOW)
    with time_machine.travel(NOW + timedelta(days=3650), tick=False):
        assert signer.read("unsubscribe", token) == {"user": 7, "category": "reports"}
        with pytest.raises(ExpiredToken):
            signer.read("unsubscribe", token, max_age=60)


def test_a_genuine_payload_of_another_shape_is_not_a_verification(signer: Signer) -> None:
    for payload in ([1], [1, 2], ["1", "x"], {"a": 1}, None):
        with pytest.raises(BadToken):
            signer.read_verification(signer.issue("verify-email", payload, NOW), DAY)


def test_the_digest_is_sha256_and_sha1_does_not_pass(signer: Signer, token: str) -> None:
    assert len(token.rpartition(".")[2]) == 43
    weak = URLSafeTimedSerializer(NEW, salt="notifier.verify-email").dumps([42, "x"])
    with pytest.raises(BadToken):
        signer.read_verification(weak, DAY)


def test_every_flipped_bit_is_noticed(signer: Signer, token: str) -> None:
    for index, char in enumerate(token):
        for bit in range(7):
            with pytest.raises(BadToken):
                signer.read_verification(token[:index] + chr(ord(char) ^ (1 << bit)) + token[index + 1 :], DAY)


GARBAGE: list[Callable[[str], str]] = [
    lambda token: token + "=", lambda token: token + "==", lambda token: token + "\n", lambda token: " " + token,
    lambda token: token[:-1], lambda token: token[1:], lambda token: token.replace(".", "..", 1),
    lambda token: "." + token, lambda token: token + ".", lambda token: token + "." + token,
    lambda token: token.upper(),
    lambda token: "\0" + token, lambda token: token + "é", lambda token: "ü" * 40, lambda token: "\ud800",
    lambda token: "", lambda token: ".", lambda token: "..", lambda token: "x" * 20_000, lambda token: "." * 20_000,
    lambda token: "٣" * 50, lambda token: "a.b." + "A" * 43, lambda token: ".eJw.b." + "A" * 43, lambda token: "%00",
    lambda token: token.partition(".")[0] + ".____________." + token.rpartition(".")[2],
]  # fmt: skip


@pytest.mark.parametrize("spoil", GARBAGE)
def test_garbage_is_a_bad_token_and_nothing_else(signer: Signer, token: str, spoil: Callable[[str], str]) -> None:
    with pytest.raises(BadToken):
        signer.read_verification(spoil(token), DAY)


def test_random_garbage(signer: Signer, token: str) -> None:
    dice = random.Random(9)
    pool = string.printable + "é\0\u2028\ud800" + token
    for _ in range(2000):
        text = "".join(dice.choices(pool, k=dice.randint(0, 120)))
        with pytest.raises(BadToken):
            signer.read("anything", text)


def test_keys_and_times_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        Signer([])
    with pytest.raises(ValueError, match="aware"):
        Signer([NEW]).issue_verification(1, "a@example.com", "n", datetime(2026, 1, 1))  # noqa: DTZ001 - that is the test


@pytest.mark.parametrize("payload", [[1, "x"], {"a": 1}, "\u00fc\u2028", None, 1.5, ["y" * 500, None, True]])
def test_what_is_signed_is_what_the_library_signs(payload: Any) -> None:
    library = URLSafeTimedSerializer(
        [OLD, NEW],
        salt="notifier.any",
        signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
    )
    token = Signer([OLD, NEW]).issue("any", payload, NOW)
    assert library.loads(token, return_timestamp=True) == (payload, NOW)
    assert Signer([OLD, NEW]).read("any", token) == payload
    if len(str(payload)) < 100:  # the library compresses what is long
        assert library.dumps(payload) == token


def unsubscribe(signer: Signer, **values: Any) -> str:
    given = {"user_id": 42, "identity_key": "user@example.com", "category": "news", "notification_id": 7} | values
    return signer.issue_unsubscribe(**given, issued_at=NOW)


def preferences(signer: Signer) -> str:
    return signer.issue_preferences(42, "user@example.com", 7, NOW)


def test_an_unsubscribe_token_says_who_what_and_which_mail(signer: Signer) -> None:
    claim = signer.read_unsubscribe(unsubscribe(signer))
    assert claim == ConsentClaim(42, fingerprint("", "user@example.com"), "news", 7, NOW)
    assert claim.matches("user@example.com")
    assert not claim.matches("other@example.com")
    assert signer.read_unsubscribe(unsubscribe(signer, notification_id=None)).notification_id is None


def test_a_preferences_token_is_for_all_categories(signer: Signer) -> None:
    claim = signer.read_preferences(preferences(signer))
    assert claim == ConsentClaim(42, fingerprint("", "user@example.com"), "", 7, NOW)


def test_tokens_of_consent_open_no_other_door(signer: Signer, token: str) -> None:
    for read, others in [
        (signer.read_unsubscribe, [token, preferences(signer)]),
        (signer.read_preferences, [token]),
        (lambda text: signer.read_verification(text, DAY), [preferences(signer), unsubscribe(signer)]),
    ]:
        for other in others:
            with pytest.raises(BadToken):
                read(other)


def test_tokens_of_consent_never_expire_and_stay_the_same(signer: Signer) -> None:
    issued = [unsubscribe(signer), preferences(signer)]
    with time_machine.travel(NOW + timedelta(days=3650), tick=False):
        assert [unsubscribe(signer), preferences(signer)] == issued
        assert signer.read_unsubscribe(issued[0]).user_id == signer.read_preferences(issued[1]).user_id == 42
        old = [unsubscribe(Signer([OLD])), preferences(Signer([OLD]))]
        assert signer.read_unsubscribe(old[0]).user_id == signer.read_preferences(old[1]).user_id == 42


def test_each_argument_makes_another_token(signer: Signer) -> None:
    others = [{"user_id": 43}, {"identity_key": "x@example.com"}, {"category": "digest"}, {"notification_id": 8}]
    assert len({unsubscribe(signer), *(unsubscribe(signer, **other) for other in others)}) == 5


def test_a_genuine_payload_of_another_shape_is_not_of_consent(signer: Signer) -> None:
    for payload in ([1], [1, "x", "news"], [1, "x", "news", "7"], ["1", "x", "news", 7], [1, "x", None, 7], None):
        with pytest.raises(BadToken):
            signer.read_unsubscribe(signer.issue("unsubscribe", payload, NOW))


def test_links_of_consent(signer: Signer) -> None:
    links = Links("https://app.example.com", signer)
    who: dict[str, Any] = {
        "user_id": 42,
        "identity_key": "user@example.com",
        "notification_id": 7,
        "issued_at": NOW,
    }
    assert links.unsubscribe(**who, category="news") == f"https://app.example.com/u/{unsubscribe(signer)}"
    assert links.preferences(**who) == f"https://app.example.com/preferences/{preferences(signer)}"


def test_the_links_of_an_email_share_a_token(signer: Signer) -> None:
    """The page of an unsubscribe link leads to the preferences anyway."""
    links = Links("https://app.example.com", signer)
    both = links.both(user_id=42, identity_key="user@example.com", category="news", notification_id=7, issued_at=NOW)
    assert both == tuple(f"https://app.example.com/{page}/{unsubscribe(signer)}" for page in ("u", "preferences"))
    claim = signer.read_preferences(unsubscribe(signer))
    assert (claim.user_id, claim.notification_id, claim.matches("user@example.com")) == (42, 7, True)

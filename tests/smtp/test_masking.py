"""A recipient's address stands in no reply that is stored, whatever form the server gives it."""

from hypothesis import given
from hypothesis import strategies as st

from notifier.smtp import masking
from notifier.smtp.masking import RECIPIENT, without_recipient
from notifier.smtp.outcome import Decision, Outcome, Phase, Scope

#: Letters of which some are equal if their case is ignored, and what stands between words.
_LETTERS = "aAbB1+%<> .kKſsı"  # noqa: RUF001
_DOMAINS = ("a.b", "B.a", "xn--mnchen-3ya.de", "münchen.de")


def _outcome(text: str) -> Outcome:
    return Outcome(Decision.BOUNCE, Phase.RCPT, Scope.MESSAGE, text=text)


@given(local=st.text(_LETTERS, min_size=1, max_size=4), domain=st.sampled_from(_DOMAINS), text=st.text(_LETTERS + "@"))
def test_a_text_is_searched_with_a_pattern_whenever_the_pattern_would_find_something(
    local: str, domain: str, text: str
) -> None:
    recipient = f"{local}@{domain}"
    found = masking._repeated(recipient).sub(RECIPIENT, text)
    assert without_recipient(_outcome(text), recipient).text == found


def test_a_reply_that_does_not_name_the_recipient_needs_no_pattern_of_its_own() -> None:
    masking._repeated.cache_clear()
    for number in range(100):
        without_recipient(_outcome("2.0.0 Ok: queued as 4F1Xabcdef"), f"user{number}@example.com")
    assert masking._repeated.cache_info().currsize == 0

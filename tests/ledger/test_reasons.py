"""Reason codes: a closed list, each with one sentence."""

import string

import pytest

from notifier.models import CampaignRun, Notification
from notifier.reasons import MAX_LENGTH, SENTENCES, ReasonCode, sentence


@pytest.mark.parametrize("code", ReasonCode)
def test_every_code_has_a_sentence_and_fits_its_column(code: ReasonCode) -> None:
    details = {name: "x" * 500 for _, name, _, _ in string.Formatter().parse(SENTENCES[code]) if name}
    assert 0 < len(sentence(code, **details)) <= MAX_LENGTH
    assert len(code) <= Notification.__table__.c.reason_code.type.length
    assert len(code) <= CampaignRun.__table__.c.reason_code.type.length


def test_a_missing_detail_is_an_error_and_braces_in_a_detail_are_text() -> None:
    with pytest.raises(KeyError):
        sentence(ReasonCode.suppressed)
    assert sentence(ReasonCode.refused, reply="550 {why} {0}") == "550 {why} {0}"

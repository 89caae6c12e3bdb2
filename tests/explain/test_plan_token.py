"""The token of a plan: it refuses what was not planned, and lets pass what is nearly the same."""

from datetime import timedelta

import pytest
import time_machine

from notifier.campaigns.errors import CampaignError
from notifier.explain.plan_token import VALID, Basis, Drift, PlanChanged, Planned, check, issue, read
from notifier.security.tokens import Signer
from tests.support.applications import NOON

OLD, NEW = "old-key-" * 5, "new-key-" * 5
PARTS = {"campaign": 1, "settings": [3, "news", {}, {}], "content": [7, 1], "templates": "v1", "time": "now"}
PLANNED = Planned(Basis.of(PARTS), NOON + timedelta(microseconds=123_456), 1000, 500_500)

pytestmark = pytest.mark.usefixtures("frozen")


@pytest.fixture
def signer() -> Signer:
    return Signer([OLD, NEW])


def planned(count: int, keys: int = 0) -> Planned:
    return Planned(PLANNED.basis, NOON, count, keys)


def test_a_token_says_what_was_planned_and_fits_on_a_command_line(signer: Signer) -> None:
    token = issue(signer, PLANNED)
    assert read(signer, f" {token}\n") == PLANNED
    assert len(token) < 200
    # A key may be taken out of use later than the plan was made.
    assert read(Signer([NEW, OLD]), token) == PLANNED


def test_only_notifier_can_make_a_token(signer: Signer) -> None:
    payload, *rest = issue(signer, PLANNED).split(".")
    other, *_ = issue(signer, planned(5)).split(".")
    stranger = issue(Signer([OLD * 2]), PLANNED)
    link = signer.issue_verification(1, "a@example.com", "n", NOON)
    for text in ("", "x", "1a2b3c4d-1200-0f0f0f0f", ".".join([other, *rest]), f"{payload}.x", stranger, link, "é" * 99):
        with pytest.raises(CampaignError, match="is not the token of a plan"):
            read(signer, text)
    for payload_of_ours in ([], ["x" * 40, 1, 2], ["short", 1, 2, 3], {"count": 1}):
        with pytest.raises(CampaignError, match="is not the token of a plan"):
            read(signer, signer.issue("campaign-plan", payload_of_ours))


def test_a_token_expires_after_a_day(signer: Signer, frozen: time_machine.Traveller) -> None:
    token = issue(signer, PLANNED)
    frozen.move_to(NOON + VALID)
    assert read(signer, token) == PLANNED
    frozen.move_to(NOON + VALID + timedelta(seconds=1))
    with pytest.raises(PlanChanged, match="more than 24 hours ago"):
        read(signer, token)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"campaign": 2, "settings": "x"}, "This plan is for another campaign."),
        ({"time": "2026-11-20T09:00:00+00:00"}, "This plan is for another time."),
        ({"settings": [4, "news", {}, {}]}, "Since the plan was made, the campaign changed."),
        ({"content": [8, 1]}, "Since the plan was made, its content changed."),
        ({"content": [7, 2], "settings": "x"}, "Since the plan was made, the campaign and its content changed."),
        ({"templates": "v2"}, "Since the plan was made, the templates of its emails changed."),
    ],
)
def test_a_changed_configuration_or_content_is_always_refused(changes: dict[str, object], words: str) -> None:
    fresh = Planned(Basis.of(PARTS | changes), NOON, PLANNED.count, PLANNED.keys)
    with pytest.raises(PlanChanged) as refused:
        check(PLANNED, fresh, Drift(0, 0))
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("count", "joined", "left", "refused"),
    [
        (1000, 0, 0, False),
        (1000, 10, 0, False),
        (1000, 5, 5, False),
        (1000, 11, 0, True),
        (1000, 0, 11, True),
        (1000, 6, 5, True),
        (100_000, 500, 500, False),
        (100_000, 0, 1000, False),
        (100_000, 0, 1001, True),
        (3, 10, 0, False),
        (0, 0, 0, False),
        (0, 11, 0, True),
    ],
)
def test_a_run_accepts_ten_people_or_one_percent(count: int, joined: int, left: int, refused: bool) -> None:
    before, fresh = planned(count), planned(count + joined - left)
    if not refused:
        check(before, fresh, Drift(joined, left))
    else:
        with pytest.raises(PlanChanged, match=f"at least {joined:,} joined and {left:,} left"):
            check(before, fresh, Drift(joined, left))


def test_exact_accepts_no_one(signer: Signer) -> None:
    check(planned(1000), planned(1000), Drift(0, 0), exact=True)
    for drift in (Drift(1, 0), Drift(0, 1)):
        with pytest.raises(PlanChanged, match="this run accepts 0"):
            check(planned(1000), planned(1000 + drift.joined - drift.left), drift, exact=True)


@pytest.mark.parametrize(
    ("now", "keys", "joined", "left", "drift"),
    [
        (1000, 0, 0, 0, Drift(0, 0)),
        # The same people: what changed meanwhile was changed back.
        (1000, 0, 3, 0, Drift(0, 0)),
        # Only the count tells.
        (1007, 9, 0, 0, Drift(7, 0)),
        (993, 9, 0, 0, Drift(0, 7)),
        # Rows tell who joined, and with the count how many must have left.
        (1000, 9, 20, 0, Drift(20, 20)),
        (1005, 9, 20, 0, Drift(20, 15)),
        (980, 9, 20, 0, Drift(20, 40)),
        # Rows tell who left, and with the count how many must have joined.
        (1000, 9, 0, 20, Drift(20, 20)),
        (985, 9, 0, 20, Drift(5, 20)),
        # Others, as many as before, and no row tells who.
        (1000, 9, 0, 0, Drift(1, 1)),
    ],
)
def test_counts_complete_what_rows_tell(now: int, keys: int, joined: int, left: int, drift: Drift) -> None:
    assert Drift.between(planned(1000), planned(now, keys), joined=joined, left=left) == drift

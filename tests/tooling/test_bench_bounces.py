"""The measurement of bounces counts what it says, and fuzzing stops by itself."""

import random
from pathlib import Path

import pytest

from bench import bounces, fuzz_bounces
from notifier.bounces.reading import Report
from notifier.bounces.reasons import Kind, Reason, Verdict

DATA = Path(__file__).parents[1] / "data" / "bounces"
HARD = Report(Kind.BOUNCE, Verdict.HARD, Reason.USER_UNKNOWN)
SOFT = Report(Kind.BOUNCE, Verdict.SOFT, Reason.CONTENT)
LATE = Report(Kind.BOUNCE, Verdict.NONE, Reason.DELAYED)


def score(*files: tuple[str, Report]) -> bounces.Score:
    found = bounces.Score()
    for label, report in files:
        found.add("x", label, report)
    return found


def test_shares_are_those_of_the_bar() -> None:
    found = score(("hard", HARD), ("hard", SOFT), ("soft", SOFT), ("soft", HARD), ("soft", LATE), ("neutral", HARD))
    assert found.shares() == {"verdict": 5 / 6, "hard": 1 / 2, "wrong": 1 / 2}
    assert len(found.mistakes) == 3
    assert not found.passes()


def test_what_is_late_or_no_bounce_counts_only_if_it_acts() -> None:
    assert score(("hard", HARD), ("late", LATE), ("other", Report(Kind.AUTO_REPLY))).passes()
    assert not score(("hard", HARD), ("other", Report(Kind.COMPLAINT, reason=Reason.ABUSE))).passes()
    assert not score(("hard", HARD), ("late", HARD)).passes()


def test_labels_are_checked(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("absent.eml\thard\nx.eml\tdead\n")
    with pytest.raises(SystemExit, match=r"x\.eml: dead is not one of hard, late"):
        list(bounces.labelled(tmp_path))
    for line in (Path(bounces.__file__).parent / "bounces_labels.tsv").read_text().splitlines():
        assert line.partition("\t")[2] in bounces.LABELS


def test_hostile_emails_are_made_again_by_their_seed() -> None:
    seeds = [path.read_bytes() for path in sorted(DATA.glob("*.eml"))]
    one, other = (
        [fuzz_bounces.made(seeds, fuzz_bounces.TOKENS, chance) for _ in range(50)]
        for chance in (random.Random(1), random.Random(1))
    )
    assert one == other
    assert len(set(one)) > 40
    assert max(map(len, one)) <= fuzz_bounces.MAX_SIZE
    for data in one[:10]:
        fuzz_bounces.key(fuzz_bounces.read(data))


@pytest.mark.parametrize("kind", ["all", "dsn", "arf"])
def test_seeds_are_chosen_by_kind(kind: str) -> None:
    about = {b"Feedback-Type" in each or b"complaint about" in each for each in fuzz_bounces.seeds_of(DATA, kind)}
    assert about == {"all": {True, False}, "dsn": {False}, "arf": {True}}[kind]


def test_a_complaint_must_be_in_the_email(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_bounces, "read", lambda _: Report(Kind.COMPLAINT))
    assert fuzz_bounces.fault(b"Subject: x\n\nx", fuzz_bounces.Worst()) == "a complaint that no one made"

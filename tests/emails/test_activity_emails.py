"""What reports and digests say: figures in, words out. No database."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from notifier.database.expressions import number_of
from notifier.emails import KINDS, EmailKind, Owed, activity_phrases
from notifier.emails.digest_lines import Digest, DigestLine
from notifier.emails.report_figures import Figures, month_of
from notifier.ledger import Claimed, Recipient
from notifier.rendering.render import Rendered, Renderer
from notifier.security.links import Links
from notifier.security.tokens import Signer

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
RENDERER = Renderer(TEMPLATES)
AT = datetime(2026, 11, 16, 10, 0, tzinfo=UTC)
SINCE, UNTIL = datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 18, 8, 0, tzinfo=UTC)


def owed(kind: str, data: Any, zone: str = "UTC") -> Owed:
    user = Recipient(1, "ada@example.com", "Ada", "en", zone, None, "nonce")
    row = Claimed(
        id=1, claim=1, kind=kind, recipient="ada@example.com", dedupe_key="k", params={"zone": zone, "home": "UTC"},
        on_unknown="never", attempts=0, unknowns=0, deadline=None, created_at=AT, campaign_id=1, run_id=1, user=user,
    )  # fmt: skip
    return Owed(row, user, Links("https://notifier.test", Signer(["a-key-that-is-long-enough-for-it"])), data)


def rendered(kind: EmailKind, owed: Owed) -> Rendered:
    common = {
        "product": "Notifier", "public_url": "https://notifier.test", "recipient_name": "Ada", "locale": "en",
        "postal_address": "1 Harbour Road", "category_reason": kind.because,
        "unsubscribe_url": "https://notifier.test/u/x", "preferences_url": "https://notifier.test/preferences/x",
    }  # fmt: skip
    return RENDERER.render(kind.name, common | kind.context(owed))


def report(now: dict[str, int], before: dict[str, int] | None = None, **values: Any) -> tuple[dict[str, Any], Rendered]:
    first, since, until = date(2026, 10, 1), datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    month = month_of(first, number_of(since), number_of(until), ("UTC",))
    figures = Figures(month, Counter(now), Counter(before or {}), **{"weeks": Counter({0: sum(now.values())})} | values)
    mail = owed("monthly_report", figures)
    kind = KINDS["monthly_report"]
    return kind.context(mail), rendered(kind, mail)


def digest(
    *lines: DigestLine, since: datetime = SINCE, zone: str = "UTC", until: datetime = UNTIL, **counts: int
) -> tuple[dict[str, Any], Rendered]:
    """`counts` are of activities beyond those of the lines."""
    found = Counter(counts)
    for line in lines:
        found[line.kind] += line.count
    mail = owed("activity_digest", Digest(since, until, list(lines), found), zone)
    kind = KINDS["activity_digest"]
    return kind.context(mail), rendered(kind, mail)


def line(kind: str = "like", *names: str, title: str = "Night train", count: int = 0, people: int = 0) -> DigestLine:
    names = names or ("Ada",)
    return DigestLine(kind, title, count or len(names), people or len(names), AT, list(names))


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (3, 1, "up 2 from September"),
        (1, 3, "down 2 from September"),
        (2, 2, "same as in September"),
        (2, 0, "up from 0 in September"),
        (12345, 5, "up 12,340 from September"),
    ],
)
def test_the_change_in_words(now: int, before: int, words: str) -> None:
    context, mail = report({"like": now}, {"like": before})
    assert (context["change"], context["kinds"]) == (words, [("Likes", f"{now:,}", words)])
    noun = "interaction" if now == 1 else "interactions"
    assert f"\n{now:,} {noun} in October, {words}\n\nLikes: {now:,} ({words})\n" in mail.text
    assert f">{now:,}</p>" in mail.html
    assert f">{noun} in October, {words}</p>" in mail.html


def test_a_kind_that_there_was_in_one_of_the_two_months_is_shown() -> None:
    context, _ = report({"like": 1, "poke": 2, "wave": 1}, {"comment": 3})
    assert context["kinds"] == [
        ("Comments", "0", "down 3 from September"),
        ("Likes", "1", "up from 0 in September"),
        ("Other", "3", "up from 0 in September"),
    ]
    assert context["summary"] == "1 like and 3 other activities"


def test_a_first_month_is_compared_with_nothing() -> None:
    context, mail = report({"like": 1}, joined=date(2026, 10, 14))
    assert context["kinds"] == [("Likes", "1", "")]
    assert "You joined on 14 October." in mail.text
    assert "You joined on 14 October." in mail.html
    assert "September" not in mail.text + mail.html


def test_the_chart_is_made_of_cells_with_its_numbers_as_text() -> None:
    _, mail = report({"like": 1005}, weeks=Counter({0: 1000, 3: 4, 4: 1}))
    assert not re.search(r"<(svg|img|canvas|picture|object)|url\(", mail.html)
    bars = re.findall(r'width="(\d+)%"[^>]*>(?:<tbody>)?<tr><td class="bar-fill" bgcolor="#0c5a73"', mail.html)
    assert bars == ["100", "1", "1"]
    assert re.findall(r'class="bar-text bar-value"[^>]*>([\d,]+)<', mail.html) == ["1,000", "0", "0", "4", "1"]
    assert mail.text.replace("\u2013", "-").count("#") == 22
    assert "\n8\u201314 Oct  .................... 0\n" in mail.text
    assert "\n29\u201331 Oct #................... 1\n" in mail.text


def test_things_are_shown_as_text_whatever_their_titles() -> None:
    context, mail = report({"like": 3}, things=[("<b>Boat\r\nX", {"like": 1, "comment": 2}), ("", {"like": 1})])
    assert context["things"] == [("<b>Boat X", "2 comments and 1 like"), ("Untitled", "1 like")]
    assert "* <b>Boat X\n  2 comments and 1 like\n* Untitled" in mail.text
    assert "&lt;b&gt;Boat" in mail.html
    assert "<b>" not in mail.html
    assert "Your most popular posts" not in report({"like": 3})[1].text


@pytest.mark.parametrize(
    ("names", "people", "who"),
    [
        ("A", 1, "A"),
        ("AB", 2, "A and B"),
        ("ABC", 3, "A, B and C"),
        ("ABC", 4, "A, B and 2 others"),
        ("ABC", 1001, "A, B and 999 others"),
    ],
)
def test_people_in_words(names: str, people: int, who: str) -> None:
    assert activity_phrases.people(list(names), people) == who


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (line("like"), "Ada liked “Night train”"),
        (line("like", title=""), "Ada liked something of yours"),
        (line("comment", count=3), "Ada commented on “Night train” 3 comments ·"),
        (line("comment", "Ada", "Bo"), "Ada and Bo commented on “Night train”"),
        (line("follow", "Ada", "Bo"), "Ada and Bo started following you"),
        (line("friend_request"), "Ada sent you a friend request"),
        (line("friend_request", "Ada", "Bo"), "Ada and Bo sent you friend requests"),
        (line("poke"), "Ada was active on “Night train”"),
        (line("poke", "Ada", "Bo"), "Ada and Bo were active on “Night train”"),
        (line("like", ""), "Someone liked “Night train”"),
    ],
)
def test_sentences(one: DigestLine, sentence: str) -> None:
    context, mail = digest(one)
    assert re.sub(" +", " ", " ".join(context["lines"][0])) == f"{sentence} Monday, 16 November"
    assert f"\n* {sentence.split(' 3 ')[0]}\n  " in mail.text
    assert re.sub("<[^>]+>", "", mail.html).count(sentence.split(" 3 ")[0]) >= 2


@pytest.mark.parametrize(("count", "words", "rest"), [(1, "1 like", ""), (2, "2 likes", ", and 1 more")])
def test_one_and_several(count: int, words: str, rest: str) -> None:
    _, mail = digest(*[line()] * count)
    assert mail.subject == f"Ada liked “Night train”{rest}"
    assert f"New since Monday, 9 November: {words}." in mail.text
    assert f">{words}</span>" in mail.html


@pytest.mark.parametrize("more", [0, 1234])
def test_what_is_in_no_line_is_a_number(more: int) -> None:
    _, mail = digest(line(), like=more)
    assert ("\n* and 1,234 more\n\nSee everything:" in mail.text) is bool(more)
    assert (">and 1,234 more<" in mail.html) is bool(more)


@pytest.mark.parametrize(
    ("since", "until", "words"),
    [
        ("2026-11-16 23:30", "2026-11-18 08:00", "Tuesday, 17 November"),
        ("2026-11-18 06:45", "2026-11-18 08:00", "Wednesday, 07:45"),
        ("2025-12-01 10:00", "2026-11-18 08:00", "Monday, 1 December 2025"),
    ],
)
def test_days_are_named_on_the_readers_clock(since: str, until: str, words: str) -> None:
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (since, until))
    context, _ = digest(line(), since=begin, until=end, zone="Europe/Paris")
    assert context["since"] == words


def test_a_zone_that_is_none_is_the_campaigns() -> None:
    late = DigestLine("like", "T", 1, 1, AT + timedelta(hours=13, minutes=30), ["Ada"])
    assert digest(late, zone="Nowhere/Land")[0]["lines"][0][3] == "Monday, 16 November"
    assert digest(late, zone="Asia/Tokyo")[0]["lines"][0][3] == "Tuesday, 17 November"


def test_what_people_typed_harms_neither_the_subject_nor_the_page() -> None:
    _, mail = digest(line("like", "<b>Eve</b>\r\nBcc: x", title="{{ 7*7 }}\u202e" + "x" * 150))
    assert mail.subject == f"<b>Eve</b> Bcc: x liked “{{{{ 7*7 }}}}{'x' * 30}…”"
    assert f"{'x' * 70}…”</bdi>" in mail.html
    assert "<b>" not in mail.html
    assert "&lt;b&gt;Eve" in mail.html
    assert "\u202e" not in mail.html + mail.text


def test_rows_without_figures_yet_are_not_refused() -> None:
    for kind in ("monthly_report", "activity_digest"):
        assert KINDS[kind].unwanted(owed(kind, None)) is None

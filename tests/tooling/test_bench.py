"""The arithmetic of `./run bench`, without a benchmark."""

import math
import os
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import main as command
from bench.arithmetic import Accepted, affordable, parse_log, percentile, ratio, spread, tally
from bench.contenders import CONTENDERS
from bench.mails import TEMPLATES, Bench, flatten_templates
from bench.personal import personal_values
from bench.plot import picture
from bench.race import Plan, _order
from bench.report import delays_of, markdown, rows_of, tables_of, times
from bench.usage import parse_stat, usage_of
from notifier.testing.applications import merge_templates

ROOT = Path(__file__).parents[2]


def accepted(*recipients: str) -> list[Accepted]:
    return [Accepted("<1@x>", recipient, 1.0) for recipient in recipients]


def run(contender: str, rate: float, **values: Any) -> dict[str, Any]:
    """One run as it stands in the JSON."""
    defaults = {"delay_ms": 0.0, "mails": 100, "cpu_per_1000": 1.0, "peak_mb": 50.0, "lost": 0, "duplicates": 0}
    return {"contender": contender, "mails_per_second": rate, **defaults, **values}


def result(*runs: dict[str, Any], **figures: Any) -> dict[str, Any]:
    return {
        "command": "./run bench",
        "measured_at": "2026-11-20T12:00:00+00:00",
        "machine": {"Machine": "2 cores"},
        "plan": {"rounds": 1},
        "runs": list(runs),
        "figures": figures,
    }


# --- what arrived ---------------------------------------------------------------------------------


def test_log_lines_are_mails_and_an_unfinished_one_waits() -> None:
    text = "<1@x> ada@example.com 12.500000\n- bob@example.com 13.000000\n<3@x> eve@exam"
    assert parse_log(text) == [Accepted("<1@x>", "ada@example.com", 12.5), Accepted("-", "bob@example.com", 13.0)]
    assert parse_log("") == []


def test_a_second_copy_is_a_duplicate_and_a_missing_one_a_loss() -> None:
    counted = tally(["a@x", "b@x", "c@x"], accepted("a@x", "b@x", "a@x", "a@x"))
    assert (counted.accepted, counted.lost, counted.duplicates, counted.strangers) == (4, 1, 2, 0)


def test_mail_that_nobody_meant_makes_up_for_no_loss() -> None:
    counted = tally(["a@x"], accepted("z@x", "z@x"))
    assert (counted.lost, counted.duplicates, counted.strangers) == (1, 0, 2)


# --- medians and ratios ---------------------------------------------------------------------------


def test_spread_is_median_and_extremes() -> None:
    three = spread([30.0, 10.0, 11.0])
    assert (three.median, three.least, three.most) == (11.0, 10.0, 30.0)
    with pytest.raises(ValueError, match="no round"):
        spread([])


def test_percentiles_are_measured_values() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]
    assert [percentile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0


def test_ratios_say_nothing_where_nothing_was_sent() -> None:
    assert ratio(600.0, 100.0) == 6.0
    assert math.isnan(ratio(1.0, 0.0))
    assert math.isnan(ratio(math.nan, 5.0))
    assert [times(6.04), times(0.954), times(math.nan)] == ["6.0 x", "0.95 x", ""]


@pytest.mark.parametrize(
    ("delay_ms", "round_trips", "connections", "expected"),
    [
        (0.0, 4, 2, 10_000),  # at once: everything
        (20.0, 4, 2, 300),  # 25 mails/s for 12 s
        (20.0, 7, 1, 100),  # never too few
        (5.0, 2, 200, 10_000),  # and never more than asked for
    ],
)
def test_slow_contenders_get_what_they_can_send(
    delay_ms: float, round_trips: float, connections: int, expected: int
) -> None:
    mails = affordable(10_000, delay_ms=delay_ms, round_trips=round_trips, connections=connections, seconds=12)
    assert mails == expected


def test_rounds_are_interleaved() -> None:
    plan = Plan(1, 2, [0.0, 5.0], [CONTENDERS[name] for name in ("smtplib", "post_office_50", "notifier")])
    assert [(delay, number, one.name) for delay, number, one in _order(plan)] == [
        (0.0, 1, "smtplib"), (0.0, 1, "notifier"), (0.0, 2, "smtplib"), (0.0, 2, "notifier"),
        (5.0, 1, "smtplib"), (5.0, 1, "post_office_50"), (5.0, 1, "notifier"),
        (5.0, 2, "smtplib"), (5.0, 2, "post_office_50"), (5.0, 2, "notifier"),
    ]  # fmt: skip


def test_rows_compare_medians_with_ours() -> None:
    runs = [run("smtplib", 100.0), run("notifier", 300.0, lost=1), run("smtplib", 200.0), run("notifier", 500.0)]
    theirs, ours = rows_of([*runs, run("notifier", 1.0, delay_ms=5.0)], 0.0)
    assert (theirs.contender, theirs.rate.median, theirs.slower) == ("smtplib", 150.0, pytest.approx(400 / 150))
    assert (ours.rate.median, ours.lost) == (400.0, 1)
    assert delays_of([*runs, run("notifier", 1.0, delay_ms=5.0)]) == [0.0, 5.0]


def test_real_campaigns_come_first_and_are_compared_with_the_others() -> None:
    runs = [run("announcement", 500.0), run("smtplib", 1000.0), run("tutorial", 50.0), run("notifier", 900.0)]
    (campaigns, _, (row,)), (engine, _, others) = tables_of(result(*runs))
    assert (campaigns, engine) == ("real campaigns, replies at once", "the engine alone, replies at once")
    assert row[:7] == ("announcement", "100", "500 (500 to 500)", "0.50 x", "", "10.0 x", "")
    assert [cells[0] for cells in others] == ["smtplib", "tutorial", "notifier"]
    assert "announcement 10.0 x" in picture(result(*runs))


def test_without_ours_there_is_no_ratio() -> None:
    (row,) = rows_of([run("smtplib", 100.0)], 0.0)
    assert math.isnan(row.slower)


# --- what processes used --------------------------------------------------------------------------


def test_a_process_may_be_named_like_a_field() -> None:
    line = "7 (a) S (b) S 3 7 7 0 -1 0 1 2 3 4 10 20 30 40 20 0 1 0 99 1000 12 0"
    found = parse_stat(line)
    assert (found.parent, found.ticks, found.pages) == (3, 100, 12)


def test_our_own_use_is_seen() -> None:
    used = usage_of([os.getpid()])
    assert used.cpu > 0
    assert used.rss > 1_000_000


# --- what is shown --------------------------------------------------------------------------------


def test_the_page_shows_every_contender_and_figure() -> None:
    latency = {"bulk_per_second": 1.0, "idle": {"p50_ms": 20, "p99_ms": 30}, "busy": {"p50_ms": 40, "p99_ms": 50}}
    text = markdown(result(run("smtplib", 100.0), run("notifier", 250.0), latency=latency))
    assert "| smtplib | 100 | 100 (100 to 100) | 2.5 x |" in text
    assert "| notifier | 100 | 250 (250 to 250) |  |" in text
    assert "p50 20 ms, p99 30 ms" in text
    assert f"* **smtplib**: {CONTENDERS['smtplib'].how}" in text


def test_the_picture_is_svg_with_a_bar_for_each_contender() -> None:
    svg = ElementTree.fromstring(picture(result(run("smtplib", 100.0), run("notifier", 250.0))))
    bars = [float(rect.attrib["width"]) for rect in svg.iter() if rect.attrib.get("rx") == "4"]
    assert bars[1] == pytest.approx(2.5 * bars[0], rel=0.01)


def test_the_page_keeps_its_words_when_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{command.BEGIN}old\n{command.END}after\n")
    monkeypatch.setattr(command, "DOCUMENT", page)
    monkeypatch.setattr(command, "PICTURE", tmp_path / "bench.svg")
    for _ in range(2):
        command.write_docs(result(run("notifier", 250.0)))
    text = page.read_text()
    assert text.startswith(f"before\n{command.BEGIN}")
    assert text.endswith(f"{command.END}after\n")
    assert text.count("| notifier |") == 1
    assert "old" not in text
    assert (tmp_path / "bench.svg").exists()


def test_the_real_page_has_both_marks() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert text.count(command.BEGIN) == text.count(command.END) == 1


def test_the_command_line_knows_its_names(capsys: pytest.CaptureFixture[str]) -> None:
    options = command.parse(["--only", "smtplib,hook", "--delays", "0,20"])
    assert (options.only, options.delays, options.emails) == (["smtplib", "hook"], [0.0, 20.0], 10_000)
    with pytest.raises(SystemExit):
        command.parse(["--only", "sendmail"])
    assert "unknown: sendmail" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["--json", "/home/ada/out.json", "--docs"], "./run bench --emails 10000 --rounds 3 --delays 0,5,20"),
        (["--only", "smtplib", "--delays", "2.5"], "./run bench --emails 10000 --rounds 3 --delays 2.5 --only smtplib"),
        (["--quick", "--delays", "0"], "./run bench --quick --emails 500 --rounds 1 --delays 0"),
    ],
)
def test_the_page_shows_a_command_without_anybodys_paths(typed: list[str], shown: str) -> None:
    assert command.command_of(command.parse(typed)) == shown


# --- the mail -------------------------------------------------------------------------------------


def test_the_others_get_the_same_mail_ready_to_fill_in(tmp_path: Path) -> None:
    flat = flatten_templates(merge_templates(tmp_path / "templates", TEMPLATES), tmp_path)
    text = "".join((flat / name).read_text() for name in ("subject.txt", "body.txt", "body.html"))
    assert "{%" not in text
    assert "Zq" not in text
    assert {name for name in personal_values(1) if "{{ " + name + " }}" in text} == set(personal_values(1))
    assert 7000 < len(text) < 9500
    assert Bench.because in text


def test_the_lock_of_the_other_environment_names_no_address() -> None:
    text = (ROOT / "requirements-bench.txt").read_text()
    assert "://" not in text
    assert "django-post-office==" in text


@pytest.mark.parametrize(
    "name", ["campaign", "enumeration", "form_files", "latency", "main", "faults.stage", "faults.rates"]
)
def test_every_program_of_the_bench_can_be_imported(name: str) -> None:
    import_module(f"bench.{name}")

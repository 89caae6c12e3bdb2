"""`notifier users import`: what becomes of a file, on both databases."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.accounts import erasure
from notifier.consent import preferences, suppressions
from notifier.consent.preferences import How
from notifier.extensions import db
from notifier.imports import people
from notifier.models import AuditEntry, Consent, Preference, SuppressionReason, User
from notifier.operators.audit_log import COMMAND_LINE
from notifier.services import services_of
from tests.support.applications import NOON, make_notification, make_user
from tests.support.commands import Run

Import = Callable[..., dict[str, Any]]

LAST_YEAR = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def load(frozen: object, context: Flask, run: Run, tmp_path: Path) -> Import:
    """Import these lines (or bytes), and return the numbers."""

    def loaded(*lines: str, words: tuple[str, ...] = (), data: bytes | None = None) -> dict[str, Any]:
        path = tmp_path / "people.csv"
        path.write_bytes("\n".join(lines).encode() if data is None else data)
        result = run("users", "import", str(path), "--json", *words)
        assert result.exit_code in (0, 1), result.output
        found: dict[str, Any] = json.loads(result.stdout)
        assert (result.exit_code == 1) == bool(found["refused"])
        return found

    return loaded


def numbers(found: dict[str, Any], *names: str) -> tuple[int, ...]:
    return tuple(found[name] for name in names)


def person(external_id: str) -> User:
    db.session.rollback()
    return db.session.scalars(select(User).where(User.external_id == external_id)).one()


def refusals(user: User) -> set[str]:
    return {category for category, wish in preferences.of(db.session(), user.id).items() if not wish.wanted}


def test_people_are_stored_as_the_file_says(load: Import) -> None:
    found = load(
        "external_id,email,name,locale,timezone,confirmed_at,attributes.plan,shoe size",
        "7,Ada@EXAMPLE.com,Ada,pt_BR,Europe/Berlin,2025-03-01,pro,38",
        "8,bob@example.com,,,,,,",
    )
    assert numbers(found, "created", "unconfirmed", "refused") == (2, 1, 0)
    assert found["unused_columns"] == ["shoe size"]
    ada = person("7")
    assert (ada.email, ada.identity_key) == ("Ada@example.com", "ada@example.com")
    assert (ada.display_name, ada.locale, ada.timezone) == ("Ada", "pt-BR", "Europe/Berlin")
    assert (ada.verified_at, ada.attributes, ada.created_at) == (LAST_YEAR, {"plan": "pro"}, NOON)
    bob = person("8")
    assert (bob.display_name, bob.locale, bob.timezone, bob.verified_at) == ("", "en", "UTC", None)


def test_the_same_file_twice_changes_nothing(load: Import) -> None:
    lines = ("external_id,email,name,attributes.b,attributes.a", "7,ada@example.com,Ada,1,2", "8,b@example.com,,,")
    load(*lines)
    before = person("7").link_nonce
    assert numbers(load(*lines), "created", "changed", "unchanged") == (0, 0, 2)
    assert person("7").link_nonce == before


def test_a_blank_cell_and_a_missing_column_leave_what_is_stored(load: Import) -> None:
    load("external_id,email,name,locale,attributes.plan,attributes.size", "7,ada@example.com,Ada,de,pro,38")
    found = load("external_id,email,name,attributes.plan", "7,ada@example.com,,free")
    assert numbers(found, "changed") == (1,)
    ada = person("7")
    assert (ada.display_name, ada.locale, ada.attributes) == ("Ada", "de", {"plan": "free", "size": "38"})


def test_a_dry_run_changes_nothing_and_says_the_same_numbers(load: Import) -> None:
    lines = ("external_id,email,confirmed_at", "7,ada@example.com,2025-03-01", "8,bad,")
    dry = load(*lines, words=("--dry-run",))
    assert db.session.scalars(select(User)).all() == []
    assert db.session.scalars(select(AuditEntry)).all() == []
    wet = load(*lines)
    assert dry | {"dry_run": False} == wet
    (entry,) = db.session.scalars(select(AuditEntry)).all()
    assert (entry.action, entry.after["created"], entry.after["refused"]) == ("people.imported", 1, 1)


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("7,ada,2025-03-01,en,UTC", "email", "no @"),
        (",ada@example.com,,,", "external_id", "1 to 200 characters"),
        ("~7,ada@example.com,,,", "external_id", "does not begin with ~"),
        ("7,ada@example.com,yesterday,,", "confirmed_at", "not a date"),
        ("7,ada@example.com,2199-01-01,,", "confirmed_at", "future"),
        ("7,ada@example.com,1970-01-01,,", "confirmed_at", "before 1990"),
        ("7,ada@example.com,,klingon!,", "locale", "language tag"),
        ("7,ada@example.com,,,Mars/Olympus", "timezone", "IANA"),
        ("7,ada@example.com", "", "it has 2 columns, and the header has 5"),
        ("7,a\0da@example.com,,,", "", "NUL"),
        ("7," + 70_000 * "a" + ",,,", "", "a cell is longer"),
    ],
)
def test_a_refused_line_is_named_with_its_column_and_not_quoted(
    load: Import, line: str, column: str, words: str
) -> None:
    found = load("external_id,email,confirmed_at,locale,timezone", line, "9,good@example.com,,,")
    (problem,) = found["problems"]
    assert (problem["line"], problem["column"]) == (2, column)
    assert words in problem["problem"]
    assert "ada@" not in problem["problem"]
    assert numbers(found, "created", "refused") == (1, 1)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (['8,eve@example.com,"Eve', "9,bo@example.com,Bo"],
         "a quote is open to the end of the file: line 4 is in it, too"),
        (['8,eve@example.com,"Eve', *["9,bo@example.com,Bo"] * 2],
         "a quote is open to the end of the file: lines 4 to 5 are in it, too"),
        (['8,eve@example.com,"'], "a quote is open to the end of the file"),
        (['8,eve@example.com,"Eve', *["x" * 30_000] * 2, "y" * 6_000],
         "a cell is longer than 65,536 characters, as if a quote were open: lines 4 to 6 are in it, too"),
    ],
)  # fmt: skip
def test_a_quote_that_stays_open_swallows_no_line_silently(load: Import, lines: list[str], problem: str) -> None:
    found = load("external_id,email,name", "7,ada@example.com,Ada", *lines)
    assert found["problems"] == [{"line": 3, "column": "", "problem": problem}]
    assert (person("7").display_name, numbers(found, "created", "refused")) == ("Ada", (1, 1))


def test_a_quoted_cell_may_have_several_lines_and_end_the_file(load: Import) -> None:
    assert numbers(load("external_id,email,name", '7,ada@example.com,"Ada', 'L."'), "created", "refused") == (1, 0)


def test_a_column_without_a_name_is_told_by_its_place(load: Import) -> None:
    assert load("external_id,,email,", "7,x,ada@example.com,")["unused_columns"] == ["column 2", "column 4"]


def test_the_report_has_every_refused_line(load: Import, tmp_path: Path) -> None:
    report = tmp_path / "refused.csv"
    bad = [f"{number},bad" for number in range(30)]
    found = load("external_id,email", *bad, "99,good@example.com", words=("--report", str(report)))
    assert (len(found["problems"]), found["refused"]) == (20, 30)
    rows = list(csv.reader(report.read_text("utf-8-sig").splitlines()))
    assert (len(rows), rows[0], rows[30][:2]) == (31, ["line", "column", "problem"], ["31", "email"])


def test_an_id_that_comes_again_is_refused(load: Import) -> None:
    found = load("external_id,email", "7,ada@example.com", "7,eve@example.com")
    assert found["problems"] == [{"line": 3, "column": "external_id", "problem": "line 2 has the same id"}]
    assert person("7").email == "ada@example.com"


def test_columns_are_mapped(load: Import) -> None:
    found = load(
        "EUID;EMAIL ADDRESS;PLAN",
        "c2cb;ada@example.com;pro",
        words=("--map", "email=Email Address", "--map", "external_id=EUID", "--map", "attributes.plan=PLAN"),
    )
    assert numbers(found, "created") == (1,)
    assert person("c2cb").attributes == {"plan": "pro"}


@pytest.mark.parametrize(
    ("data", "words", "message"),
    [
        (b"", (), "empty"),
        (b"\n\n", (), "must name the columns."),
        (b"PK\x03\x04\x14\0people.csv", (), "Unpack it, or save it as CSV."),
        (b"PK\x03\x04\x14\0people.csv", ("--encoding", "latin-1"), "Unpack it, or save it as CSV."),
        (b"\x1f\x8b\x08\0\0\0", (), "no text"),
        (b"external_id,name\n", (), "No column is email"),
        (b"external_id,email,EMAIL\n", (), "Column 3 has the same name"),
        ("external_id,email,name\n7,ada@example.com,Zoë".encode("cp1252"), (), "line 2 is not UTF-8"),
        ("external_id,email\n".encode("utf-16-le"), (), "Name its encoding: utf-16-le"),
        (b"external_id,email\n7,ada@example.com\n8," + b"x" * 1_100_000, (), "Line 3 is longer"),
        (b"external_id,email\n", ("--map", "email=nowhere"), "no such column for email"),
        (b"external_id,email\n", ("--map", "mail=email"), "Choose one of external_id"),
        (b"external_id,email\n", ("--basis", "x"), "belong together"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    context: Flask, run: Run, tmp_path: Path, data: bytes, words: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(data)
    result = run("users", "import", str(path), *words)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.split())
    assert "Here ." not in result.output
    assert "ada@" not in result.output
    assert db.session.scalars(select(User)).all() == []


@pytest.mark.parametrize(
    ("encoding", "named"), [("utf-8-sig", None), ("utf-16", None), ("cp1252", "cp1252"), ("utf-16-le", "utf-16-le")]
)
def test_encodings(load: Import, encoding: str, named: str | None) -> None:
    data = "external_id\temail\tname\r\n7\tada@example.com\tZoë\r\n".encode(encoding)
    load(data=data, words=("--encoding", named) if named else ())
    assert person("7").display_name == "Zoë"


def test_the_words_about_people_without_a_date(context: Flask, run: Run) -> None:
    data = "external_id,email,confirmed_at\n1,a@example.com,2025-03-01\n2,b@example.com,\n3,c@example.com,\n"
    result = run("users", "import", "-", input=data)
    assert result.exit_code == 0
    assert "Lines: 3; people new: 3, changed: 0, unchanged: 0; lines refused: 0." in result.stdout
    assert "2 of 3 have no confirmation date: campaigns will not reach them." in result.stdout


def test_responsibility_is_stored_as_evidence(load: Import) -> None:
    lines = ("external_id,email,confirmed_at", "1,a@example.com,2025-03-01", "2,b@example.com,")
    load(*lines)
    words = ("--confirmed-at", "2024-05-01", "--basis", "They ticked a box in our old shop")
    found = load(*lines, words=words)
    assert numbers(found, "changed", "unchanged", "unconfirmed") == (1, 1, 0)
    assert person("2").verified_at == datetime(2024, 5, 1, tzinfo=UTC)
    (consent,) = db.session.scalars(select(Consent)).all()
    assert (consent.user_id, consent.identity_key, consent.how) == (person("2").id, "b@example.com", "import")
    assert (consent.basis, consent.at) == (words[3], datetime(2024, 5, 1, tzinfo=UTC))
    assert numbers(load(*lines, words=words), "unchanged") == (2,)
    assert len(db.session.scalars(select(Consent)).all()) == 1


def test_a_changed_address_is_unconfirmed_unless_the_file_says_otherwise(load: Import) -> None:
    load("external_id,email,confirmed_at", "1,a@example.com,2025-03-01", "2,b@example.com,2025-03-01")
    load("external_id,email,confirmed_at", "1,new-a@example.com,", "2,new-b@example.com,2025-04-01")
    assert person("1").verified_at is None
    assert person("2").verified_at == datetime(2025, 4, 1, tzinfo=UTC)


def test_a_changed_address_is_dated_so_that_links_to_the_old_one_still_unsubscribe(load: Import) -> None:
    load("external_id,email", "1,a@example.com", "2,b@example.com")
    load("external_id,email", "1,new-a@example.com", "2,b@example.com")
    assert [person(each).address_changed_at for each in ("1", "2")] == [NOON, None]


def test_the_opt_outs_of_an_address_follow_it_to_a_new_id(load: Import) -> None:
    load("external_id,email,confirmed_at", "1,a@example.com,2025-03-01")
    preferences.decide(db.session(), person("1").id, "news", False, how=How.page)
    db.session.commit()
    # The address is free, and comes back as another person's.
    load("external_id,email,confirmed_at", "1,other@example.com,2025-03-01")
    found = load("external_id,email,confirmed_at", "2,A@example.com,2025-03-01", "3,c@example.com,2025-03-01")
    assert numbers(found, "created", "opted_out") == (2, 1)
    assert [refusals(person(each)) for each in "123"] == [{"news"}, {"news"}, set()]


def test_a_category_that_was_switched_on_again_is_not_refused(load: Import) -> None:
    load("external_id,email", "1,a@example.com")
    for wanted in (False, True):
        preferences.decide(db.session(), person("1").id, "news", wanted, how=How.page)
        db.session.commit()
    load("external_id,email", "2,a@example.com")
    assert refusals(person("2")) == set()


def test_a_date_does_not_count_for_a_suppressed_address(load: Import) -> None:
    suppressions.add(db.session(), "a@example.com", reason=SuppressionReason.complaint, source="email", evidence="x")
    db.session.commit()
    found = load("external_id,email,confirmed_at", "1,a@example.com,2025-03-01")
    assert numbers(found, "created", "held_back", "unconfirmed") == (1, 1, 1)
    assert person("1").verified_at is None
    assert suppressions.find(db.session(), "a@example.com") is not None


def test_a_date_does_not_count_for_a_person_whom_we_asked(load: Import) -> None:
    load("external_id,email", "1,a@example.com")
    make_notification(person("1"), kind="verification")
    db.session.commit()
    for line in ("1,a@example.com,2025-03-01", "2,a@example.com,2025-03-01", "1,b@example.com,2025-03-01"):
        assert numbers(load("external_id,email,confirmed_at", line), "held_back") == (1,)
    assert person("1").verified_at is None


def test_an_erased_person_and_an_erased_address_are_refused(load: Import, context: Flask) -> None:
    load("external_id,email", "1,a@example.com")
    keys = services_of(context).settings.secret_keys
    erasure.erase(db.session(), person("1"), keys=keys, by=COMMAND_LINE)
    db.session.commit()
    found = load("external_id,email", "1,b@example.com", "2,a@example.com")
    assert [each["problem"] for each in found["problems"]] == ["this person was erased", "this address was erased"]


def test_a_person_who_signed_up_here_is_left_alone(load: Import) -> None:
    make_user("a@example.com", verified_at=None)
    db.session.commit()
    found = load("external_id,email,confirmed_at", "1,a@example.com,2025-03-01")
    assert found["problems"][0]["problem"] == "a person who signed up here has this address"
    assert len(db.session.scalars(select(User)).all()) == 1


def test_an_erasure_takes_the_address_from_the_decisions_of_others(load: Import) -> None:
    load("external_id,email", "1,a@example.com")
    preferences.decide(db.session(), person("1").id, "news", False, how=How.page)
    db.session.commit()
    load("external_id,email", "1,b@example.com")
    erasure.erase_address(db.session(), "a@example.com", keys=["k" * 40], by=COMMAND_LINE)
    db.session.commit()
    assert db.session.scalars(select(Consent.identity_key)).all() == [None]
    assert db.session.scalars(select(Preference.wanted)).all() == [False]


def test_a_chunk_is_stored_once_more_if_another_transaction_adds_its_people_meanwhile(
    load: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("external_id,email,name", "7,ada@example.com,Ada")
    look, looks = people._present, []

    def too_early(*arguments: Any) -> Any:
        looks.append(arguments)
        return {} if len(looks) == 1 else look(*arguments)

    monkeypatch.setattr(people, "_present", too_early)
    found = load("external_id,email,name", "7,ada@example.com,Grace", "8,bob@example.com,Bob")
    assert (len(looks), numbers(found, "created", "changed")) == (2, (1, 1))
    assert person("7").display_name == "Grace"

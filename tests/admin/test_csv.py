"""Exports: cells that are no formulas, every row, a line in the audit log."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from notifier.admin.kit import exports
from notifier.consent import suppressions
from notifier.extensions import db
from notifier.models import AuditEntry, Role, SuppressionReason, User
from notifier.testing.operators import Desk
from tests.support.applications import make_user

CASES = json.loads((Path(__file__).parent.parent / "data" / "csv_cell.json").read_text())
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_cell(case: dict[str, Any]) -> None:
    (row,) = read("".join(exports.lines(["head"], [[case["input"]]])))[1:]
    assert not row[0].startswith(FORMULA)
    if case["expect"] == "round_trips":
        assert row == [case["input"]]
    else:
        shown = row[0].replace("'", "")
        assert shown.endswith(case["input"].lstrip("\t\n\r"))


@pytest.mark.parametrize("separator", [";", "\t", "|", "\n", "\r\n", '; "', ";  "])
@pytest.mark.parametrize("start", ["=1+1", "@SUM(1)", "+1+1", "\uff1d1"])
def test_no_formula_begins_where_another_separator_begins_a_cell(separator: str, start: str) -> None:
    shown = exports.cell(f"a{separator}{start}{separator}{start}")
    pieces = re.split(r"[;|\t\r\n]", shown)
    assert [piece for piece in pieces if piece.strip(' "').startswith(FORMULA)] == []


def test_a_file_begins_with_a_byte_order_mark_and_has_one() -> None:
    text = "".join(exports.lines(["head"], [["J\u00fcrgen"]] * (exports.CHUNK + 1)))
    assert (text[0], text.count("\ufeff")) == ("\ufeff", 1)


@pytest.mark.parametrize(("value", "expected"), [(-5, "-5"), (1.5, "1.5"), ("-5", "-5"), (None, ""), (True, "yes")])
def test_numbers_stay_numbers(value: object, expected: str) -> None:
    assert exports.cell(value) == expected


def test_what_hides_behind_spaces_is_no_formula_either() -> None:
    assert exports.cell("  =1+1").startswith("'")


def test_an_export_holds_every_row_and_is_written_down(app: Flask, desk: Callable[..., Desk]) -> None:
    with app.app_context():
        db.session.add_all(
            User(email=f"u{n}@example.com", identity_key=f"u{n}@example.com", display_name="=1+1") for n in range(2345)
        )
        db.session.commit()
    answer = desk(Role.editor).get("/admin/people/export.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    found = read(answer.text)
    assert len(found) == 2346
    assert found[1][2] == "'=1+1"
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "people.exported")).one()
        assert (entry.actor, entry.object_type) == ("operator 1", "people")


def test_an_export_obeys_the_filters(app: Flask, desk: Callable[..., Desk]) -> None:
    assert read(desk().get("/admin/notifications/export.csv?status=sent").text)[1:] == []


@pytest.mark.parametrize("name", ["notifications", "people", "suppressions", "audit"])
def test_a_viewer_exports_nothing(app: Flask, desk: Callable[..., Desk], name: str) -> None:
    """admin_authz-003"""
    with app.app_context():
        make_user()
        suppressions.add(db.session(), "a@example.com", reason=SuppressionReason.manual, source="operator", evidence="")
        db.session.commit()
    answer = desk(Role.viewer).get(f"/admin/{name}/export.csv")
    assert answer.status_code == 403
    assert "example.com," not in answer.text


@pytest.mark.parametrize("unseen", ["\ufeff", "\u200b", "\u202e", "\xad", "\x01", "\x1b", "\x7f", "\u180e", "\u2060"])
@pytest.mark.parametrize("before", ["", "a;", "a\uff1b", "a|"])
def test_a_character_that_is_not_seen_hides_no_formula(before: str, unseen: str) -> None:
    shown = exports.cell(f"{before}{unseen}=1+1")
    assert shown.startswith("'")
    assert before == "" or "'=" in shown

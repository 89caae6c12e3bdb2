"""Imports: files of people, and of other systems' suppressions, within bounds."""

from typing import Annotated, Literal, cast

from flask import Response, current_app, request
from pydantic import Field

from notifier import clock
from notifier.api.answers import answer
from notifier.api.operation import Resource
from notifier.api.problems import MISSING_SCOPE, TOO_LARGE, At, Problem, in_body, invalid
from notifier.api.requests import ApiRequest, actor, caller
from notifier.api.shapes import Answer, Line, Moment, Query
from notifier.extensions import db
from notifier.imports.bounded import MOST_BYTES, BoundedImport, Report, TooManyLines, Upload
from notifier.imports.files import FileError
from notifier.imports.lines import confirmation_date
from notifier.imports.people import Responsibility
from notifier.operators.scopes import Scope
from notifier.services import services

resource = Resource("imports", "Files of people, and of other systems' suppressions.")

_SCOPES = {"people": Scope.users_write, "suppressions": Scope.suppressions_write}

#: Characters of the reason why people count as confirmed.
BASIS_LIMIT = 500


class ImportQuery(Query):
    """What the file is."""

    kind: Annotated[Literal["people", "suppressions"], Field(description="the scope is users:write for people")]
    system: Annotated[
        Literal["csv", "mailchimp", "listmonk", "sendgrid", "ses"],
        Field(alias="from", description="the system that exported suppressions; people come from csv"),
    ] = "csv"
    of: Annotated[
        Literal["bounces", "blocks", "spam_reports", "unsubscribes", "invalid_emails"] | None,
        Field(alias="list", description="which list of SendGrid it is"),
    ] = None
    reason: Annotated[
        Literal["hard_bounce", "complaint", "manual", "unsubscribed"] | None,
        Field(description="of suppressions whose line of a plain CSV file names none; manual if left out"),
    ] = None
    dry_run: Annotated[bool, Field(description="answer what would be done, and change nothing")] = False
    confirmed_at: Annotated[
        Moment | None, Field(description="since when people without a date of their own are confirmed; with basis")
    ] = None
    basis: Annotated[
        Line | None, Field(min_length=1, max_length=BASIS_LIMIT, description="why you may say so; kept as evidence")
    ] = None


class RefusedLine(Answer):
    """A line that was not imported."""

    line: Annotated[int, Field(description="of the file, or the number of an item of JSON, from 1")]
    column: Annotated[str, Field(description="empty if it is about the whole line")]
    problem: str


class ImportAnswer(Answer):
    """What became of a file, or would."""

    dry_run: bool
    numbers: Annotated[dict[str, int], Field(description="how many lines became what; of them, `refused`")]
    unused_columns: list[str]
    problems: Annotated[list[RefusedLine], Field(description="the first 100 lines that were refused")]


@resource.operation(
    "POST",
    "/imports",
    scope=Scope.users_write,
    or_scope=Scope.suppressions_write,
    answers={200: ImportAnswer},
    takes_file=True,
    largest=MOST_BYTES,
)
def import_file(query: ImportQuery) -> Response:
    """Import a file of people or suppressions, of up to 20,000 lines. The same file twice changes nothing.

    Lines that are right are stored, and the others are told.
    """
    needed = _SCOPES[query.kind]
    if needed not in caller().scopes:
        raise Problem(MISSING_SCOPE, f"the key lacks the scope {needed}")
    _check(query)
    upload = cast("ApiRequest", request).upload
    assert upload is not None  # the gate has read it
    try:
        report = _imported(query, upload)
    except TooManyLines as error:
        raise Problem(TOO_LARGE, error.message) from None
    except FileError as error:
        raise invalid(in_body("", "file", error.message)) from None
    told = [RefusedLine(line=each.line, column=each.column, problem=each.text) for each in report.problems]
    return answer(
        ImportAnswer(dry_run=query.dry_run, numbers=report.numbers, unused_columns=report.unused, problems=told)
    )


def _imported(query: ImportQuery, upload: Upload) -> Report:
    work = BoundedImport(
        session=db.session,
        addresses=current_app.config["ADDRESSES"],
        keys=services().settings.secret_keys,
        now=clock.now(),
        dry_run=query.dry_run,
    )
    if query.kind == "people":
        return work.people(upload, actor(), _responsibility(query))
    return work.suppressions(upload, actor(), query.system, of=query.of, reason=query.reason or "manual")


def _check(query: ImportQuery) -> None:
    """Raise Problem for parameters that do not belong together."""
    is_people = query.kind == "people"
    if is_people and services().is_embedded:
        raise _wrong("kind", "embedded", "People are the users of the application that embeds notifier.")
    of_suppressions = {"from": query.system != "csv", "list": query.of, "reason": query.reason}
    of_people = {"confirmed_at": query.confirmed_at, "basis": query.basis}
    for name, given in (of_suppressions if is_people else of_people).items():
        if given:
            raise _wrong(name, "of-another-kind", f"It does not belong to {query.kind}.")
    if not is_people and (query.system == "sendgrid") != (query.of is not None):
        raise _wrong("list", "list", "Name the list for sendgrid, and for no other system.")


def _responsibility(query: ImportQuery) -> Responsibility | None:
    if query.confirmed_at is None and query.basis is None:
        return None
    if query.confirmed_at is None or query.basis is None or not query.basis.strip():
        raise _wrong("basis", "together", "The parameters confirmed_at and basis belong together.")
    try:
        moment = confirmation_date(query.confirmed_at.isoformat(), clock.now())
    except ValueError as error:
        raise _wrong("confirmed_at", "moment", f"{str(error).capitalize()}.") from None
    return Responsibility(moment, query.basis.strip())


def _wrong(parameter: str, code: str, detail: str) -> Problem:
    return invalid(At(None, code, detail, parameter=parameter))

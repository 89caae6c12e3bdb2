"""For schemathesis: which data that match the schemas are refused all the same, and why no schema can say so.

schemathesis loads this file by itself (SCHEMATHESIS_HOOKS), in a process of its own.
"""

from typing import Any, Final

import schemathesis

_ADDRESS: Final = {"address": "which addresses can be used is decided by more than their form: special names, networks"}
_LINE: Final = {"unprintable": "the pattern of all characters that can be seen would be longer than the document"}
_ZONE: Final = {"timezone": "the names of time zones come from the system, and grow"}
_DAY: Final = {"moment": "a moment may have the right form, and be no day of the calendar"}
_FUTURE: Final = {"future": "it is compared with the clock"}
_PERSON: Final = {"unknown-user": "it names a person who may not be there"}
_CURSOR: Final = {"cursor": "it is a token that an earlier answer gave"}
_TOGETHER: Final = "parameters depend on each other"

#: Codes of mistakes, by operation: those of which a schema cannot tell, and why.
MEANINGS: Final[dict[str, dict[str, str]]] = {
    "put_user": _ADDRESS | _ZONE | _LINE | _DAY | _FUTURE,
    "put_preferences": _LINE | _DAY | _FUTURE,
    "record_activity": _PERSON | _LINE | _DAY,
    "send_notification": _PERSON | _ADDRESS | _ZONE | _LINE | _DAY | _FUTURE | {
        "no-address": "it names a person who may have no address",
        "unknown-kind": "kinds are those of the installation, and of an application that embeds it",
        "too-early": "two moments, and the clock, are compared",
    },
    "add_suppression": _ADDRESS | _LINE,
    "lift_suppression": _LINE,
    "add_webhook": {"url": "whether a URL may be called is decided by its host"},
    "why_user": {"unknown": "it names a campaign that may not be there"},
    "get_campaign": _LINE,
    "plan_campaign": _LINE,
    "run_campaign": _LINE | {"no-plan": "it is a token that an earlier answer gave"},
    "import_file": _LINE | _DAY | {
        "embedded": _TOGETHER, "of-another-kind": _TOGETHER, "list": _TOGETHER, "together": _TOGETHER,
        "file": "what is inside of a file has no schema",
        "invalid-json": "the document gives a file of JSON no schema",
        "unsupported-media-type": "schemathesis leaves the body out, and with it the type of its content",
    },
    "list_users": _CURSOR,
    "list_notifications": _CURSOR | _DAY,
    "list_suppressions": _CURSOR,
    "list_deliveries": _CURSOR,
}  # fmt: skip

#: Operations that answer 200, and tell which of their items are refused.
BATCHES: Final = ("record_activities", "send_notifications")

#: Answers that say nothing about the form of the data.
_FINE: Final = frozenset({401, 403, 404, 409, 429})


@schemathesis.check
def valid_data_is_refused_for_its_meaning_only(_ctx: Any, response: Any, case: Any) -> None:
    """Data that match the schemas are taken, or refused for a reason of MEANINGS."""
    name = case.operation.definition.raw["operationId"]
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or name not in MEANINGS or response.status_code < 400 or response.status_code in _FINE:
        return
    problem = response.json()
    # What `data` of an email holds is decided by its kind.
    errors = [each for each in problem.get("errors", ()) if not str(each.get("pointer")).startswith("#/data")]
    codes = {each["code"] for each in errors} if "errors" in problem else {problem["code"]}
    assert codes <= MEANINGS[name].keys(), f"{name}: data that match the schema are refused: {problem}"


@schemathesis.check
def items_that_break_their_schema_are_told(_ctx: Any, response: Any, case: Any) -> None:
    """A batch with an item that breaks its schema names it."""
    name = case.operation.definition.raw["operationId"]
    if (
        name in BATCHES
        and case.meta is not None
        and case.meta.generation.mode.is_negative
        and response.status_code < 300
    ):
        told = {each["problem"]["code"] for each in response.json()["errors"]}
        assert "invalid" in told, f"{name}: takes an item that breaks its schema"

"""Problems: the closed list of what an error of the API can be, in the form of RFC 9457.

Each has a page, to which its `type` leads, and which says what to do.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field

#: RFC 9457, section 6.1.
MEDIA_TYPE: Final = "application/problem+json"


class ProblemType(NamedTuple):
    """One sort of error."""

    #: The last part of its URI.
    code: str
    status: int
    title: str
    #: What the caller should do, in plain sentences.
    cure: str


class At(NamedTuple):
    """What is wrong at one place of a request. It never repeats a value."""

    #: A JSON pointer into the body (RFC 6901), as a fragment; None: not in the body.
    pointer: str | None
    #: For programs.
    code: str
    #: For people.
    detail: str
    #: The name of a parameter or a header; None: it is in the body.
    parameter: str | None = None


class Problem(Exception):
    """An answer that is an error. Raised by gate and views alike."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str = "",
        errors: Sequence[At] = (),
        *,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
        plan: dict[str, Any] | None = None,
    ) -> None:
        """Create one.

        Args:
            kind: Which.
            detail: What is wrong this time, for people; it repeats no value of the request.
            errors: Where.
            retry_after: Seconds after which the same request may succeed.
            headers: Further headers of the answer.
            plan: The new plan, if another one was to be run.
        """
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)
        self.plan = plan
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


class ErrorPlace(BaseModel):
    """One mistake in a request."""

    pointer: str | None = Field(
        None, description="where in the body: a JSON pointer as a fragment, such as `#/to/email`"
    )
    parameter: str | None = Field(None, description="the parameter or header, if it is not in the body")
    code: str = Field(description="the mistake, for programs")
    detail: str = Field(description="the mistake, for people")


class ProblemAnswer(BaseModel):
    """An error, by RFC 9457."""

    type: str = Field(description="the address of a page that says what to do")
    title: str = Field(description="what sort of error it is")
    status: int = Field(description="the status of the answer")
    code: str = Field(description="the last part of `type`, for programs")
    detail: str | None = Field(None, description="what is wrong this time")
    request_id: str = Field(description="as in the header X-Request-Id: name it when you ask for help")
    errors: list[ErrorPlace] = Field([], description="each mistake, if there can be several")
    plan: dict[str, Any] | None = Field(None, description="the new plan, after `audience-drifted`")


BAD_REQUEST = ProblemType(
    "bad-request", 400, "The request cannot be read.", "Look at `detail`. The same request fails again."
)
INVALID_JSON = ProblemType(
    "invalid-json",
    400,
    "The body is not JSON that can be read in only one way.",
    "Send UTF-8 without a byte order mark, one object, each key once, no NaN or Infinity, no NUL, no lone surrogates, "
    "no number of more than 64 characters, and at most 64 levels.",
)
KEY_MISSING = ProblemType(
    "idempotency-key-missing",
    400,
    "The header Idempotency-Key is missing.",
    "Name each email by a key of your own, such as `receipt:1234`, and send the same key when you repeat a request: an "
    "email is then never sent twice.",
)
UNAUTHORIZED = ProblemType(
    "unauthorized",
    401,
    "The request has no API key that works.",
    "Send `Authorization: Bearer nk_…`. The key may be missing, cut off, expired or revoked. An operator makes one "
    "with `notifier apikey create`.",
)
MISSING_SCOPE = ProblemType(
    "missing-scope",
    403,
    "This key may not do that.",
    "`detail` names the scope that is missing. Ask an operator for a key with it.",
)
NOT_FOUND = ProblemType(
    "not-found", 404, "There is nothing at this address.", "Check the path and the id; ids are case-sensitive."
)
METHOD_NOT_ALLOWED = ProblemType(
    "method-not-allowed", 405, "This address does not take this method.", "The header Allow names those that it takes."
)
CLAIMED = ProblemType(
    "already-claimed",
    409,
    "The email can no longer be cancelled.",
    "It is being sent, or it came to rest: get the notification to see what became of it.",
)
ENDPOINT_DISABLED = ProblemType(
    "endpoint-disabled", 409, "The endpoint is disabled.", "Enable it first: POST /v1/webhooks/{id}/enable."
)
OF_A_RUN = ProblemType(
    "of-a-run",
    409,
    "The email belongs to a run of a campaign.",
    "Cancel the run: a single email of it cannot be taken out.",
)
IN_PROGRESS = ProblemType(
    "in-progress",
    409,
    "Another request with this key is still running.",
    "Repeat the request after the seconds in Retry-After: it then answers as the other one did.",
)
ERASED = ProblemType(
    "erased",
    409,
    "The person with this id was erased.",
    "They asked to be forgotten: nothing about them can be stored again under this id.",
)
BEING_SENT = ProblemType(
    "being-sent",
    409,
    "An email to this person is being sent at this moment.",
    "Repeat the request after the seconds in Retry-After. Nothing was changed.",
)
NEWER_DECISION = ProblemType(
    "newer-decision",
    409,
    "The person decided something else after the time of your evidence.",
    "Their later decision stays: get their preferences, and store those in your application.",
)
DRIFTED = ProblemType(
    "audience-drifted",
    409,
    "What would run now is not what was planned.",
    "`detail` says what changed, and `plan` is the new plan. Look at it, and start the run with its token.",
)
NOT_NOW = ProblemType(
    "not-now",
    409,
    "The campaign or the run cannot do that now.",
    "`detail` says why. Get the campaign or the run to see its state.",
)
TOO_LARGE = ProblemType("too-large", 413, "The body is too large.", "Send less in one request: `detail` has the limit.")
MEDIA = ProblemType(
    "unsupported-media-type",
    415,
    "The body is in another format.",
    "Send JSON with `Content-Type: application/json`, without a content encoding. `POST /v1/imports` takes `text/csv`, "
    "too.",
)
INVALID = ProblemType(
    "invalid", 422, "The request has mistakes.", "`errors` names each place, and what is wrong there."
)
KEY_REUSED = ProblemType(
    "key-reused",
    422,
    "This key was used before, with other content.",
    "Repeat a request only as it was. Give another email or activity another key.",
)
UNKNOWN_USER = ProblemType(
    "unknown-user",
    422,
    "There is no person with this id.",
    "Store the person with PUT /v1/users/{external_id} first, or send them along as an object in `to`. A person who "
    "was erased stays unknown.",
)
NO_ADDRESS = ProblemType(
    "no-address",
    422,
    "The person has no address that an email can be sent to.",
    "Give the person an address with PUT /v1/users/{external_id}.",
)
RATE_LIMITED = ProblemType(
    "rate-limited",
    429,
    "This key makes too many requests.",
    "Wait for the seconds in Retry-After. The header RateLimit says how many requests are left; batches count once.",
)
INTERNAL = ProblemType(
    "internal",
    500,
    "Something went wrong here.",
    "It is our fault and in our log, under the id in X-Request-Id. Repeating the request with the same key is safe.",
)
UNAVAILABLE = ProblemType(
    "unavailable",
    503,
    "The database cannot be reached.",
    "Repeat the request after the seconds in Retry-After. With the same key it is safe: nothing happens twice.",
)

#: All of them, by code.
PROBLEMS: Final = {
    kind.code: kind
    for kind in (
        BAD_REQUEST, INVALID_JSON, KEY_MISSING, UNAUTHORIZED, MISSING_SCOPE, NOT_FOUND, METHOD_NOT_ALLOWED, CLAIMED,
        OF_A_RUN, ENDPOINT_DISABLED, IN_PROGRESS, ERASED, BEING_SENT, NEWER_DECISION, DRIFTED, NOT_NOW, TOO_LARGE,
        MEDIA, INVALID, KEY_REUSED, UNKNOWN_USER, NO_ADDRESS, RATE_LIMITED, INTERNAL, UNAVAILABLE,
    )
}  # fmt: skip

#: Statuses that every operation may answer, and what its body may add.
ALWAYS: Final = (BAD_REQUEST, UNAUTHORIZED, MISSING_SCOPE, INVALID, RATE_LIMITED, INTERNAL, UNAVAILABLE)
WITH_BODY: Final = (INVALID_JSON, TOO_LARGE, MEDIA)


def invalid(*errors: At) -> Problem:
    """Build the problem for these mistakes."""
    return Problem(INVALID, errors=errors)


def in_body(path: str, code: str, detail: str) -> At:
    """Build a mistake at a place of the body, such as `/to/email`."""
    return At(f"#{path}", code, detail)


def body_of(problem: Problem, base: str, request_id: str) -> dict[str, Any]:
    """Return the JSON of a problem. `base`: the address of the API."""
    kind = problem.kind
    answer = {
        "type": f"{base}/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "request_id": request_id,
    }
    if problem.detail:
        answer["detail"] = problem.detail
    if problem.plan is not None:
        answer["plan"] = problem.plan
    if problem.errors:
        answer["errors"] = [
            {name: value for name, value in each._asdict().items() if value is not None} for each in problem.errors
        ]
    return answer

"""Declare an operation: its scope, its answers and its problems stand beside the function that does it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Response
from flask_openapi.blueprint import APIBlueprint
from pydantic import BaseModel

from notifier.api.problems import ALWAYS, KEY_MISSING, MEDIA_TYPE, NOT_FOUND, WITH_BODY, ProblemType
from notifier.operators import scopes
from notifier.operators.scopes import Scope

View = TypeVar("View", bound=Callable[..., Response])

#: The attribute of a view that says what it needs.
NEEDS: Final = "notifier_needs"

#: The name of the security scheme in the document.
SCHEME: Final = "apiKey"

#: The body of an operation that takes a file, in the document.
_FILE: Final = {
    "required": True,
    "content": {"text/csv": {"schema": {"type": "string"}}, "application/json": {"schema": {}}},
}

#: Bytes of a body that holds one thing.
ONE_THING: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What an operation asks of its request before anything is looked up."""

    #: None: no key.
    scope: Scope | None
    #: Another scope that is enough to get in. The view then asks for the one that it needs.
    or_scope: Scope | None = None
    #: Whether a key for one kind of email is enough. The view then asks for which.
    sends: bool = False
    #: Whether there are parameters behind the question mark.
    takes_query: bool = False
    takes_body: bool = False
    #: Whether the body is a file: CSV, or JSON that need not be an object.
    takes_file: bool = False
    #: Whether the header Idempotency-Key must be there.
    takes_key: bool = False
    largest: int = ONE_THING

    def admits(self, given: frozenset[str]) -> bool:
        """Return whether a key with these scopes may do it."""
        return bool({self.scope, self.or_scope} & given) or (self.sends and scopes.sends_something(given))

    def enough(self) -> list[str]:
        """Return the scopes of which each is enough, for the document."""
        given = [scope.value for scope in (self.scope, self.or_scope) if scope is not None]
        return [*given, f"{scopes.SEND}<kind>"] if self.sends else given

    def problems(self) -> list[ProblemType]:
        """Return the errors that follow from what it takes."""
        return [*(WITH_BODY if self.takes_body else ()), *([KEY_MISSING] if self.takes_key else ())]


class Resource:
    """The operations of one resource, and the blueprint with which they are served."""

    def __init__(self, name: str, about: str) -> None:
        """Create one. `about`: what the documentation says about it."""
        #: The models of the answers of each operation, by status.
        self.answers: dict[str, Mapping[int, type[BaseModel] | None]] = {}
        self.blueprint = APIBlueprint(name, __name__, abp_tags=[{"name": name, "description": about}])

    def operation(
        self,
        method: str,
        rule: str,
        *,
        scope: Scope,
        answers: Mapping[int, type[BaseModel] | None],
        problems: Iterable[ProblemType] = (),
        sends: bool = False,
        or_scope: Scope | None = None,
        takes_file: bool = False,
        largest: int = ONE_THING,
    ) -> Callable[[View], View]:
        """Register the decorated function. Its docstring is the documentation; its annotations are the request.

        Args:
            method: Such as `GET`.
            rule: The path below `/v1`.
            scope: What a key must be allowed.
            answers: The model of each status that is no error; None: no content.
            problems: The errors beyond those of every operation.
            sends: A key with `send:<kind>` may do it, too.
            or_scope: A key with this scope instead may do a part of it, which the view checks.
            takes_file: The body is a file.
            largest: Bytes of the largest body.
        """

        def register(view: View) -> View:
            named = inspect.signature(view).parameters
            needs = Needs(
                scope=scope, or_scope=or_scope, sends=sends, takes_body=takes_file or "body" in named,
                takes_query="query" in named, takes_file=takes_file, takes_key="header" in named, largest=largest,
            )  # fmt: skip
            self._keep(view, needs, answers)
            expected = [*ALWAYS, *problems, *needs.problems(), *([NOT_FOUND] if "path" in named else ())]
            getattr(self.blueprint, method.lower())(
                rule,
                operation_id=view.__name__,
                security=[{SCHEME: [each]} for each in needs.enough()],
                **({"request_body": _FILE} if takes_file else {}),
                responses={**{str(status): model for status, model in answers.items()}, **_documented(expected)},
            )(view)
            return view

        return register

    def _keep(self, view: View, needs: Needs, answers: Mapping[int, type[BaseModel] | None]) -> None:
        """Keep what the gate and the document ask for later."""
        setattr(view, NEEDS, needs)
        self.answers[view.__name__] = answers


def _documented(problems: Iterable[ProblemType]) -> dict[str, Any]:
    """Return the answers of these problems for the document, one for each status."""
    by_status: dict[int, list[ProblemType]] = {}
    for kind in problems:
        kinds = by_status.setdefault(kind.status, [])
        if kind not in kinds:
            kinds.append(kind)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    return {
        str(status): {
            "description": " ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
            "content": content,
        }
        for status, kinds in sorted(by_status.items())
    }

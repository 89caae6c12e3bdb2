"""Links of the OpenAPI document: which operations take what an answer names.

They follow from the models: an answer that names a person leads to every operation on that person. So programs that
read the document, such as clients that explore it and our tests, reach objects that exist.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from flask_openapi.models.link import Link
from flask_openapi.models.operation import Operation
from flask_openapi.models.path_item import PathItem
from pydantic import BaseModel

#: The attribute of a model that says what it names.
NAMES: Final = "names"

_METHODS: Final = ("get", "put", "post", "delete")


class Names(NamedTuple):
    """What an answer names, as a class variable `names` of its model."""

    #: The path of that object, such as `/users/{external_id}`, whose variable part is `field`.
    path: str
    field: str
    #: Fields of the body of an operation on it, by the id of the operation: the same fields of the answer.
    bodies: Mapping[str, tuple[str, ...]] = {}


#: The models of the answers of operations: operation id -> status -> model.
Answers = Mapping[str, Mapping[int, type[BaseModel] | None]]


def add(paths: Mapping[str, PathItem], answers: Answers) -> None:
    """Add links to every answer of `paths` whose model names an object."""
    known = list(_operations(paths))
    for _, operation in known:
        for status, model in answers.get(operation.operationId or "", {}).items():
            found = dict(_links(model, known)) if model is not None else {}
            if found:
                operation.responses[str(status)].links = found  # type: ignore[index]


def _operations(paths: Mapping[str, PathItem]) -> Iterator[tuple[str, Operation]]:
    for path, item in paths.items():
        for method in _METHODS:
            operation: Operation | None = getattr(item, method)
            if operation is not None:
                yield path, operation


def _links(model: type[BaseModel], known: list[tuple[str, Operation]]) -> Iterator[tuple[str, Link]]:
    names, at = _named(model)
    if names is None:
        return
    parameter = names.path.partition("{")[2].partition("}")[0]
    for path, operation in known:
        if path == names.path or path.startswith(f"{names.path}/"):
            name = str(operation.operationId)
            fields = names.bodies.get(name, ())
            body: dict[str, Any] = {"requestBody": {each: f"{at}/{each}" for each in fields}} if fields else {}
            yield name, Link(operationId=name, parameters={f"path.{parameter}": f"{at}/{names.field}"}, **body)


def _named(model: type[BaseModel]) -> tuple[Names | None, str]:
    """Return what a model names, and where: of a list, its first item."""
    names: Names | None = getattr(model, NAMES, None)
    if names is not None:
        return names, "$response.body#"
    items = model.model_fields.get("data")
    inner = get_args(items.annotation) if items is not None else ()
    return getattr(inner[0] if inner else None, NAMES, None), "$response.body#/data/0"

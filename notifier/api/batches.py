"""Batches: each item is checked by itself, so that one mistake does not refuse ten thousand."""

from collections.abc import Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from notifier.api.mistakes import problem_of
from notifier.api.problems import Problem, ProblemAnswer, body_of
from notifier.api.requests import base, request_id
from notifier.api.shapes import Answer

Item = TypeVar("Item", bound=BaseModel)


class CheckedLater(NamedTuple):
    """Annotates an item of a batch: documented as this model, and taken as it is."""

    model: type[BaseModel]

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Take everything."""
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Document the model."""
        return handler(self.model.__pydantic_core_schema__)


class ItemProblem(Answer):
    """What is wrong with one item."""

    index: int
    problem: ProblemAnswer


class Checked(NamedTuple, Generic[Item]):
    """The items that are right, by their places, and what is wrong with the others."""

    items: dict[int, Item]
    errors: list[ItemProblem]


def check(model: type[Item], items: Sequence[Any]) -> Checked[Item]:
    """Check each item by itself."""
    right: dict[int, Item] = {}
    wrong: list[ItemProblem] = []
    for index, given in enumerate(items):
        try:
            right[index] = model.model_validate(given)
        except ValidationError as error:
            wrong.append(told(index, problem_of(error)))
    return Checked(right, wrong)


def told(index: int, problem: Problem) -> ItemProblem:
    """Return the problem of one item."""
    return ItemProblem(index=index, problem=ProblemAnswer.model_validate(body_of(problem, base(), request_id())))

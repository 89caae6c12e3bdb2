"""The key of a recipient in the application that embeds us, for rules that ask that application's own tables."""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, case, cast, null
from sqlalchemy.types import TypeEngine

from notifier.models import DETACHED, User

Key = TypeVar("Key")


def host_key(type_: type[TypeEngine[Key]] | TypeEngine[Key]) -> ColumnElement[Key | None]:
    """Return `User.external_id` as a value of this type, such as `Integer`; NULL for people who are not there any more.

    Compared with it, a column of that application is found by its index: `Order.user_id == host_key(Integer)`. Cast
    the other way, the database would read its whole table for each person.
    """
    there: Any = User.external_id.expression
    return case((there.startswith(DETACHED), null()), else_=cast(there, type_))

"""Many keys in one statement. On Postgres they travel as one array, so the text of the statement never changes."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session


def among(session: Session, key: Any, keys: Collection[int]) -> ColumnElement[bool]:
    """Whether the column `key` is one of `keys`, for a statement of this session.

    A thousand parameters would take 40 ms to compile and to parse, for each statement anew.
    """
    if session.get_bind().dialect.name == "postgresql":
        array = bindparam(None, list(keys), type_=ARRAY(key.type), unique=True)
        return key == func.any(array)  # type: ignore[no-any-return]
    return key.in_(keys)  # type: ignore[no-any-return]

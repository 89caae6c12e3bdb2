"""Pages of a list: opaque cursors that name the last row, so that a row that comes or goes moves no other one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy import Select
from sqlalchemy.orm import Session

from notifier.api.problems import At, invalid
from notifier.api.shapes import Query

#: Begins what a cursor holds, so that a later form can be told apart.
_FORM: Final = "1:"

#: Rows of a page.
DEFAULT, MOST = 100, 500


class PageQuery(Query):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="most rows of the page")] = DEFAULT
    cursor: Annotated[str | None, Field(max_length=100, description="`next` of the page before")] = None

    @property
    def after(self) -> int | None:
        """Return the key of the last row of the page before; None: this is the first page. Raise Problem."""
        return None if self.cursor is None else _read(self.cursor)


def page(
    session: Session, query: Select[Any], asked: PageQuery, key_of: Callable[[Any], int]
) -> tuple[Sequence[Any], str | None]:
    """Return the rows of a page of `query`, which begins after the cursor, and the cursor of the next page.

    None: there is no next page.
    """
    rows = session.scalars(query.limit(asked.limit + 1)).all()
    shown = rows[: asked.limit]
    return shown, _write(key_of(shown[-1])) if len(rows) > len(shown) else None


def _write(key: int) -> str:
    return base64.urlsafe_b64encode(f"{_FORM}{key}".encode()).decode().rstrip("=")


def _read(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    number = text.removeprefix(_FORM)
    if not text.startswith(_FORM) or not number.isdigit() or len(number) > 18:
        raise invalid(At(None, "cursor", "Give the `next` of an earlier page, as it was.", parameter="cursor"))
    return int(number)

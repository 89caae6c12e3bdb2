"""Lists of any length: by key, newest first, without a count. Every page costs the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import request, url_for
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from notifier.admin.kit import arguments
from notifier.extensions import db

PAGE = 50
#: Sizes that people may choose.
SIZES = (25, 50, 100)

Restrict = Callable[[Select[Any]], Select[Any]]


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list. The links are None at its ends."""

    rows: Sequence[Any]
    newer: str | None = None
    older: str | None = None
    #: If not None, nothing was found back to the row with this key, and the search may continue from there.
    looked_back_to: int | None = None

    @property
    def first_page(self) -> bool:
        """Whether nothing newer exists."""
        return self.newer is None


def by_key(query: Select[Any], key: InstrumentedAttribute[int], *, restrict: Restrict | None = None) -> Listing:
    """Return the page of `query` that the request asks for (`before` or `after` a key), newest first.

    `restrict` may rewrite the query of the page, with its order and limit, into one that an index answers.
    """
    size = arguments.number("page_size", PAGE, SIZES)
    before, after = arguments.key("before"), arguments.key("after")
    if after is not None:
        rows = _rows(query.where(key > after).order_by(key.asc()), size, restrict)
        more, rows = len(rows) > size, rows[:size][::-1]
        return Listing(rows, newer=_at(after=rows[0], key=key) if more else None, older=_at(before=rows[-1], key=key)
                       if rows else None)  # fmt: skip
    if before is not None:
        query = query.where(key < before)
    rows = _rows(query.order_by(key.desc()), size, restrict)
    more, rows = len(rows) > size, rows[:size]
    newer = _at(after=rows[0], key=key) if before is not None and rows else None
    if before is not None and not rows:
        newer = link(before=None, after=None)
    return Listing(rows, newer=newer, older=_at(before=rows[-1], key=key) if more else None)


def _rows(query: Select[Any], size: int, restrict: Restrict | None) -> list[Any]:
    page = query.limit(size + 1)
    return list(db.session.scalars(restrict(page) if restrict else page))


def _at(key: InstrumentedAttribute[int], *, before: Any = None, after: Any = None) -> str:
    return link(
        before=None if before is None else getattr(before, key.key),
        after=None if after is None else getattr(after, key.key),
    )


def link(**changes: Any) -> str:
    """Return the address of this page with other arguments; None removes one."""
    arguments_now: Mapping[str, Any] = {**request.args.to_dict(), **changes}
    kept = {name: value for name, value in arguments_now.items() if value not in (None, "")}
    # Never as arguments of `url_for`, whose own parameters share some of the names.
    page = url_for(request.endpoint or "", **(request.view_args or {}))
    return f"{page}?{urlencode(kept)}" if kept else page

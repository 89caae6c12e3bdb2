"""Search: people and emails by one text, typed into the box that every page has."""

from flask import current_app
from flask.typing import ResponseReturnValue

from notifier.accounts.erasure import ERASED
from notifier.admin.kit import arguments, traces
from notifier.admin.kit.page import Page, show
from notifier.admin.people.listed import beside
from notifier.explain.finding import LEAST_CHARACTERS, MOST, Finder, Found
from notifier.extensions import db


class Search(Page):
    """The results of the search box."""

    title = "Search"
    slug = "search"
    in_menu = False

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the people and emails that were found."""
        typed = arguments.text("q")
        finder = Finder(db.session(), traces.keys(), allow_local=current_app.config["ADDRESSES"]["allow_local"])
        found = finder.find(typed)
        _trace(found)
        page: str = self.render(
            "admin/search.html",
            typed_in_search=typed,
            found=found,
            most=MOST,
            least=LEAST_CHARACTERS,
            **beside(found.emails),
        )
        return page


def _trace(found: Found) -> None:
    """Note whose addresses the page shows: a part of a name says nothing later, and may be a name itself."""
    people = sorted(user.id for user in found.people)
    emails = sorted(row.id for row in found.emails if row.recipient != ERASED)
    shown = {"people": _numbers(people), "emails": _numbers(emails)}
    traces.shown("search", len(people) + len(emails), facts={name: text for name, text in shown.items() if text})


def _numbers(pks: list[int]) -> str:
    return ", ".join(map(str, pks))

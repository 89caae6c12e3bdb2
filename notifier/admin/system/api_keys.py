"""API keys: what programs prove themselves with, and what each of them may do."""

from datetime import UTC, datetime

from flask import flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit import arguments, login
from notifier.admin.kit.page import Page, act, get, show
from notifier.entries import content
from notifier.extensions import db
from notifier.models import ApiKey, Role
from notifier.operators import api_keys
from notifier.operators.api_keys import NAME_LIMIT, ApiKeyError
from notifier.operators.scopes import SEND, Scope, ScopeError
from notifier.services import services

#: The inputs of the form that are texts, with the longest text of each.
_TEXTS = {"name": NAME_LIMIT, "principal": 32, "expires": 10}


class ApiKeys(Page):
    """Keys of programs. Their secrets are with their owners alone."""

    title = "API keys"
    section = "System"
    slug = "api-keys"

    @show(role=Role.admin)
    def index(self) -> ResponseReturnValue:
        """Show all keys, and the form for another one."""
        return self._list({"principal": api_keys.APPLICATION}, [], {})

    @act("/create", Role.admin)
    def create(self) -> ResponseReturnValue:
        """Make a key, and show it, once."""
        read = {name: arguments.typed(name, longest) for name, longest in _TEXTS.items()}
        texts, wrong = {name: text for name, (text, _) in read.items()}, {name: why for name, (_, why) in read.items()}
        wanted = [each for each in request.form.getlist("scopes") if each in self._offered()]
        expires_at, wrong["expires"] = _day(texts["expires"], wrong["expires"])
        if not any(wrong.values()):
            try:
                made = api_keys.create(
                    db.session(), name=texts["name"], wanted=wanted, kinds=content.names(services().kinds),
                    by=login.actor(), principal=texts["principal"], expires_at=expires_at,
                )  # fmt: skip
            except ApiKeyError as error:
                wrong[error.field.removesuffix("_at")] = _sentence(error)
            except ScopeError:
                wrong["scopes"] = "Choose what the program may do."
            else:
                row = {"name": made.row.name, "principal": made.row.principal, "scopes": list(made.row.scopes)}
                db.session.commit()
                page: str = self.render("admin/api_key_made.html", made=row, text=made.text)
                return page
        db.session.rollback()
        return self._list(texts, wanted, wrong), 400

    @show("/<key:pk>/revoke", Role.admin)
    def ask_revoke(self, pk: int) -> ResponseReturnValue:
        """Explain what revoking means, and ask for confirmation."""
        page: str = self.render("admin/api_key_revoke.html", row=get(ApiKey, pk))
        return page

    @act("/<key:pk>/revoke", Role.admin)
    def revoke(self, pk: int) -> ResponseReturnValue:
        """End a key at once."""
        get(ApiKey, pk)
        row = api_keys.revoke(db.session(), pk, by=login.actor())
        words = f"The key “{row.name}” no longer works."
        db.session.commit()
        flash(words, "success")
        return redirect(url_for(".index"), 303)

    def _list(self, texts: dict[str, str], wanted: list[str], wrong: dict[str, str]) -> str:
        now = clock.now()
        rows = [(row, _state(row, now)) for row in api_keys.everyone(db.session())]
        page: str = self.render(
            "admin/api_keys.html", rows=rows, texts=texts, wanted=wanted, wrong=wrong, scopes=list(Scope),
            kinds=self._offered()[len(Scope) :], limits=_TEXTS,
        )  # fmt: skip
        return page

    def _offered(self) -> list[str]:
        return [*Scope, *(f"{SEND}{kind}" for kind in sorted(content.names(services().kinds)))]


def _state(row: ApiKey, now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "active" if api_keys.works(row, now) else "expired"


def _day(text: str, wrong: str) -> tuple[datetime | None, str]:
    """Return the moment at which this day begins, and what is wrong with it."""
    if wrong or not text:
        return None, wrong
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC), ""
    except ValueError:
        return None, "Write a day as 2027-12-31."


def _sentence(error: Exception) -> str:
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."

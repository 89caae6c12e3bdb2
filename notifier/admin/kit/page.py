"""Page: the base of every admin page. A view without a declared role is never open.

It corrects Flask-Admin's defaults: views are accessible unless protected, a TypeError inside of one turns into another
error, and numbers in the address reach the database unchecked.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from flask import abort, g, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import BaseView, expose
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import Forbidden, HTTPException

from notifier.admin.kit import arguments, expired_session, hosts_operators, login, traces
from notifier.extensions import db
from notifier.models import Role

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

_ROLE = "_notifier_role"
_KEEPS = "_notifier_keeps"


def show(path: str = "/", role: Role = Role.viewer) -> Callable[[View], View]:
    """Let a method answer GET at `path`, for operators with `role` or a higher one. It must change nothing."""
    return _exposed(path, ("GET",), role)


def act(path: str, role: Role = Role.editor, *, keeps: str = "") -> Callable[[View], View]:
    """Let a method answer POST at `path`, for operators with `role` or a higher one.

    `keeps`: the method that shows its form, if what was typed into it must not be lost with the session.
    """
    return _exposed(path, ("POST",), role, keeps)


def _exposed(path: str, methods: Iterable[str], role: Role, keeps: str = "") -> Callable[[View], View]:
    def wrap(view: View) -> View:
        setattr(view, _ROLE, role)
        setattr(view, _KEEPS, keeps)
        exposed: View = expose(path, methods)(view)
        return exposed

    return wrap


class Page(BaseView):  # type: ignore[misc]  # Flask-Admin ships no types
    """One entry of the menu, with all pages below it."""

    #: Heading and menu entry; the menu's section; the last part of the address.
    title: str
    section: str = ""
    slug: str = ""
    #: Position within the section, small numbers first.
    place: int = 0
    #: Whether the menu shows it.
    in_menu: bool = True

    def __init__(self) -> None:
        """Register the page. The endpoint is admin_<slug>; that of the dashboard is admin."""
        for _, name, _ in self._urls:
            if not hasattr(getattr(self, name), _ROLE):
                raise TypeError(f"{type(self).__name__}.{name} does not say for whom it is: use show or act")
        endpoint = f"admin_{self.slug.replace('-', '_')}" if self.slug else "admin"
        url = f"/admin/{self.slug}" if self.slug else "/admin"
        super().__init__(name=self.title, endpoint=endpoint, url=url)

    def _handle_view(self, name: str, /, **kwargs: Any) -> ResponseReturnValue | None:
        """Check before every method that the operator may call it and that the address is valid."""
        role: Role | None = getattr(getattr(self, name), _ROLE, None)
        if login.current() is None:
            return turn_away(self._keep(name), self._resendable(name))
        if not login.claim_cookie() and request.method == "POST":
            raise CSRFError("The token belongs to another operator.")
        if role is None or not login.may(role):
            raise Forbidden
        arguments.check_query()
        # For the audit log: who does what this view does.
        g.actor = login.actor()
        return None

    def create_blueprint(self, admin: Any) -> Any:
        """Let a form whose token is too old keep what was typed."""
        blueprint = super().create_blueprint(admin)
        blueprint.register_error_handler(CSRFError, self._too_old)
        return blueprint

    def _keep(self, name: str) -> str:
        """Keep the form of this request if its view says so. Return the address that shows it again, or nothing."""
        view = getattr(self, name, None)
        show = getattr(view, _KEEPS, "")
        return expired_session.keep(f".{show}", getattr(view, _ROLE)) if show else ""

    def _resendable(self, name: str) -> list[tuple[str, str]]:
        """Return the fields of this form if its view keeps what was typed, and an embedding application decides."""
        keeps = getattr(getattr(self, name, None), _KEEPS, "")
        return expired_session.resendable() if keeps and request.method == "POST" else []

    def _too_old(self, _error: CSRFError) -> ResponseReturnValue:
        """Answer a form whose token is of another session: of one before, as a rule. Nothing is changed."""
        name = (request.endpoint or "").rpartition(".")[2]
        view = getattr(self, name, None)
        show, role = getattr(view, _KEEPS, ""), getattr(view, _ROLE, Role.admin)
        if show and login.may(role) and expired_session.is_ours():
            # What the page itself refuses has no form to go back to.
            with suppress(HTTPException):
                return self._with_typed(show)
        again = self._keep(name) if login.current() is None else ""
        if again or (login.current() is None and login.was_signed_in()):
            return turn_away(again)
        return render_template("admin/error.html", code=400, retry_after=None, explanation=None), 400

    def _with_typed(self, show: str) -> ResponseReturnValue:
        expired_session.hand_over()
        answer = make_response(self._run_view(getattr(type(self), show), **(request.view_args or {})))
        answer.status_code = 400
        return answer

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the view once, and let its error reach the log unchanged.

        A page that shows addresses leaves its trace afterwards.
        """
        answer = fn(self, *args, **kwargs)
        traces.store()
        return answer

    def badge(self) -> str:
        """Return what waits on the page for an operator, as the menu shows it; empty if nothing does."""
        return ""

    def is_accessible(self) -> bool:
        """Return whether the menu shows the page: to operators who may open it."""
        role: Role = getattr(getattr(self, "index", None), _ROLE, Role.viewer)
        return login.may(role)


def turn_away(again: str = "", fields: Sequence[tuple[str, str]] = ()) -> ResponseReturnValue:
    """Show the way in to those who are not signed in. A session that is over is told so (401).

    `again`: the address that shows a form with what was typed. `fields`: what was typed, to be sent again by an
    operator of an embedding application.
    """
    if hosts_operators.decide():
        return render_template("admin/not_let_in.html", over=login.was_signed_in(), fields=fields), 401
    over = login.was_signed_in() or bool(again)
    if request.method == "GET" and not over and not login.is_poll():
        return redirect(url_for("sign_in.form", next=here()), 302)
    if over:
        login.forget()
    page = render_template("admin/sign_in.html", over=over, kept=bool(again), next=again or here(), email="", wrong="")
    return page, 401


def here() -> str:
    """Return this page's address, to come back to; empty if coming back would repeat a change."""
    if request.method != "GET":
        return ""
    return request.script_root + request.full_path.removesuffix("?")


def found(row: Any) -> Any:
    """Return the row; answer 404 if it is None."""
    if row is None:
        abort(404)
    return row


def get(model: type[Any], pk: int) -> Any:
    """Return the row with this key; answer 404 if there is none."""
    return found(db.session.get(model, pk))

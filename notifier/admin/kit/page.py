"""Page: the base of every admin page. A view without a declared role is never open.

It corrects Flask-Admin's defaults: views are accessible unless protected, a TypeError inside of one turns into another
error, and numbers in the address reach the database unchecked.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import BaseView, expose
from werkzeug.exceptions import Forbidden

from notifier.admin.kit import arguments, login, traces
from notifier.extensions import db
from notifier.models import Role

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

_ROLE = "_notifier_role"


def show(path: str = "/", role: Role = Role.viewer) -> Callable[[View], View]:
    """Let a method answer GET at `path`, for operators with `role` or a higher one. It must change nothing."""
    return _exposed(path, ("GET",), role)


def act(path: str, role: Role = Role.editor) -> Callable[[View], View]:
    """Let a method answer POST at `path`, for operators with `role` or a higher one."""
    return _exposed(path, ("POST",), role)


def _exposed(path: str, methods: Iterable[str], role: Role) -> Callable[[View], View]:
    def wrap(view: View) -> View:
        setattr(view, _ROLE, role)
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
            return turn_away()
        if role is None or not login.may(role):
            raise Forbidden
        arguments.check_query()
        # For the audit log: who does what this view does.
        g.actor = login.actor()
        return None

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the view once, and let its error reach the log unchanged.

        A page that shows addresses leaves its trace afterwards.
        """
        answer = fn(self, *args, **kwargs)
        traces.store()
        return answer

    def is_accessible(self) -> bool:
        """Return whether the menu shows the page."""
        return login.may(Role.viewer)


def turn_away() -> ResponseReturnValue:
    """Show the sign-in page to a visitor who is not signed in. An ended session gets 401."""
    over = login.was_signed_in()
    if request.method == "GET" and not over and not login.is_poll():
        return redirect(url_for("sign_in.form", next=here()), 302)
    if over:
        login.forget()
    return render_template("admin/sign_in.html", over=over, next=here(), email="", wrong=""), 401


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

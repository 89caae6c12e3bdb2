"""A form that is sent when the session is over, or from a page that is too old, keeps what was typed.

A view says `keeps="edit"`: the view of this page that shows the form. What was typed is kept for the operator whose
browser sent it, and shown again after the next sign-in at the address with `?kept=`; an operator who is signed in gets
it back at once. Nothing is saved on the way.
"""

from flask import g, request, url_for
from werkzeug.datastructures import MultiDict

from notifier import clock
from notifier.admin.access import devices
from notifier.admin.kit import hosts_operators, login
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.models import Operator, Role
from notifier.operators import kept_forms, sessions
from notifier.services import services

#: The argument of the address that holds the key.
ARGUMENT = "kept"

_HANDED_OVER = "_notifier_handed_over"

#: Of no use to operators who come back.
_LEFT_OUT = frozenset({"csrf_token", "do"})


def keep(show: str, role: Role) -> str:
    """Keep the form of this request. Return the address that shows it again; empty if it cannot be kept.

    `show`: the endpoint of its page; `role`: who may open it. Only forms that the operator's own browser sent from our
    own pages are kept: its cookies are never sent along from another site, and it says where the form comes from.
    """
    operator = _whose() if is_ours() else None
    if operator is None or not operator.active or not login.suffices(operator.role, role):
        return ""
    operator_id, fields = operator.id, [each for each in request.form.items(multi=True) if each[0] not in _LEFT_OUT]
    target = _address(show)
    with writing(db.session) as session:
        path, sealer = target.partition("?")[0], services().sealer
        key = kept_forms.keep(session, operator_id, path, fields, sealer=sealer, now=clock.now())
    return f"{target}{'&' if '?' in target else '?'}{ARGUMENT}={key}" if key else ""


def is_ours() -> bool:
    """Return whether a page of ours sent this request, as far as the browser says."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


def hand_over() -> None:
    """Let the page that shows the form have that of this very request."""
    setattr(g, _HANDED_OVER, MultiDict(request.form))


def resendable() -> list[tuple[str, str]]:
    """Return the fields of this form, for a page from which the operator sends them again. Empty if it is not theirs.

    For operators of an embedding application. Our cookie, whose CSRF token has been checked, belongs to one of them.
    """
    if not is_ours() or not hosts_operators.has_cookie():
        return []
    return [each for each in request.form.items(multi=True) if each[0] != "csrf_token"]


def typed() -> MultiDict[str, str] | None:
    """Return what was kept for this operator and this page, if the address has the key to it."""
    handed: MultiDict[str, str] | None = g.get(_HANDED_OVER)
    if handed is not None:
        return handed
    key, operator = request.args.get(ARGUMENT, ""), login.own()
    if not key or operator is None:
        return None
    path = request.script_root + request.path
    fields = kept_forms.load(db.session(), operator.id, path, key, sealer=services().sealer, now=clock.now())
    return None if fields is None else MultiDict(fields)


def _whose() -> Operator | None:
    """Return the operator whose browser this is: by its session, also one that is over, or by its device.

    None if another application decides about operators: once they are signed out there, it is not known who they were.
    """
    if hosts_operators.decide():
        return None
    operator = login.own()
    if operator is not None:
        return operator
    pk = sessions.owner(db.session(), login.held_token()) or devices.owner()
    return None if pk is None else db.session.get(Operator, pk)


def _address(show: str) -> str:
    """Return the address of the page. A new campaign's page needs its kind."""
    values = dict(request.view_args or {})
    if "kind" in request.form and not values:
        values["kind"] = request.form["kind"][:64]
    return url_for(show, **values)

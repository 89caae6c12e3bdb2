"""The pages of the inbox: a list that updates itself, and one email in all its parts."""

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from notifier.dev.inbox.mailhog import number
from notifier.dev.inbox.returning import Returns
from notifier.dev.inbox.store import Inbox, Mail

PAGE_SIZE = 50
#: Characters of a text that the page shows; the download is complete.
SHOWN = 200_000
VIEWS = {"html": "HTML", "text": "Text", "links": "Links", "headers": "Headers", "source": "Source"}
_REMOTE_IMAGE = re.compile(r"<img\b[^>]*\bsrc\s*=\s*[\"']?https?:", re.IGNORECASE)


def inbox_pages(inbox: Inbox, returns: Returns | None) -> Blueprint:
    """Build the pages of one inbox."""
    pages = Blueprint("pages", __name__)
    pages.add_app_template_filter(local_time)
    pages.add_app_template_filter(moment)
    pages.add_app_template_filter(size)

    @pages.get("/")
    def index() -> str:
        return render_template("list.html", **_list(inbox))

    @pages.get("/fragment")
    def fragment() -> BaseResponse:
        response = Response(render_template("fragment.html", **_list(inbox)))
        response.set_etag(str(inbox.version))
        response.headers["Cache-Control"] = "no-cache"
        return response.make_conditional(request)

    @pages.get("/messages/<mail_id>")
    def message(mail_id: str) -> str:
        mail = inbox.get(mail_id)
        if mail is None:
            abort(Response(render_template("gone.html"), status=404))
        newer, older = inbox.neighbours(mail_id)
        view = _chosen_view(mail)
        back = returns.about(mail) if returns is not None else None
        return render_template("message.html", mail=mail, newer=newer, older=older, back=back, **_view(mail, view))

    @pages.post("/delete-all")
    def delete_all() -> BaseResponse:
        inbox.clear()
        return redirect(url_for("pages.index"), code=303)

    @pages.post("/messages/<mail_id>/delete")
    def delete(mail_id: str) -> BaseResponse:
        inbox.delete(mail_id)
        return redirect(url_for("pages.index"), code=303)

    return pages


def _list(inbox: Inbox) -> dict[str, Any]:
    query = request.args.get("query", "").strip()
    mails = inbox.search("containing", query)
    start = min(number("start", 0), max(len(mails) - 1, 0)) // PAGE_SIZE * PAGE_SIZE
    return {
        "mails": mails[start : start + PAGE_SIZE],
        "total": len(mails),
        "all": len(inbox),
        "start": start,
        "query": query,
        "newer": max(start - PAGE_SIZE, 0) if start else None,
        "older": start + PAGE_SIZE if start + PAGE_SIZE < len(mails) else None,
    }


def _chosen_view(mail: Mail) -> str:
    view = request.args.get("view", "")
    has_html = bool(mail.reading.html)
    if view not in VIEWS or (view == "html" and not has_html):
        return "html" if has_html else "text"
    return view


def _view(mail: Mail, view: str) -> dict[str, Any]:
    html = mail.reading.html
    long = {"text": mail.reading.text, "source": mail.data.decode("utf-8", "replace")}.get(view, "")
    return {
        "reading": mail.reading,
        "view": view,
        "views": {key: label for key, label in VIEWS.items() if key != "html" or html},
        "shown": long[:SHOWN],
        "cut": len(long) > SHOWN,
        "remote_images": bool(_REMOTE_IMAGE.search(html)),
    }


def local_time(when: datetime, form: str = "%H:%M:%S") -> str:
    """Return the time in the time zone of this machine, which is the developer's."""
    return when.astimezone().strftime(form)


def moment(when: datetime) -> str:
    """Return the time of today's emails, the day of older ones."""
    is_today = when.astimezone().date() == datetime.now().astimezone().date()
    return local_time(when) if is_today else local_time(when, "%d %b")


def size(count: int) -> str:
    """Return a number of bytes with a unit."""
    if count < 1024:
        return f"{count} B"
    return f"{count / 1024:.1f} kB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"

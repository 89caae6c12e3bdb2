"""What operators are told: a subject, a text, and the same for programs."""

import html
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from notifier import english
from notifier.alerts.incidents import Due, State
from notifier.config.settings import Settings
from notifier.mail.message import Message
from notifier.observability.causes import Problem
from notifier.observability.runbook import place


@dataclass(frozen=True, slots=True)
class Notice:
    """One piece of news."""

    subject: str
    text: str
    #: The body of the call of a webhook.
    payload: bytes


def compose(state: State, what: Due, problem: Problem | None, settings: Settings, now: datetime) -> Notice:
    """Write the news about a cause. `problem`: as it is now, if it still is."""
    where = place(state.anchor, settings.runbook_url)
    when = f"{state.since:%Y-%m-%d %H:%M:%S} UTC"
    if what is Due.failing and problem is not None:
        subject = state.title
        lines = [f"{state.title} Since {when}.", problem.means, "", f"{problem.checks[0].name}: {problem.detail}"]
        if problem.consequences:
            lines.append(f"Because of it: {english.listed(check.name for check in problem.consequences)}")
        lines += ["", f"What to do: {problem.todo}"]
    else:
        lasted = english.duration((state.well_since or now) - state.since)
        subject = f"Well again: {state.title}"
        lines = [f"It is well again after {lasted}: {state.title}", f"It began at {when}."]
        if what is Due.was_failing:
            lines.append("You could not be told while it lasted.")
    lines += [
        f"Runbook: {where}",
        f"All checks: {settings.link_base}/admin/health/",
        f"Told by notifier on {settings.host}.",
    ]
    payload = {
        "text": f"{subject} {where}", "state": "failing" if what is Due.failing else "well", "key": state.key,
        "title": state.title, "since": state.since.isoformat(), "at": now.isoformat(), "host": settings.host,
        "detail": problem.detail if problem else "", "todo": problem.todo if problem else "", "runbook_url": where,
    }  # fmt: skip
    return Notice(f"[{settings.product}] {subject}", "\n".join(lines) + "\n", json.dumps(payload).encode("ascii"))


def as_message(notice: Notice, address: str, settings: Settings, now: datetime) -> Message:
    """Return the email with this news. It has no row: a ledger that does not move must not hold it."""
    return Message(
        sender_name=settings.sender.name,
        sender_address=settings.sender.address,
        recipient=address,
        subject=notice.subject,
        text=notice.text,
        html=f"<pre>{html.escape(notice.text)}</pre>",
        message_id=f"<a{secrets.token_hex(12)}@{settings.sender_domain}>",
        date=now,
        envelope_sender=settings.sender.address,
    )

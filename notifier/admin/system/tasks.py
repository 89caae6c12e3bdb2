"""Tasks: results of the control tasks, by state and name."""

from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from notifier.admin.kit import arguments
from notifier.admin.kit.listing import by_key
from notifier.admin.kit.page import Page, show
from notifier.extensions import db
from notifier.models import RECORDED, TaskResult, TaskState
from notifier.services import services

STATES = tuple(str(state) for state in TaskState)

#: Number at which a count stops: "more than".
ENOUGH = 10_000


class Tasks(Page):
    """Results of everything that workers do besides sending, which is in the ledger."""

    title = "Tasks"
    section = "System"
    slug = "tasks"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show the newest results, and the number in each state. Those with nothing to do are left out by default."""
        name, state = arguments.text("name", 64), arguments.choice("state", STATES)
        every = arguments.choice("idle", ("show",)) == "show"
        query = select(TaskResult) if every else select(TaskResult).where(TaskResult.idle.is_(False))
        if name:
            query = query.where(TaskResult.name == name)
        if state:
            query = query.where(TaskResult.state == state)
        page: str = self.render(
            "admin/tasks.html",
            name=name,
            state=state,
            every=every,
            states=STATES,
            counts={state: _count(state) for state in STATES},
            enough=ENOUGH,
            names=RECORDED,
            kept=services().settings.task_results_kept,
            listing=by_key(query, TaskResult.id),
        )
        return page


def _count(state: str) -> int:
    some = select(TaskResult.id).where(TaskResult.state == state).limit(ENOUGH).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0

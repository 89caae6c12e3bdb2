"""Scheduled jobs: when they last ran and when they run next."""

from datetime import timedelta

from flask import flash, redirect, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.exceptions import NotFound

from notifier import clock
from notifier.admin.campaigns import summary
from notifier.admin.kit import login
from notifier.admin.kit.page import Page, act, show
from notifier.extensions import db
from notifier.models import Heartbeat, Role
from notifier.observability import healthcheck, heartbeats
from notifier.operators import audit_log
from notifier.services import services

#: Their purpose, in one line.
WHAT = {
    "tick": "Starts the campaigns that are due.",
    "sweep": "Re-queues emails no worker picked up and frees those of a crashed worker.",
    "purge": "Deletes data past its retention.",
}


class Jobs(Page):
    """The jobs that beat triggers. Campaigns have schedules of their own."""

    title = "Scheduled jobs"
    section = "System"
    slug = "jobs"

    @show()
    def index(self) -> ResponseReturnValue:
        """Show one line per job."""
        every = services().schedule
        last = {row.name: row.at for row in db.session.scalars(select(Heartbeat))}
        now = clock.now()
        jobs = []
        for name in heartbeats.CHORES:
            at = last.get(name)
            jobs.append(
                {
                    "name": name,
                    "what": WHAT[name],
                    "every": every.get(name),
                    "last": at,
                    "next": None if at is None else at + timedelta(seconds=every.get(name, 0)),
                    "late": at is None or (now - at).total_seconds() > healthcheck.LATE[name],
                }
            )
        page: str = self.render("admin/jobs.html", jobs=jobs, **summary.of_jobs(db.session()))
        return page

    @act("/<job>/run", Role.admin)
    def run(self, job: str) -> ResponseReturnValue:
        """Trigger a job once, outside its schedule."""
        if job not in heartbeats.CHORES:
            raise NotFound
        audit_log.record(db.session(), login.actor(), "job.run", object_type="job", object_id=job)
        db.session.commit()
        try:
            services().run_now(job)
        except Exception as error:
            # Any error of any broker's client.
            flash(
                f"The broker is not available ({type(error).__name__}), so {job} was not queued. See the queue page.",
                "error",
            )
        else:
            flash(f"{job} is queued. The task page shows its result.", "success")
        return redirect(url_for(".index"), 303)
